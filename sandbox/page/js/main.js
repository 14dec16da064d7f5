// Puts the page together: state from the server, the live connection, and the parts that show them.

import { api, ApiError } from "./api.js";
import { Composer } from "./composer/composer.js";
import { acceptFiles } from "./drop.js";
import { fill, h } from "./dom.js";
import { Interactions } from "./interactions.js";
import { openLightbox } from "./lightbox.js";
import { Live } from "./live.js";
import { displayName } from "./render/avatar.js";
import { Frame } from "./sidebar.js";
import { Store } from "./store.js";
import { toggleTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { startTicker } from "./time.js";
import { toast } from "./toast.js";

const byId = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.search);
const store = new Store();
const live = new Live();
let wasLost = false;

const composer = new Composer(byId("composer"), store, {
  post: (content, files) => api.post(store.me, store.channel.id, content, files),
  command: (sent) => interactions.command(sent),
  suggest: async (command, option, value, options, signal) => {
    const payload = { channel_id: store.channel.id, name: command.name, focused: option.name, value, options };
    const { choices } = await api.autocomplete(store.me, payload, signal);
    if (choices === null) throw new ApiError("Loading options failed.", 200);
    return choices;
  },
});
const interactions = new Interactions(store, {
  resume: (name, values) => composer.resume(name, values),
  names: () => timeline.names(),
});
const timeline = new Timeline(
  store,
  { frame: byId("timeline"), list: byId("messages"), welcome: byId("welcome"), jump: byId("jump") },
  interactions.acts(openLightbox),
);
const frame = new Frame(
  store,
  { app: byId("app"), sidebar: byId("sidebar"), channel: byId("channel"), topbar: byId("topbar"), roster: byId("roster"), scrim: byId("scrim") },
  { channel: (channel) => openChannel(channel), member: (member) => becomeMember(member), theme: toggleTheme },
);

/** Ask for everything again: at the start, for another member, after a lost connection. */
async function load(member) {
  const state = await api.state(member);
  store.load(state, wanted.get("channel"));
  await showMessages();
  if (byId("app").dataset.state === "ready") return;
  byId("app").dataset.state = "ready";
  composer.focus();
}

async function showMessages() {
  const channel = store.channel;
  if (!channel) return;
  const { messages } = await api.messages(store.me, channel.id);
  if (channel !== store.channel) return;
  timeline.renderWelcome();
  store.loadMessages(messages);
  remember();
}

/** The address names who and where, so that two windows can be two people, and a reload changes nothing. */
function remember() {
  const address = new URL(location.href);
  address.searchParams.set("member", store.members.get(store.me).name);
  address.searchParams.set("channel", store.channel.name);
  history.replaceState(null, "", address);
}

async function openChannel(channel) {
  if (channel.id === store.channel?.id) return composer.focus();
  store.openChannel(channel);
  timeline.pinned = true;
  await showMessages().catch((error) => toast(error.message, "error"));
  composer.focus();
  return undefined;
}

async function becomeMember(member) {
  if (member.id === store.me) return;
  interactions.reset();
  composer.reset();
  store.messages.clear();
  timeline.pinned = true;
  wanted.set("member", member.name);
  live.follow(member.name);
}

function banner(words, kind, action) {
  const element = byId("banner");
  element.hidden = !words;
  element.className = `banner banner-${kind}`;
  fill(element, words, action && h("button", { type: "button", class: "link-button", on: { click: action.act } }, action.label));
}

function showConnection() {
  const name = store.application?.user ? displayName(store.application.user) : "The bot";
  if (wasLost) banner("Connection lost. Reconnecting…", "lost", { label: "Try now", act: () => live.retry() });
  else if (!store.connected) banner(`${name} is not connected: commands will not be answered.`, "warn");
  else banner("", "none");
}

live.addEventListener("open", async () => {
  // The connection listens before the state is read: a change in between arrives twice rather than never.
  try {
    await load(wanted.get("member") ?? "");
  } catch (error) {
    banner(error.message, "lost", { label: "Try again", act: () => live.retry() });
    return;
  }
  if (wasLost) toast("Connected again.");
  wasLost = false;
  showConnection();
});
live.addEventListener("lost", () => {
  wasLost = true;
  showConnection();
});
live.addEventListener("change", ({ detail: { kind, data } }) => {
  if (kind === "message_create" || kind === "message_update") store.putMessage(data);
  else if (kind === "message_delete") store.dropMessage(data.id);
  else if (kind === "typing") store.setTyping(data.user_id, data.channel_id);
  else if (kind === "commands") api.state(store.me).then((state) => store.setCommands(state.commands)).catch(() => {});
  else if (kind === "gateway") {
    store.setConnected(data.connected);
    showConnection();
  }
});

/** "Darkroom is typing…", for ten seconds or until the message is there. */
function showTyping() {
  const now = Date.now();
  const names = [...store.typing].filter(([, until]) => until > now).map(([id]) => store.members.get(id)?.display_name ?? "Somebody");
  const words = names.length ? `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing…` : "";
  if (byId("typing").textContent !== words) byId("typing").textContent = words;
}
for (const type of ["typing", "message", "channel"]) store.addEventListener(type, showTyping);
setInterval(showTyping, 1000);

acceptFiles(
  byId("channel"),
  byId("dropzone"),
  () => (composer.bar.takesFiles ? `Add to /${composer.bar.command.name}` : `Upload to #${store.channel?.name}`),
  (files) => composer.addFiles(files),
);
document.addEventListener("keydown", (event) => {
  // Typing anywhere goes to the message box, as in a chat one expects; a slash opens the palette.
  const typing = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  const free = !event.target.closest("input, textarea, select, dialog, [role=menu], [role=listbox]");
  if (typing && free && !document.querySelector("dialog[open]")) composer.focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => frame.render());

startTicker();
live.follow(wanted.get("member") ?? "");
