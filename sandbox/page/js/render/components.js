// Message components: buttons, selects, and the layout components of "Components V2".

import { h, icon } from "../dom.js";
import { renderMarkdown } from "../markdown.js";
import { attachments, picture } from "./media.js";

export const SELECT_TYPES = new Set([3, 5, 6, 7, 8]);
const BUTTON_STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link", 6: "primary" };

/** `note` is what the reader's own click came to: {pending: custom_id}. */
export function components(list, context, note) {
  return list.map((component, index) => one(component, `c${index}`, context, note));
}

function one(component, key, context, note) {
  switch (component.type) {
    case 1:
      return h("div", { class: "action-row", data: { key } }, component.components.map((c, i) => one(c, `${key}-${i}`, context, note)));
    case 2:
      return button(component, key, note);
    case 3: case 5: case 6: case 7: case 8:
      return select(component, key, note);
    case 9:
      return section(component, key, context, note);
    case 10:
      return h("div", { class: "md text-display", data: { key } }, renderMarkdown(component.content, context));
    case 11:
      return h("div", { class: "embed-thumbnail", data: { key } }, mediaPicture(component, `${key}-p`, [96, 96]));
    case 12:
      return gallery(component, key);
    case 13:
      return h("div", { data: { key } }, attachments([fileOf(component)]));
    case 14:
      return h("hr", { class: `separator ${component.divider === false ? "separator-blank" : ""} ${component.spacing === 2 ? "separator-wide" : ""}`, data: { key } });
    case 17:
      return container(component, key, context, note);
    default:
      return null;
  }
}

export function emojiText(emoji) {
  return emoji.id ? `:${emoji.name}:` : emoji.name;
}

function button(component, key, note) {
  const style = BUTTON_STYLES[component.style] ?? "secondary";
  const label = [
    component.emoji && h("span", { class: "emoji", "aria-hidden": component.label ? "true" : null }, emojiText(component.emoji)),
    component.label && h("span", { class: "button-label" }, component.label),
  ];
  // The custom id makes the key: a button that stays keeps focus even when its neighbours change.
  const common = { class: `button button-${style}` };
  if (component.style === 5) {
    const safe = /^https?:\/\//.test(component.url ?? "") ? component.url : null;
    return h("a", { ...common, href: safe, target: "_blank", rel: "noopener noreferrer", data: { key: `${key}-${component.url}` } }, label, icon("open"));
  }
  const pending = note?.pending === component.custom_id;
  return h(
    "button",
    {
      ...common,
      type: "button",
      disabled: Boolean(component.disabled),
      "aria-busy": pending ? "true" : null,
      "aria-disabled": note?.pending ? "true" : null,
      data: { key: `button-${component.custom_id}`, act: "button", customId: component.custom_id },
    },
    label,
    pending && h("span", { class: "dots" }, h("i"), h("i"), h("i")),
  );
}

function select(component, key, note) {
  const chosen = (component.options ?? []).filter((option) => option.default).map((option) => option.label);
  const pending = note?.pending === component.custom_id;
  return h(
    "button",
    {
      type: "button",
      class: "select",
      disabled: Boolean(component.disabled),
      "aria-haspopup": "listbox",
      "aria-expanded": "false",
      "aria-busy": pending ? "true" : null,
      data: { key: `select-${component.custom_id}`, act: "select", customId: component.custom_id },
    },
    h("span", { class: chosen.length ? "select-words" : "select-words muted" }, chosen.join(", ") || component.placeholder || "Make a selection"),
    pending ? h("span", { class: "dots" }, h("i"), h("i"), h("i")) : icon("down"),
  );
}

function section(component, key, context, note) {
  return h(
    "div",
    { class: "section", data: { key } },
    h("div", { class: "section-words" }, component.components.map((c, i) => one(c, `${key}-${i}`, context, note))),
    component.accessory && one(component.accessory, `${key}-a`, context, note),
  );
}

function mediaPicture(item, key, box, tile) {
  const media = item.media ?? {};
  return picture(media, { key, alt: item.description || "picture", box, tile, name: item.spoiler ? "SPOILER_" : "" });
}

function gallery(component, key) {
  const items = component.items ?? [];
  const tile = items.length > 1;
  const columns = items.length === 2 || items.length === 4 ? 2 : 3;
  return h(
    "div",
    { class: tile ? `mosaic mosaic-${columns}` : "single-picture", data: { key, gallery: "1" } },
    items.map((item, i) => mediaPicture(item, `${key}-${i}`, undefined, tile)),
  );
}

function fileOf(component) {
  const name = component.name ?? new URL(component.file.url, location.href).pathname.split("/").at(-1);
  return { id: component.id, filename: name, url: component.file.url, size: component.size ?? 0 };
}

function container(component, key, context, note) {
  const card = h("div", { class: "embed container", data: { key, gallery: "1" } }, component.components.map((c, i) => one(c, `${key}-${i}`, context, note)));
  if (Number.isInteger(component.accent_color)) {
    card.style.setProperty("--bar", `#${component.accent_color.toString(16).padStart(6, "0")}`);
  }
  return card;
}

/** The interactive component with this custom id, wherever it stands in the tree. */
export function findComponent(list, customId) {
  for (const component of list ?? []) {
    if (component.custom_id === customId) return component;
    const found = findComponent([...(component.components ?? []), component.accessory, component.component].filter(Boolean), customId);
    if (found) return found;
  }
  return null;
}
