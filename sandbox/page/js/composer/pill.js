// One option of a command in the composer: its name and a field for its value.

import { h, icon, uid } from "../dom.js";
import { TYPE } from "./commands.js";
import { typeWord } from "./values.js";

/** Pills for text, numbers and choices. `slot` is {option, text, choice}; `on`: focus, input, key(event), remove. */
export function textPill(slot, on) {
  const id = uid("option");
  const { option } = slot;
  // A text area, so that a long prompt wraps; line breaks are not part of an option's value.
  const field = h("textarea", {
    id,
    class: "pill-field",
    rows: "1",
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
    enterkeyhint: "send",
    placeholder: typeWord(option) || null,
    inputmode: option.type === TYPE.INTEGER ? "numeric" : option.type === TYPE.NUMBER ? "decimal" : null,
    "aria-required": option.required ? "true" : null,
    "aria-label": `${option.name}${option.required ? "" : " (optional)"}: ${option.description ?? ""}`,
  });
  field.value = slot.text ?? "";
  const size = () => {
    // For browsers without `field-sizing: content`.
    field.style.width = `${(field.value || field.placeholder).length + 2.500}ch`;
  };
  size();
  field.addEventListener("focus", () => on.focus(slot));
  field.addEventListener("keydown", (event) => on.key(event, slot));
  field.addEventListener("input", () => {
    if (field.value.includes("\n")) field.value = field.value.replace(/\n+/g, " ");
    slot.text = field.value;
    slot.choice = null;
    size();
    on.input(slot);
  });
  const element = shell(slot, id, field, on);
  slot.set = (text, choice = null) => {
    slot.text = text;
    slot.choice = choice;
    field.value = text;
    size();
    slot.mark(null);
  };
  slot.field = field;
  return element;
}

/** Pills for attachments: a press opens the file picker, a dropped file fills it. `slot` is {option, file}. */
export function filePill(slot, on) {
  const id = uid("option");
  const { option } = slot;
  const chooser = h("input", { type: "file", class: "visually-hidden", tabindex: "-1", "aria-hidden": "true", data: { option: option.name } });
  const field = h("button", { type: "button", id, class: "pill-field pill-file", "aria-label": `${option.name}: choose a file` });
  const show = () => {
    field.replaceChildren(...(slot.file ? filled(slot) : [icon("plus"), document.createTextNode("file")]));
    field.setAttribute("aria-label", slot.file ? `${option.name}: ${slot.file.name}, press to change` : `${option.name}: choose a file`);
  };
  field.addEventListener("click", () => chooser.click());
  field.addEventListener("focus", () => on.focus(slot));
  field.addEventListener("keydown", (event) => on.key(event, slot));
  chooser.addEventListener("change", () => {
    if (chooser.files.length) slot.setFile(chooser.files[0]);
    chooser.value = "";
    field.focus();
  });
  const element = shell(slot, id, [field, chooser], on);
  slot.setFile = (file) => {
    if (slot.url) URL.revokeObjectURL(slot.url);
    slot.file = file;
    slot.url = file?.type.startsWith("image/") ? URL.createObjectURL(file) : null;
    show();
    slot.mark(null);
    on.input(slot);
  };
  slot.field = field;
  show();
  return element;
}

function filled(slot) {
  const shown = slot.url ? h("img", { class: "pill-thumb", src: slot.url, alt: "" }) : icon("file");
  return [shown, h("span", { class: "pill-filename" }, slot.file.name)];
}

function shell(slot, id, field, on) {
  const { option } = slot;
  const clear = h("button", { type: "button", class: "pill-remove", tabindex: "-1", "aria-label": `Remove ${option.name}`, on: { click: () => on.remove(slot) } }, icon("close"));
  const element = h(
    "div",
    { class: `pill ${option.type === TYPE.ATTACHMENT ? "pill-attachment" : ""}`, data: { option: option.name } },
    h("label", { class: "pill-name", for: id }, option.name),
    field,
    option.required ? null : clear,
  );
  slot.element = element;
  slot.mark = (error) => {
    slot.error = error;
    element.classList.toggle("pill-invalid", Boolean(error));
    if (error) slot.field.setAttribute("aria-invalid", "true");
    else slot.field.removeAttribute("aria-invalid");
  };
  return element;
}
