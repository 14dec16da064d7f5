// The fields of a form (modal). Each gives {element, read(), check()}: read() the value to send, check() an error or null.

import { formatBytes, h, icon, uid } from "./dom.js";
import { openPicker, selectOptions } from "./picker.js";

const PARAGRAPH = 2;
export const NOTHING = "This field is required.";

/** Build the field for a component of a form. `about` is {label, description}; `store` knows people and limits. */
export function formField(component, about, store) {
  const build = { 3: selectField, 4: textField, 5: selectField, 6: selectField, 7: selectField, 8: selectField, 19: fileField, 21: radioField, 22: checkGroup, 23: checkbox }[component.type];
  if (!build) return null;
  const field = build(component, about, store);
  const error = h("div", { class: "field-error", id: uid("error"), role: "alert" });
  const element = h("div", { class: `field field-${component.type}`, data: { customId: component.custom_id } }, field.parts, error);
  const showError = (words) => {
    error.textContent = words ?? "";
    element.classList.toggle("field-invalid", Boolean(words));
    field.target.setAttribute("aria-describedby", [field.describedBy, words && error.id].filter(Boolean).join(" "));
    if (words) field.target.setAttribute("aria-invalid", "true");
    else field.target.removeAttribute("aria-invalid");
  };
  return { ...field, customId: component.custom_id, element, showError };
}

function caption(about, id, required, tag = "label") {
  const describedBy = about.description ? uid("about") : "";
  const label = h(tag, { class: "field-label", for: tag === "label" ? id : null, id: tag === "label" ? null : id }, about.label, required && h("span", { class: "field-star", title: "required" }, " *"));
  return { label, describedBy, note: about.description && h("div", { class: "field-about", id: describedBy }, about.description) };
}

function textField(component, about) {
  const id = uid("text");
  const required = component.required !== false;
  const head = caption({ label: about.label ?? component.label, description: about.description }, id, required);
  const most = component.max_length ?? 4000;
  const input = h(component.style === PARAGRAPH ? "textarea" : "input", {
    id,
    class: "field-input",
    type: component.style === PARAGRAPH ? null : "text",
    rows: component.style === PARAGRAPH ? "4" : null,
    maxlength: most,
    placeholder: component.placeholder,
    autocomplete: "off",
    "aria-required": String(required),
  });
  input.value = component.value ?? "";
  const count = h("div", { class: "field-count muted", "aria-hidden": "true" });
  const show = () => {
    count.textContent = component.style === PARAGRAPH || component.max_length ? `${input.value.length} / ${most}` : "";
  };
  input.addEventListener("input", show);
  show();
  return {
    parts: [head.label, head.note, input, count],
    target: input,
    describedBy: head.describedBy,
    read: () => input.value,
    check: () => {
      if (!input.value.trim()) return required ? NOTHING : null;
      const least = component.min_length ?? 0;
      return input.value.length < least ? `Write at least ${least} characters.` : null;
    },
  };
}

function selectField(component, about, store) {
  const id = uid("select");
  const required = component.required !== false;
  const head = caption(about, id, required);
  const options = selectOptions(component, store);
  let values = options.filter((option) => option.default).map((option) => option.value);
  const words = h("span", { class: "select-words" });
  const button = h("button", { type: "button", id, class: "select", "aria-haspopup": "listbox", "aria-expanded": "false" }, words, icon("down"));
  const show = () => {
    const chosen = options.filter((option) => values.includes(option.value)).map((option) => option.label);
    words.textContent = chosen.join(", ") || component.placeholder || "Make a selection";
    words.classList.toggle("muted", chosen.length === 0);
    button.setAttribute("aria-label", `${about.label}: ${words.textContent}`);
  };
  button.addEventListener("click", () => openPicker({ ...component, min_values: required ? (component.min_values ?? 1) : 0 }, options, values, button, (picked) => {
    values = picked;
    show();
  }));
  show();
  return {
    parts: [head.label, head.note, button],
    target: button,
    describedBy: head.describedBy,
    read: () => values,
    check: () => {
      const least = component.min_values ?? 1;
      if (!values.length) return required ? NOTHING : null;
      return values.length < least ? `Choose at least ${least}.` : null;
    },
  };
}

function radioField(component, about) {
  return boxes(component, about, "radio", component.required !== false);
}

function checkGroup(component, about) {
  return boxes(component, about, "checkbox", component.required !== false);
}

function boxes(component, about, type, required) {
  const id = uid("group");
  const head = caption(about, id, required, "div");
  const name = uid("name");
  const most = component.max_values ?? component.options.length;
  const inputs = component.options.map((option) => h("input", { type, name, value: option.value, checked: Boolean(option.default) }));
  const group = h(
    "div",
    { class: "boxes", role: type === "radio" ? "radiogroup" : "group", "aria-labelledby": id, tabindex: "-1" },
    component.options.map((option, i) => h("label", { class: "box" }, inputs[i], h("span", { class: "box-words" }, h("span", {}, option.label), option.description && h("span", { class: "muted" }, option.description)))),
  );
  const values = () => inputs.filter((input) => input.checked).map((input) => input.value);
  return {
    parts: [head.label, head.note, group],
    target: group,
    describedBy: head.describedBy,
    // One value for a radio group, a list for check boxes, as the API has them.
    read: () => (type === "radio" ? (values()[0] ?? null) : values()),
    check: () => {
      const count = values().length;
      if (!count) return required ? NOTHING : null;
      if (type === "checkbox" && count < (component.min_values ?? 1)) return `Choose at least ${component.min_values}.`;
      return type === "checkbox" && count > most ? `Choose at most ${most}.` : null;
    },
  };
}

function checkbox(component, about) {
  const describedBy = about.description ? uid("about") : "";
  const input = h("input", { type: "checkbox", checked: Boolean(component.default) });
  return {
    parts: [h("label", { class: "box box-single" }, input, h("span", { class: "box-words" }, h("span", {}, about.label), about.description && h("span", { class: "muted", id: describedBy }, about.description)))],
    target: input,
    describedBy,
    read: () => input.checked,
    check: () => null,
  };
}

function fileField(component, about, store) {
  const id = uid("files");
  const least = component.min_values ?? 1;
  const most = component.max_values ?? 1;
  const required = component.required !== false;
  const head = caption(about, id, required, "div");
  const limit = store.guild.upload_limit;
  let files = [];
  let refused = null;
  const chooser = h("input", { type: "file", multiple: most > 1, class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" });
  const button = h("button", { type: "button", class: "drop-button", "aria-labelledby": id });
  const list = h("ul", { class: "tray", "aria-label": `Files for ${about.label}` });
  const area = h("div", { class: "drop-area" }, button, chooser, list);
  const add = (more) => {
    const big = more.filter((file) => file.size > limit);
    const fine = more.filter((file) => file.size <= limit);
    const room = most === 1 && fine.length ? 1 : most - files.length;
    refused = big.length ? `${big[0].name} is ${formatBytes(big[0].size)}; one file may have ${formatBytes(limit)}.` : fine.length > room ? `Only ${most} ${most === 1 ? "file fits" : "files fit"} here.` : null;
    files = most === 1 && fine.length ? fine.slice(0, 1) : [...files, ...fine.slice(0, Math.max(0, room))];
    show();
    field.onChange?.(refused);
  };
  const show = () => {
    for (const image of list.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    list.hidden = files.length === 0;
    list.replaceChildren(...files.map(item));
    const words = most > 1 ? `${files.length} of ${most} files` : files.length ? "1 file" : "1 file at most";
    button.replaceChildren(icon("image"), h("span", {}, "Drop files here or ", h("span", { class: "link" }, "browse")), h("span", { class: "muted" }, words));
  };
  const item = (file) =>
    h(
      "li",
      { class: "tray-item" },
      file.type.startsWith("image/") ? h("img", { src: URL.createObjectURL(file), alt: "" }) : icon("file"),
      h("span", { class: "tray-name" }, file.name),
      h("button", { type: "button", class: "icon-button tray-remove", "aria-label": `Remove ${file.name}`, on: { click: () => { files = files.filter((other) => other !== file); show(); button.focus(); } } }, icon("close")),
    );
  button.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    add([...chooser.files]);
    chooser.value = "";
  });
  const field = {
    parts: [head.label, head.note, area],
    target: button,
    describedBy: head.describedBy,
    addFiles: add,
    read: () => files,
    check: () => {
      if (!files.length) return required && least > 0 ? NOTHING : null;
      return files.length < least ? `Choose at least ${least} files.` : null;
    },
  };
  show();
  return field;
}
