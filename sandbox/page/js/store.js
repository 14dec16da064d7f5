// What the page knows: the guild, who one is, the commands, and every channel's messages as Discord's API shows them.

import { compareIds } from "./dom.js";

const DISCORD_EPOCH_MS = 1420070400000;

export class Store extends EventTarget {
  guild = { id: "0", name: "", upload_limit: 10 * 1024 * 1024 };
  application = null;
  connected = true;
  me = null;
  members = new Map();
  channels = [];
  channel = null;
  commands = [];
  messages = new Map(); // id -> message, of the channel in view
  notes = new Map(); // message id -> {pending: custom_id, failed: words}: what the reader's own clicks came to
  unread = new Set(); // ids of channels with something new
  dismissed = new Set();
  typing = new Map(); // user id -> when the notice ends, ms

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Take over the server's state. The channel in view is kept by name: a restarted server has other ids. */
  load(state, wantedChannel) {
    const name = this.channel?.name ?? wantedChannel;
    this.guild = state.guild;
    this.application = state.application;
    this.connected = state.connected;
    this.me = state.me;
    this.members = new Map(state.members.map((member) => [member.id, member]));
    this.channels = state.channels;
    this.commands = state.commands;
    this.channel = this.channels.find((c) => c.name === name) ?? this.channels.at(-1) ?? null;
    this.#emit("state");
  }

  setCommands(commands) {
    this.commands = commands;
    this.#emit("commands");
  }

  setConnected(connected) {
    this.connected = connected;
    this.#emit("connection");
  }

  openChannel(channel) {
    this.channel = channel;
    this.typing.clear();
    this.unread.delete(channel.id);
    this.messages = new Map();
    this.#emit("channel");
  }

  loadMessages(messages) {
    // Sort, since notes of the page's own ("did not respond") stand between the server's messages.
    const own = [...this.messages.values()].filter((m) => m.local && m.channel_id === this.channel.id);
    this.messages = new Map([...messages, ...own].map((m) => [m.id, m]));
    this.#emit("messages");
  }

  putMessage(message) {
    if (message.channel_id !== this.channel?.id) {
      this.unread.add(message.channel_id);
      this.#emit("unread");
      return;
    }
    this.messages.set(message.id, message);
    this.typing.delete(message.author.id);
    this.#emit("message", message);
  }

  dropMessage(id) {
    if (this.messages.delete(id)) this.#emit("removed", id);
  }

  dismiss(id) {
    this.dismissed.add(id);
    this.dropMessage(id);
  }

  /** The message's words about the reader's own click; null takes them away. */
  setNote(id, note) {
    if (note) this.notes.set(id, note);
    else this.notes.delete(id);
    const message = this.messages.get(id);
    if (message) this.#emit("message", message);
  }

  setTyping(userId, channelId) {
    if (channelId !== this.channel?.id || userId === this.me) return;
    this.typing.set(userId, Date.now() + 10000);
    this.#emit("typing");
  }

  /** Messages of the channel in view, oldest first. */
  ordered() {
    return [...this.messages.values()]
      .filter((m) => !this.dismissed.has(m.id))
      .sort((a, b) => compareIds(a.id, b.id));
  }

  /** Whether the person in view may delete that message. */
  mayDelete(message) {
    return !message.local && (message.author.id === this.me || Boolean(this.members.get(this.me)?.moderator));
  }

  /** An id of this moment, so that a note of the page's own sorts among the server's messages. */
  localId() {
    return String(BigInt(Date.now() - DISCORD_EPOCH_MS) << 22n);
  }
}
