// A chosen command with its options as pills: required ones from the start, optional ones added from a list.
// Up and down move in the list above, Tab and Enter take the highlighted entry, Enter alone sends, Escape leaves.

import { fill, h } from "../dom.js";
import { TYPE } from "./commands.js";
import { filePill, textPill } from "./pill.js";
import { fixedChoices, readSlot, REQUIRED } from "./values.js";

const DEBOUNCE_MS = 220;

export class CommandBar {
  /**
   * `panel` is the list above; `suggest(command, focused, value, options, signal)` asks the application;
   * `on`: submit({name, options, files, slots}), cancel(typed).
   */
  constructor(root, panel, store, suggest, on) {
    this.root = root;
    this.panel = panel;
    this.store = store;
    this.suggest = suggest;
    this.on = on;
    this.command = null;
    this.slots = [];
    this.focused = null;
  }

  get isOpen() {
    return this.command !== null;
  }

  /** Begin a command. `values` refills it after a failure: {option: text or File}. */
  open(command, { values = {}, files = [] } = {}) {
    this.command = command;
    this.slots = [];
    const wanted = command.options.filter((option) => option.required || option.name in values);
    this.chip = h("span", { class: "command-chip" }, `/${command.name}`);
    this.pills = h("div", { class: "pills" });
    this.more = this.#moreField();
    fill(this.root, this.chip, this.pills, this.more);
    for (const option of wanted) this.#add(option, values[option.name]);
    this.#refreshMore();
    if (files.length) this.addFiles(files);
    this.#firstOpen()?.focus();
  }

  close() {
    clearTimeout(this.timer);
    this.asking?.abort();
    for (const slot of this.slots) if (slot.url) URL.revokeObjectURL(slot.url);
    this.command = null;
    this.slots = [];
    this.focused = null;
    fill(this.root);
    this.panel.hide();
  }

  // --- pills

  #add(option, value) {
    const slot = { option, text: "", choice: null, file: null };
    const on = {
      focus: (s) => this.#focus(s),
      input: (s) => this.#input(s),
      key: (event, s) => this.#key(event, s),
      remove: (s) => this.#remove(s),
    };
    const element = option.type === TYPE.ATTACHMENT ? filePill(slot, on) : textPill(slot, on);
    this.slots.push(slot);
    this.pills.append(element);
    if (value instanceof File) slot.setFile(value);
    else if (value?.choice) slot.set(value.choice.name, value.choice);
    else if (value !== undefined) slot.set(String(value));
    return slot;
  }

  #remove(slot) {
    const at = this.slots.indexOf(slot);
    if (slot.url) URL.revokeObjectURL(slot.url);
    this.slots.splice(at, 1);
    slot.element.remove();
    this.#refreshMore();
    (this.slots[at - 1]?.field ?? this.#moreOrFirst()).focus();
  }

  #firstOpen() {
    const open = this.slots.find((slot) => slot.option.required && "empty" in this.#read(slot));
    return open?.field ?? this.#moreOrFirst();
  }

  #moreOrFirst() {
    return this.more.hidden ? (this.slots.at(-1)?.field ?? this.more) : this.more;
  }

  /** Put files into the free attachment options in order, adding optional ones; returns those that found no place. */
  addFiles(files) {
    const rest = [...files];
    for (const option of this.command.options) {
      if (!rest.length) break;
      if (option.type !== TYPE.ATTACHMENT || !takes(option, rest)) continue;
      const slot = this.slots.find((candidate) => candidate.option === option);
      if (slot?.file) continue;
      const at = rest.findIndex((file) => fits(option, file));
      (slot ?? this.#add(option)).setFile(rest.splice(at, 1)[0]);
    }
    this.#refreshMore();
    this.#firstOpen()?.focus();
    return rest;
  }

  get takesFiles() {
    return this.command?.options.some((option) => option.type === TYPE.ATTACHMENT) ?? false;
  }

  // --- the field behind the pills, which adds optional options

  #moreField() {
    const field = h("textarea", { class: "more-field", rows: "1", spellcheck: "false", autocomplete: "off", enterkeyhint: "send", "aria-label": "Add an optional option" });
    field.addEventListener("focus", () => this.#focus(null));
    field.addEventListener("keydown", (event) => this.#key(event, null));
    field.addEventListener("input", () => {
      field.value = field.value.replace(/\n/g, "");
      const typed = /^(\S+):$/.exec(field.value.trimStart());
      const option = typed && this.#unused().find((candidate) => candidate.name === typed[1].toLowerCase());
      if (option) this.#addOptional(option);
      else this.#showOptional();
    });
    return field;
  }

  #unused() {
    return this.command.options.filter((option) => !this.slots.some((slot) => slot.option === option));
  }

  #refreshMore() {
    const rest = this.#unused().length;
    this.more.value = "";
    this.more.placeholder = rest ? `+${rest} optional` : "";
    // Without options left the field still takes the Enter key of a command that has none at all.
    this.more.hidden = rest === 0 && this.slots.length > 0;
    if (document.activeElement === this.more) this.#showOptional();
  }

  #addOptional(option) {
    const slot = this.#add(option);
    this.#refreshMore();
    slot.field.focus();
  }

  #showOptional() {
    const typed = this.more.value.trim().toLowerCase();
    const options = this.#unused().filter((option) => option.name.includes(typed));
    const status = typed && !options.length ? `There is no option “${typed}”.` : "";
    this.panel.show({
      head: this.#heading(null, options.length ? "Optional" : "Press Enter to send"),
      label: "Optional options",
      items: options.map((option) => ({ content: option.name, note: option.description, option })),
      active: typed ? 0 : -1,
      status,
    });
  }

  // --- the panel above

  #focus(slot) {
    this.focused = slot;
    clearTimeout(this.timer);
    this.asking?.abort();
    this.panel.bind(slot ? slot.field : this.more);
    if (slot) this.#offer(slot, true);
    else this.#showOptional();
  }

  #input(slot) {
    slot.mark(null);
    if (this.focused === slot) this.#offer(slot, false);
  }

  #heading(slot, words = "") {
    const option = slot?.option;
    return [
      h("span", { class: "panel-title" }, option ? option.name : `/${this.command.name}`),
      h("span", { class: "panel-about" }, option ? option.description : this.command.description),
      words && h("span", { class: "panel-tag" }, words),
    ];
  }

  #offer(slot, atOnce) {
    const { option } = slot;
    const head = this.#heading(slot, option.required ? "required" : "optional");
    const status = slot.error ?? "";
    this.panel.root.classList.toggle("panel-error", Boolean(slot.error));
    const fixed = fixedChoices(option, this.store);
    if (fixed) {
      const typed = slot.choice ? "" : slot.text.trim().toLowerCase();
      const items = fixed.filter((choice) => choice.name.toLowerCase().includes(typed)).map(asItem);
      this.panel.show({ head, status, items, active: typed ? 0 : -1, label: `Choices for ${option.name}` });
    } else if (option.autocomplete) this.#ask(slot, head, status, atOnce);
    else if (option.type === TYPE.ATTACHMENT && !status) this.panel.show({ head, status: slot.file ? "" : "Choose a file, or drop files anywhere on the channel." });
    else this.panel.show({ head, status });
  }

  #ask(slot, head, status, atOnce) {
    clearTimeout(this.timer);
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    const label = `Suggestions for ${slot.option.name}`;
    this.panel.show({ head, label, items: this.panel.slot === slot ? this.panel.items : [], busy: true, status });
    this.panel.slot = slot;
    this.timer = setTimeout(async () => {
      try {
        const choices = await this.suggest(this.command, slot.option, slot.text, this.#known(slot), asking.signal);
        if (asking.signal.aborted || this.focused !== slot) return;
        const picked = slot.choice !== null;
        this.panel.show({ head, label, items: choices.map(asItem), active: slot.text && !picked ? 0 : -1, status: status || (choices.length ? "" : "No options match your search.") });
      } catch (error) {
        if (asking.signal.aborted) return;
        this.panel.show({ head, label, status: error.message });
      }
    }, atOnce ? 0 : DEBOUNCE_MS);
  }

  /** Values of the other options, as far as they can be read, for the application's suggestions. */
  #known(except) {
    const known = {};
    for (const slot of this.slots) {
      const read = slot === except || slot.option.type === TYPE.ATTACHMENT ? {} : this.#read(slot);
      if ("value" in read) known[slot.option.name] = read.value;
    }
    return known;
  }

  #read(slot) {
    return readSlot(slot.option, slot, { upload: this.store.guild.upload_limit });
  }

  /** An entry of the panel was taken. */
  picked(item) {
    if (item.option) {
      this.#addOptional(item.option);
      return;
    }
    const slot = this.focused;
    slot.set(item.choice.name, item.choice);
    this.#next(slot);
  }

  #next(slot) {
    const after = this.slots.slice(this.slots.indexOf(slot) + 1).find((candidate) => "empty" in this.#read(candidate));
    (after?.field ?? this.#moreOrFirst()).focus();
    if (document.activeElement === slot.field) this.#offer(slot, true);
  }

  // --- keys

  #key(event, slot) {
    if (event.isComposing) return;
    const field = slot ? slot.field : this.more;
    const wantsList = this.panel.items.length > 0;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && wantsList) {
      event.preventDefault();
      this.panel.move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Tab" && !event.shiftKey && this.panel.current) {
      event.preventDefault();
      this.panel.pick();
    } else if (event.key === "Enter" && !event.shiftKey) this.#enter(event, slot);
    else if (event.key === "Escape") {
      event.preventDefault();
      if (wantsList && this.panel.current) this.panel.show({ head: this.#heading(slot) });
      else this.on.cancel(`/${this.command.name}`);
    } else if (event.key === "Backspace" && atStart(field)) this.#backspace(event, slot);
    else if (event.key === "ArrowLeft" && atStart(field)) this.#step(event, slot, -1);
    else if (event.key === "ArrowRight" && atEnd(field)) this.#step(event, slot, 1);
  }

  #enter(event, slot) {
    // On an empty attachment Enter opens the file picker: that is the button's own doing.
    if (slot?.option.type === TYPE.ATTACHMENT && !slot.file) return;
    event.preventDefault();
    if (this.panel.current) this.panel.pick();
    else this.submit();
  }

  #backspace(event, slot) {
    const empty = slot ? "empty" in this.#read(slot) : this.more.value === "";
    if (slot?.option.type === TYPE.ATTACHMENT && slot.file) {
      event.preventDefault();
      slot.setFile(null);
    } else if (slot && empty && !slot.option.required) {
      event.preventDefault();
      this.#remove(slot);
    } else if (empty && (slot ? this.slots.indexOf(slot) === 0 : this.slots.length === 0)) {
      event.preventDefault();
      this.on.cancel(`/${this.command.name}`);
    } else if (empty) this.#step(event, slot, -1);
  }

  #step(event, slot, by) {
    const fields = [...this.slots.map((candidate) => candidate.field), ...(this.more.hidden ? [] : [this.more])];
    const next = fields[fields.indexOf(slot ? slot.field : this.more) + by];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  /** Check everything as Discord's client does; the first fault gets focus and its words. */
  submit() {
    const options = {};
    const files = [];
    let wrong = null;
    for (const slot of this.slots) {
      const read = this.#read(slot);
      const error = read.error ?? (read.empty && slot.option.required ? REQUIRED : null);
      slot.mark(error);
      if (error) wrong ??= slot;
      else if (read.value instanceof File) options[slot.option.name] = { file: files.push(read.value) - 1 };
      else if (!read.empty) options[slot.option.name] = read.value;
    }
    if (wrong) {
      wrong.field.focus();
      this.#offer(wrong, true);
      return;
    }
    this.on.submit({ command: this.command, options, files, values: this.#draft() });
  }

  /** What stands in the pills, to take it up again after a failure. */
  #draft() {
    const kept = this.slots.filter((slot) => !("empty" in this.#read(slot)));
    return Object.fromEntries(kept.map((slot) => [slot.option.name, slot.file ?? (slot.choice ? { choice: slot.choice } : slot.text)]));
  }
}

const asItem = (choice) => ({ content: choice.name, note: choice.note, choice });
const isZip = (file) => /\.zip$/i.test(file.name);
// An option that says "zip" takes archives, the others take everything else.
const fits = (option, file) => /zip|archive/i.test(option.name) === isZip(file);
const takes = (option, files) => files.some((file) => fits(option, file));
const atStart = (field) => field.tagName !== "TEXTAREA" || (field.selectionStart === 0 && field.selectionEnd === 0);
const atEnd = (field) => field.tagName !== "TEXTAREA" || field.selectionStart === field.value.length;
