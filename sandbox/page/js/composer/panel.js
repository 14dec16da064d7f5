// The panel above the composer: a heading, and a list to choose from while focus stays in the text field below
// (a combobox with aria-activedescendant).

import { fill, h, uid } from "../dom.js";

export class Panel {
  /** `onPick(item)` is called with an item of show(). */
  constructor(root, onPick) {
    this.root = root;
    this.onPick = onPick;
    this.items = [];
    this.active = -1;
    this.list = h("ul", { class: "panel-list", role: "listbox", id: uid("suggestions") });
    this.head = h("div", { class: "panel-head" });
    this.status = h("div", { class: "panel-status muted", role: "status" });
    root.append(this.head, this.list, this.status);
    root.hidden = true;
    // A press must not take focus from the field.
    root.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const at = this.#indexOf(event.target);
      if (at >= 0) this.pick(at);
    });
    this.list.addEventListener("pointermove", (event) => {
      const at = this.#indexOf(event.target);
      if (at >= 0 && at !== this.active) this.#activate(at, false);
    });
  }

  #indexOf(target) {
    return [...this.list.children].indexOf(target.closest('[role="option"]'));
  }

  get isOpen() {
    return !this.root.hidden;
  }

  get current() {
    return this.items[this.active] ?? null;
  }

  /** Tell assistive technology that `field` is steered by this list. */
  bind(field) {
    this.field = field;
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", this.list.id);
    field.setAttribute("aria-expanded", String(this.isOpen && this.items.length > 0));
    field.removeAttribute("aria-activedescendant");
  }

  /**
   * `items`: [{content: node or text, note, value}]; `active`: index to highlight, −1 for none;
   * `head`: nodes above the list; `status`: words below it; `busy`: suggestions are on their way.
   */
  show({ head = [], items = [], active = -1, status = "", busy = false, label = "Suggestions" }) {
    this.items = items;
    fill(this.head, head);
    this.head.hidden = !head || head.length === 0;
    this.status.textContent = status;
    this.status.hidden = status === "";
    this.list.setAttribute("aria-label", label);
    this.list.setAttribute("aria-busy", String(busy));
    this.root.classList.toggle("panel-busy", busy);
    fill(this.list, items.map((item, i) => this.#row(item, i)));
    this.list.hidden = items.length === 0;
    this.root.hidden = false;
    this.field?.setAttribute("aria-expanded", String(items.length > 0));
    this.#activate(Math.min(active, items.length - 1));
  }

  #row(item, i) {
    return h(
      "li",
      { class: "panel-option", role: "option", id: `${this.list.id}-${i}`, "aria-selected": "false" },
      h("span", { class: "panel-words" }, item.content),
      item.note && h("span", { class: "panel-note muted" }, item.note),
    );
  }

  hide() {
    this.root.hidden = true;
    this.items = [];
    this.active = -1;
    this.field?.setAttribute("aria-expanded", "false");
    this.field?.removeAttribute("aria-activedescendant");
  }

  move(step) {
    if (!this.items.length) return;
    const from = this.active < 0 && step < 0 ? 0 : this.active;
    this.#activate((from + step + this.items.length) % this.items.length);
  }

  #activate(at, scroll = true) {
    this.active = at;
    [...this.list.children].forEach((row, i) => row.setAttribute("aria-selected", String(i === at)));
    const row = this.list.children[at];
    if (row && scroll) row.scrollIntoView({ block: "nearest" });
    if (row) this.field?.setAttribute("aria-activedescendant", row.id);
    else this.field?.removeAttribute("aria-activedescendant");
  }

  pick(at = this.active) {
    const item = this.items[at];
    if (item) this.onPick(item);
  }
}
