"""hikari takes the sandbox for Discord: a second client, written by other people."""

import asyncio
from collections.abc import AsyncIterator

import hikari
import pytest

from sandbox.members import File
from sandbox.server import Sandbox


@pytest.fixture
async def bot(sandbox: Sandbox) -> AsyncIterator[hikari.GatewayBot]:
    """hikari's gateway bot, connected, with one command registered."""
    connected = hikari.GatewayBot(
        sandbox.token,
        rest_url=sandbox.api_base,
        intents=hikari.Intents.GUILDS | hikari.Intents.GUILD_MESSAGES,
        banner=None,
        logs=None,
        suppress_optimization_warning=True,
    )

    @connected.listen()
    async def register(event: hikari.StartingEvent) -> None:
        application = await connected.rest.fetch_application()
        build = connected.rest.slash_command_builder
        commands = [
            build("photo", "Reads a photo").add_option(
                hikari.CommandOption(
                    type=hikari.OptionType.ATTACHMENT, name="file", description="The photo", is_required=True
                )
            ),
            build("slow", "Takes a while"),
            connected.rest.context_menu_command_builder(hikari.CommandType.MESSAGE, "Quote"),
        ]
        await connected.rest.set_application_commands(application.id, commands)

    await connected.start(check_for_updates=False)
    await sandbox.wait_ready(command="photo")
    yield connected
    await connected.close()


async def test_rest_of_hikari(sandbox: Sandbox, bot: hikari.GatewayBot) -> None:
    channel_id = sandbox.place("darkroom").id
    me = await bot.rest.fetch_my_user()
    assert int(me.id) == sandbox.application_id
    guild = await bot.rest.fetch_guild(sandbox.guild.id)
    assert guild.name == "Darkroom Lab"
    member = await bot.rest.fetch_member(sandbox.guild.id, sandbox.member("ada").id)
    assert member.username == "ada"

    sent = await bot.rest.create_message(channel_id, "hello", attachment=hikari.Bytes(b"bytes", "note.txt"))
    assert await sent.attachments[0].read() == b"bytes"
    edited = await bot.rest.edit_message(channel_id, sent.id, "hello again", attachments=None)
    assert (edited.content, list(edited.attachments)) == ("hello again", [])
    assert [m.content async for m in bot.rest.fetch_messages(channel_id)] == ["hello again"]
    await bot.rest.delete_message(channel_id, sent.id)
    with pytest.raises(hikari.NotFoundError):
        await bot.rest.fetch_message(channel_id, sent.id)

    direct = await bot.rest.create_dm_channel(sandbox.member("ben").id)
    await bot.rest.create_message(direct.id, "ping")
    assert [m.text for m in sandbox.messages(sandbox.direct_channel(sandbox.member("ben")))] == ["ping"]
    assert sandbox.violations == []


async def test_interactions_of_hikari(sandbox: Sandbox, bot: hikari.GatewayBot) -> None:
    @bot.listen()
    async def answer(event: hikari.InteractionCreateEvent) -> None:
        interaction = event.interaction
        if isinstance(interaction, hikari.ComponentInteraction):
            await interaction.create_initial_response(hikari.ResponseType.MESSAGE_UPDATE, "pressed", components=[])
            return
        assert isinstance(interaction, hikari.CommandInteraction)
        if interaction.command_name == "photo":
            assert interaction.resolved is not None
            (photo,) = interaction.resolved.attachments.values()
            await interaction.create_initial_response(
                hikari.ResponseType.MESSAGE_CREATE, f"{photo.filename} {len(await photo.read())}"
            )
        elif interaction.command_name == "Quote":
            assert interaction.resolved is not None
            (message,) = interaction.resolved.messages.values()
            await interaction.create_initial_response(hikari.ResponseType.MESSAGE_CREATE, f"> {message.content}")
        else:
            await interaction.create_initial_response(
                hikari.ResponseType.DEFERRED_MESSAGE_CREATE, flags=hikari.MessageFlag.EPHEMERAL
            )
            row = bot.rest.build_message_action_row().add_interactive_button(
                hikari.ButtonStyle.PRIMARY, "press", label="Press"
            )
            await interaction.edit_initial_response("there", component=row)
            await interaction.execute("more")

    ada = sandbox.member("ada")
    read = await ada.slash("photo", file=File("cat.png", b"12345"))
    assert (await read.response()).text == "cat.png 5"

    posted = await ada.post("wise words")
    quoted = await ada.message_command("Quote", posted)
    assert (await quoted.response()).text == "> wise words"

    slow = await ada.slash("slow")
    message = await slow.response()
    assert (message.text, slow.ephemeral) == ("there", True)
    await sandbox.wait_for(lambda m: m.text == "more", seen_by=ada)
    pressed = await ada.click(message, "Press")
    assert (await pressed.response()).text == "pressed"
    assert sandbox.violations == []


async def test_hikari_resumes(sandbox: Sandbox, bot: hikari.GatewayBot) -> None:
    resumed = asyncio.Event()

    @bot.listen()
    async def note(event: hikari.ShardResumedEvent) -> None:
        resumed.set()

    await sandbox.request_reconnect()
    await asyncio.wait_for(resumed.wait(), 20)


async def test_hikari_is_told_of_a_wrong_token(sandbox: Sandbox) -> None:
    app = hikari.RESTApp(url=sandbox.api_base)
    await app.start()
    try:
        async with app.acquire("not-the-token", "Bot") as rest:
            with pytest.raises(hikari.UnauthorizedError):
                await rest.fetch_my_user()
    finally:
        await app.close()
