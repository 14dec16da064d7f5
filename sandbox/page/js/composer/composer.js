// Where a person writes: an ordinary message with files, or a command once a slash opens the palette.

import { fill, formatBytes, h, icon } from "../dom.js";
import { toast } from "../toast.js";
import { CommandBar } from "./commandbar.js";
import { flatten, search } from "./commands.js";
import { Panel } from "./panel.js";

const MAX_FILES = 10;
const MAX_CHARACTERS = 2000;

export class Composer {
  /** `on`: post(content, files) -> Promise, command({command, options, files, values}), suggest(…) for autocompletion. */
  constructor(root, store, on) {
    this.root = root;
    this.store = store;
    this.on = on;
    this.files = [];
    this.#build();
    store.addEventListener("commands", () => this.#palette());
    store.addEventListener("channel", () => this.#placeholder());
    store.addEventListener("state", () => this.#placeholder());
  }

  #build() {
    const panelRoot = h("div", { class: "panel" });
    this.panel = new Panel(panelRoot, (item) => this.#picked(item));
    this.tray = h("ul", { class: "tray", "aria-label": "Files to send", hidden: true });
    this.text = h("textarea", { class: "compose-field", id: "compose", rows: "1", autocomplete: "off", enterkeyhint: "send" });
    this.barRoot = h("div", { class: "command-bar", role: "group", "aria-label": "Command", hidden: true });
    this.chooser = h("input", { type: "file", multiple: true, class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", id: "attach" });
    this.attach = h("button", { type: "button", class: "icon-button compose-attach", "aria-label": "Attach files", on: { click: () => this.chooser.click() } }, icon("plus"));
    this.send = h("button", { type: "button", class: "icon-button compose-send", "aria-label": "Send", on: { click: () => this.#send() } }, icon("send"));
    this.leave = h("button", { type: "button", class: "icon-button compose-leave", "aria-label": "Leave this command", hidden: true, on: { click: () => this.#closeCommand("") } }, icon("close"));
    fill(this.root, panelRoot, h("div", { class: "compose-box" }, this.tray, h("div", { class: "compose-row" }, this.attach, this.chooser, this.text, this.barRoot, this.leave, this.send)));
    this.bar = new CommandBar(this.barRoot, this.panel, this.store, this.on.suggest, {
      submit: (sent) => {
        this.#closeCommand("");
        this.on.command(sent);
      },
      cancel: (typed) => this.#closeCommand(typed),
    });
    this.text.addEventListener("input", () => this.#typed());
    this.text.addEventListener("keydown", (event) => this.#key(event));
    this.text.addEventListener("focus", () => this.#palette());
    this.text.addEventListener("blur", () => !this.bar.isOpen && this.panel.hide());
    this.root.addEventListener("paste", (event) => this.#paste(event));
    this.chooser.addEventListener("change", () => {
      this.addFiles([...this.chooser.files]);
      this.chooser.value = "";
    });
    this.panel.bind(this.text);
    this.#placeholder();
  }

  #placeholder() {
    const name = this.store.channel?.name ?? "…";
    this.text.placeholder = `Message #${name}`;
    this.text.setAttribute("aria-label", `Message #${name}`);
  }

  focus() {
    (this.bar.isOpen ? (this.bar.focused?.field ?? this.bar.more) : this.text).focus();
  }

  /** Forget everything unsent, e.g. when another person takes over. */
  reset() {
    this.#closeCommand("", false);
    this.files = [];
    this.#showTray();
  }

  // --- the palette

  #typed() {
    this.#grow();
    const match = /^\/(.+) $/.exec(this.text.value);
    const exact = match && this.#commands().find((command) => command.name === match[1].toLowerCase());
    if (exact) this.#openCommand(exact);
    else this.#palette();
  }

  #grow() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, 240)}px`;
  }

  #commands() {
    return flatten(this.store.commands);
  }

  #palette() {
    if (this.bar.isOpen) return;
    const typed = this.text.value;
    if (document.activeElement !== this.text || !/^\/[^\n]*$/.test(typed)) {
      this.panel.hide();
      return;
    }
    const found = search(this.#commands(), typed.slice(1));
    if (!found.length && typed.length > 1 && this.store.commands.length) {
      this.panel.hide();
      return;
    }
    const app = this.store.application?.user;
    this.panel.root.classList.remove("panel-error");
    this.panel.show({
      head: [h("span", { class: "panel-title" }, typed.length > 1 ? "Commands matching " : "Commands"), typed.length > 1 && h("span", { class: "mention" }, typed), h("span", { class: "panel-tag" }, app?.global_name || app?.username || "application")],
      label: "Commands",
      items: found.map((command) => ({ content: this.#commandRow(command), note: command.description, command })),
      active: 0,
      status: found.length ? "" : "The bot has not registered any commands yet.",
    });
  }

  #commandRow(command) {
    const required = command.options.filter((option) => option.required);
    const rest = command.options.length - required.length;
    return [
      h("span", { class: "command-name" }, `/${command.name}`),
      required.map((option) => h("span", { class: "command-option" }, option.name)),
      rest > 0 && h("span", { class: "command-rest muted" }, required.length ? `+${rest}` : `${rest} optional`),
    ];
  }

  #picked(item) {
    if (item.command) this.#openCommand(item.command);
    else this.bar.picked(item);
  }

  #openCommand(command, values = {}) {
    const files = command.options.some((option) => option.type === 11) ? this.files : [];
    if (files.length) this.files = [];
    this.text.value = "";
    this.#grow();
    this.text.hidden = true;
    this.attach.hidden = true;
    this.barRoot.hidden = false;
    this.leave.hidden = false;
    this.root.classList.add("composer-command");
    this.#showTray();
    this.bar.open(command, { values, files });
  }

  /** Take a command up again with the values it had. */
  resume(name, values) {
    const command = this.#commands().find((candidate) => candidate.name === name);
    if (!command) return toast(`/${name} is no longer there.`, "error");
    if (this.bar.isOpen) this.#closeCommand("", false);
    this.#openCommand(command, values);
    return undefined;
  }

  #closeCommand(typed, focus = true) {
    if (this.bar.isOpen) this.bar.close();
    this.barRoot.hidden = true;
    this.leave.hidden = true;
    this.text.hidden = false;
    this.attach.hidden = false;
    this.root.classList.remove("composer-command");
    this.panel.root.classList.remove("panel-error");
    this.panel.bind(this.text);
    this.text.value = typed;
    this.#grow();
    this.panel.hide();
    if (focus) this.text.focus();
    if (focus && typed) this.#palette();
  }

  // --- keys and sending

  #key(event) {
    if (event.isComposing) return;
    const listed = this.panel.isOpen && this.panel.items.length > 0;
    if (listed && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.panel.move(event.key === "ArrowDown" ? 1 : -1);
    } else if (listed && this.panel.current && ((event.key === "Tab" && !event.shiftKey) || (event.key === "Enter" && !event.shiftKey))) {
      event.preventDefault();
      this.panel.pick();
    } else if (event.key === "Escape" && this.panel.isOpen) {
      event.preventDefault();
      this.panel.hide();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "ArrowUp" && this.text.value === "") {
      event.preventDefault();
      document.querySelector("#messages li:last-child article")?.focus();
    }
  }

  async #send() {
    if (this.bar.isOpen) return this.bar.submit();
    const content = this.text.value.trim();
    const files = this.files;
    if (!content && !files.length) return this.text.focus();
    if (content.length > MAX_CHARACTERS) return toast(`A message may have ${MAX_CHARACTERS} characters; these are ${content.length}.`, "error");
    this.text.value = "";
    this.files = [];
    this.#grow();
    this.#showTray();
    this.text.focus();
    try {
      await this.on.post(content, files);
    } catch (error) {
      toast(error.message, "error");
      if (!this.text.value && !this.files.length) {
        this.text.value = content;
        this.files = files;
        this.#showTray();
      }
    }
    return undefined;
  }

  // --- files

  /** Files dropped, pasted or chosen: into the options of an open command, else beside the message. */
  addFiles(files) {
    if (this.bar.isOpen && this.bar.takesFiles) {
      const rest = this.bar.addFiles(files);
      if (rest.length) toast(`/${this.bar.command.name} has no place for ${rest.length === 1 ? rest[0].name : `${rest.length} more files`}.`, "error");
      return;
    }
    if (this.bar.isOpen) return void toast(`/${this.bar.command.name} takes no files.`, "error");
    const limit = this.store.guild.upload_limit;
    for (const file of files) {
      if (this.files.length >= MAX_FILES) {
        toast(`A message may have ${MAX_FILES} files.`, "error");
        break;
      }
      if (file.size > limit) toast(`${file.name} is ${formatBytes(file.size)}; one file may have ${formatBytes(limit)} here.`, "error");
      else this.files = [...this.files, file];
    }
    this.#showTray();
    this.text.focus();
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.addFiles(files);
  }

  #showTray() {
    for (const image of this.tray.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    this.tray.hidden = this.files.length === 0;
    fill(this.tray, this.files.map((file) => this.#trayItem(file)));
  }

  #trayItem(file) {
    const remove = () => {
      this.files = this.files.filter((other) => other !== file);
      this.#showTray();
      this.text.focus();
    };
    return h(
      "li",
      { class: "tray-item" },
      file.type.startsWith("image/") ? h("img", { src: URL.createObjectURL(file), alt: "" }) : icon("file"),
      h("span", { class: "tray-name" }, file.name),
      h("button", { type: "button", class: "icon-button tray-remove", "aria-label": `Remove ${file.name}`, on: { click: remove } }, icon("close")),
    );
  }
}
