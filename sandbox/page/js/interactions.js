// What a person does to the application: commands, buttons, selects, forms, the message menu. Each is one request that
// comes back when the application has acknowledged it or failed to.

import { api } from "./api.js";
import { messageCommands } from "./composer/commands.js";
import { openMenu } from "./menu.js";
import { openModal } from "./modal.js";
import { openPicker, selectOptions } from "./picker.js";
import { findComponent } from "./render/components.js";
import { EPHEMERAL, isEphemeral } from "./render/message.js";
import { toast } from "./toast.js";

const FAILED = "This interaction failed";

export class Interactions {
  /** `resume(name, values)` takes a failed command up again; `names()` spells mentions. */
  constructor(store, { resume, names }) {
    this.store = store;
    this.resume = resume;
    this.names = names;
    this.drafts = new Map();
    this.closeModal = null;
  }

  /** Acts of the timeline's elements. */
  acts(openLightbox) {
    return {
      button: (message, element) => this.click(message, element.dataset.customId),
      select: (message, element) => this.select(message, element),
      picture: (_, element) => openLightbox(element),
      dismiss: (message) => this.dismiss(message),
      retry: (message) => this.#retry(message),
      more: (message, element, pointer) => this.menu(message, element, pointer),
      remove: (message) => isEphemeral(message) ? this.dismiss(message) : this.store.mayDelete(message) && this.remove(message),
    };
  }

  async command({ command, options, files, values }) {
    const note = this.#pendingNote(command.name);
    this.store.putMessage(note);
    const channel = this.store.channel.id;
    const { error } = await this.#send({ kind: "slash", channel_id: channel, name: command.name, options }, files);
    this.store.dropMessage(note.id);
    if (error === null) return;
    this.drafts.set(note.id, { name: command.name, values });
    this.store.putMessage({ ...note, pending: false, flags: EPHEMERAL, content: error, failed: true, retry: true });
  }

  /** A message of the page's own: "ada used /train", sending or failed. */
  #pendingNote(name) {
    const me = this.store.members.get(this.store.me);
    const user = { id: me.id, username: me.name, global_name: me.display_name };
    return {
      id: this.store.localId(),
      channel_id: this.store.channel.id,
      author: this.store.application.user,
      timestamp: new Date().toISOString(),
      flags: 0,
      content: "",
      interaction: { type: 2, name, user },
      local: true,
      pending: true,
    };
  }

  #retry(note) {
    const draft = this.drafts.get(note.id);
    this.store.dropMessage(note.id);
    this.resume(draft.name, draft.values);
  }

  click(message, customId) {
    return this.#component(message, customId, { kind: "click", message_id: message.id, custom_id: customId });
  }

  select(message, element) {
    const component = findComponent(message.components, element.dataset.customId);
    const options = selectOptions(component, this.store);
    const chosen = options.filter((option) => option.default).map((option) => option.value);
    openPicker(component, options, chosen, element, (values) =>
      this.#component(message, component.custom_id, { kind: "select", message_id: message.id, custom_id: component.custom_id, values }),
    );
  }

  async #component(message, customId, payload) {
    if (this.store.notes.get(message.id)?.pending) return;
    this.store.setNote(message.id, { pending: customId });
    const { error } = await this.#send({ ...payload, channel_id: message.channel_id });
    this.store.setNote(message.id, error === null ? null : { failed: error === "The application did not respond" ? FAILED : error });
  }

  async messageCommand(name, message) {
    const { error } = await this.#send({ kind: "message_command", name, message_id: message.id, channel_id: message.channel_id });
    if (error === null) return;
    const note = this.#pendingNote(name);
    this.store.putMessage({ ...note, pending: false, flags: EPHEMERAL, content: error, failed: true });
  }

  /** Send and deal with what comes back; never raises: {error: words or null}. */
  async #send(payload, files = []) {
    const member = this.store.me;
    let answer;
    try {
      answer = await api.interact(member, payload, files);
    } catch (error) {
      return { error: error.message };
    }
    if (answer.modal && member === this.store.me) this.#showModal(answer.modal, payload.channel_id);
    return { error: answer.error ?? null };
  }

  #showModal(modal, channel) {
    this.closeModal?.();
    this.closeModal = openModal(modal, this.store, this.names(), async (values, files) => {
      const payload = { kind: "submit", channel_id: channel, interaction_id: modal.interaction_id, values };
      const { error } = await this.#send(payload, files);
      return error === null ? null : `${error}. What you wrote is still here: try again.`;
    });
  }

  /** Another person takes over: their predecessor's form goes. */
  reset() {
    this.closeModal?.();
    this.closeModal = null;
    this.store.notes.clear();
  }

  menu(message, element, pointer) {
    if (message.pending) return;
    const entries = [];
    if (!message.local) {
      const commands = messageCommands(this.store.commands);
      if (commands.length) entries.push({ header: "Apps" });
      entries.push(...commands.map((command) => ({ label: command.name, icon: "spark", act: () => this.messageCommand(command.name, message) })));
    }
    entries.push({ header: "Message" });
    if (message.content) entries.push({ label: "Copy text", icon: "copy", act: () => copy(message.content) });
    if (!message.local) entries.push({ label: "Copy message ID", icon: "copy", act: () => copy(message.id) });
    if (isEphemeral(message)) entries.push({ label: "Dismiss message", icon: "eye", act: () => this.dismiss(message) });
    else if (this.store.mayDelete(message)) entries.push({ label: "Delete message", icon: "trash", danger: true, act: () => this.remove(message) });
    if (pointer?.clientX === undefined || element.dataset.act === "more") openMenu("Message actions", entries, element);
    else openMenu("Message actions", entries, pointer);
  }

  async dismiss(message) {
    this.store.dismiss(message.id);
    if (!message.local) await api.remove(this.store.me, message.channel_id, message.id).catch(() => {});
  }

  async remove(message) {
    try {
      await api.remove(this.store.me, message.channel_id, message.id);
    } catch (error) {
      toast(error.message, "error");
    }
  }
}

function copy(text) {
  navigator.clipboard?.writeText(text).then(() => toast("Copied."), () => toast("The browser did not allow copying.", "error"));
}
