// The pop-up list of a select: one value, or several with check marks and a button to confirm.

import { h, icon, uid } from "./dom.js";
import { openLayer } from "./layer.js";
import { emojiText } from "./render/components.js";

const CHANNEL = 8;
const ROLE = 6;

/** The options that a select of any kind offers: [{label, value, description, emoji, default}]. */
export function selectOptions(component, store) {
  if (component.type === 3) return component.options ?? [];
  const chosen = new Set((component.default_values ?? []).map((entry) => entry.id));
  const pool = component.type === CHANNEL ? store.channels : component.type === ROLE ? (store.guild.roles ?? []) : [...store.members.values()];
  return pool.map((entry) => ({ label: entry.display_name ?? entry.name, value: entry.id, default: chosen.has(entry.id) }));
}

/**
 * Open the list of `component` under `anchor`. `onDone(values)` is called with the choice, unless it is abandoned.
 * Several values are sent on "Done", and when the list is closed after a change, as Discord does.
 */
export function openPicker(component, options, chosen, anchor, onDone) {
  const least = component.min_values ?? 1;
  const most = component.max_values ?? 1;
  const multiple = most > 1 || least === 0;
  const values = new Set(chosen);
  const before = [...values].join("\n");
  const list = h("div", { class: "picker-list", role: "listbox", tabindex: "-1", id: uid("picker"), "aria-label": component.placeholder || "Options", "aria-multiselectable": multiple ? "true" : null });
  const panel = h("div", { class: "picker" }, list);
  let done = false;
  anchor.setAttribute("aria-expanded", "true");
  const close = openLayer(panel, anchor, () => {
    anchor.setAttribute("aria-expanded", "false");
    if (!done && multiple && [...values].join("\n") !== before && values.size >= least) finish();
  });
  const finish = () => {
    if (done) return;
    done = true;
    close();
    onDone(options.map((option) => option.value).filter((value) => values.has(value)));
  };
  const rows = options.map((option) => row(option, multiple));
  const show = () => rows.forEach((element, i) => element.setAttribute("aria-selected", String(values.has(options[i].value))));
  rows.forEach((element, i) => element.addEventListener("click", () => choose(i)));
  const choose = (i) => {
    const value = options[i].value;
    if (!multiple) {
      values.clear();
      values.add(value);
      finish();
      return;
    }
    if (!values.delete(value)) {
      if (most === 1) values.clear();
      if (values.size < most) values.add(value);
    }
    show();
  };
  list.append(...rows);
  if (multiple) {
    const button = h("button", { type: "button", class: "button button-primary picker-done", on: { click: () => values.size >= least && finish() } }, "Done");
    panel.append(h("div", { class: "picker-foot" }, h("span", { class: "muted" }, most > 1 ? `Choose up to ${Math.min(most, options.length)}` : "Optional"), button));
  }
  show();
  panel.addEventListener("keydown", (event) => keydown(event, rows, choose, multiple, finish));
  (rows.find((element) => element.getAttribute("aria-selected") === "true") ?? rows[0])?.focus();
}

function row(option, multiple) {
  return h(
    "div",
    { class: "picker-option", role: "option", tabindex: "-1" },
    option.emoji && h("span", { class: "emoji", "aria-hidden": "true" }, emojiText(option.emoji)),
    h("span", { class: "picker-words" }, h("span", {}, option.label), option.description && h("span", { class: "muted" }, option.description)),
    h("span", { class: multiple ? "tick tick-box" : "tick", "aria-hidden": "true" }, icon("check")),
  );
}

function keydown(event, rows, choose, multiple, finish) {
  const at = rows.indexOf(document.activeElement);
  const to = { ArrowDown: Math.min(at + 1, rows.length - 1), ArrowUp: Math.max(at - 1, 0), Home: 0, End: rows.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    rows[to]?.focus();
  } else if ((event.key === " " || event.key === "Enter") && at >= 0) {
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter" && multiple && rows[at].getAttribute("aria-selected") === "true") finish();
    else choose(at);
  }
}
