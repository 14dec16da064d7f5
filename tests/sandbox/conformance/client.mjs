// A small discord.js bot. Addresses and token come from the environment; what it meets is printed, one line each.
import {
  ActionRowBuilder, ApplicationCommandType, AttachmentBuilder, ButtonBuilder, ButtonStyle, Client, ContextMenuCommandBuilder,
  EmbedBuilder, Events, FileUploadBuilder, GatewayIntentBits, LabelBuilder, MessageFlags, ModalBuilder, SlashCommandBuilder,
  StringSelectMenuBuilder, TextInputBuilder, TextInputStyle,
} from "discord.js";

const say = (line) => process.stdout.write(`${line}\n`);
const api = process.env.DISCORD_API_BASE.replace(/\/v10$/, "");
const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages],
  rest: { api, version: "10", cdn: process.env.DISCORD_CDN_BASE },
});

const commands = [
  new SlashCommandBuilder().setName("draw").setDescription("Takes a while")
    .addStringOption((o) => o.setName("word").setDescription("A word").setRequired(true).setAutocomplete(true))
    .addAttachmentOption((o) => o.setName("photo").setDescription("A photo")),
  new SlashCommandBuilder().setName("form").setDescription("Opens a form"),
  new ContextMenuCommandBuilder().setName("Count photos").setType(ApplicationCommandType.Message),
];

const readAll = async (url) => (await (await fetch(url)).arrayBuffer()).byteLength;

async function draw(interaction) {
  await interaction.deferReply();
  const photo = interaction.options.getAttachment("photo");
  const size = photo ? await readAll(photo.url) : 0;
  const buttons = new ActionRowBuilder().addComponents(
    new ButtonBuilder().setCustomId("again").setLabel("Again").setStyle(ButtonStyle.Primary),
  );
  const menu = new ActionRowBuilder().addComponents(
    new StringSelectMenuBuilder().setCustomId("model").setPlaceholder("Model")
      .addOptions({ label: "One", value: "one" }, { label: "Two", value: "two" }),
  );
  await interaction.editReply({
    embeds: [new EmbedBuilder().setTitle("Drawn").setDescription(`${interaction.options.getString("word")} ${size}`)
      .setImage("attachment://dot.png")],
    files: [new AttachmentBuilder(Buffer.from("12345"), { name: "dot.png" })],
    components: [buttons, menu],
  });
  await interaction.followUp({ content: "for you alone", flags: MessageFlags.Ephemeral });
}

function openForm(interaction) {
  return interaction.showModal(new ModalBuilder().setCustomId("photos").setTitle("Photos").addLabelComponents(
    new LabelBuilder().setLabel("Name")
      .setTextInputComponent(new TextInputBuilder().setCustomId("name").setStyle(TextInputStyle.Short)),
    new LabelBuilder().setLabel("Photos")
      .setFileUploadComponent(new FileUploadBuilder().setCustomId("files").setMinValues(1).setMaxValues(10)),
  ));
}

async function submitted(interaction) {
  const files = [...interaction.fields.getUploadedFiles("files").values()];
  const sizes = await Promise.all(files.map((file) => readAll(file.url)));
  const name = interaction.fields.getTextInputValue("name");
  await interaction.reply({ content: `${name} ${sizes.join(" ")}`, flags: MessageFlags.Ephemeral });
}

client.on(Events.InteractionCreate, async (interaction) => {
  try {
    if (interaction.isAutocomplete()) {
      await interaction.respond([{ name: `${interaction.options.getFocused()}nos`, value: "thnos" }]);
    } else if (interaction.isChatInputCommand()) {
      await (interaction.commandName === "draw" ? draw(interaction) : openForm(interaction));
    } else if (interaction.isMessageContextMenuCommand()) {
      await interaction.reply(`${interaction.targetMessage.attachments.size} photos`);
    } else if (interaction.isButton()) {
      await interaction.update({ content: "again", components: [] });
    } else if (interaction.isStringSelectMenu()) {
      await interaction.reply(`chose ${interaction.values.join(", ")}`);
    } else if (interaction.isModalSubmit()) {
      await submitted(interaction);
    }
  } catch (error) {
    say(`error ${error.stack}`);
  }
});
client.on(Events.ShardResume, () => say("resumed"));
client.on(Events.Error, (error) => say(`error ${error.stack}`));
client.once(Events.ClientReady, async () => {
  try {
    await client.application.commands.set(commands);
    const channel = await client.channels.fetch(process.env.CHANNEL_ID);
    const message = await channel.send({ content: "hello", files: [{ attachment: Buffer.from("abc"), name: "a.txt" }] });
    await message.edit({ content: "hello again", attachments: [] });
    say(`ready ${client.user.username} ${channel.guild.name}`);
  } catch (error) {
    say(`error ${error.stack}`);
  }
});
process.stdin.on("close", () => client.destroy().then(() => process.exit(0)));
process.stdin.resume();
client.login(process.env.DISCORD_TOKEN).catch((error) => { say(`refused ${error.code}`); process.exit(3); });
