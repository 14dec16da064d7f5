// A form that the application opened. Focus stays inside; it closes on Escape, and only after the answer once sent.

import { fill, h, icon, uid } from "./dom.js";
import { formField } from "./fields.js";
import { renderMarkdown } from "./markdown.js";
import { avatar } from "./render/avatar.js";

/** `send(values, files)` submits and resolves to an error's words or null. `names` spells mentions. */
export function openModal(modal, store, names, send) {
  const fields = [];
  const title = uid("title");
  const failure = h("div", { class: "modal-failure", role: "alert" });
  const submit = h("button", { type: "submit", class: "button button-primary" }, "Submit");
  const cancel = h("button", { type: "button", class: "button button-quiet" }, "Cancel");
  const form = h("form", { class: "modal-form", novalidate: true }, h("div", { class: "modal-fields" }, modal.components.map((component) => block(component, fields, store, names))), failure, h("div", { class: "modal-foot" }, cancel, submit));
  const dialog = h(
    "dialog",
    { class: "modal", "aria-labelledby": title },
    h("header", { class: "modal-head" }, store.application?.user && avatar(store.application.user, "small"), h("h2", { id: title }, modal.title), h("button", { type: "button", class: "icon-button", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"))),
    form,
    h("p", { class: "modal-note muted" }, "This form goes to the application, not to Discord. Do not share passwords."),
  );
  const before = document.activeElement;
  const beforeKey = before?.dataset?.key;
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    const again = before?.isConnected ? before : beforeKey && document.querySelector(`[data-key="${CSS.escape(beforeKey)}"]`);
    (again || document.getElementById("compose"))?.focus({ preventScroll: true });
  });
  dialog.addEventListener("keydown", (event) => trap(event, dialog));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  acceptDrops(dialog, fields);
  for (const field of fields) {
    field.onChange = (words) => field.showError(words);
    field.element.addEventListener("input", () => field.showError(null));
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.getAttribute("aria-busy") === "true" || !valid(fields)) return;
    busy(submit, true);
    fill(failure);
    const { values, files } = gather(fields);
    const error = await send(values, files);
    busy(submit, false);
    if (error === null) dialog.close();
    else fill(failure, icon("warn"), error);
  });
  document.getElementById("overlays").append(dialog);
  dialog.showModal();
  (fields[0]?.target ?? submit).focus();
  return () => dialog.close();
}

function busy(button, on) {
  if (on) button.setAttribute("aria-busy", "true");
  else button.removeAttribute("aria-busy");
  fill(button, on ? h("span", { class: "dots" }, h("i"), h("i"), h("i")) : "Submit", on && h("span", { class: "visually-hidden" }, "Submitting"));
}

function block(component, fields, store, names) {
  if (component.type === 10) return h("div", { class: "md" }, renderMarkdown(component.content, names));
  const inner = component.type === 18 ? [component.component] : (component.components ?? []);
  return inner.map((one) => {
    const field = formField(one, { label: component.label ?? one.label, description: component.description }, store);
    if (field) fields.push(field);
    return field?.element;
  });
}

function valid(fields) {
  let first = null;
  for (const field of fields) {
    const error = field.check();
    field.showError(error);
    if (error) first ??= field;
  }
  first?.target.focus();
  return first === null;
}

/** Values by custom id; files are named by their index in the upload. */
function gather(fields) {
  const files = [];
  const values = {};
  for (const field of fields) {
    const value = field.read();
    const isFiles = field.addFiles !== undefined;
    values[field.customId] = isFiles ? { files: value.map((file) => files.push(file) - 1) } : value;
  }
  return { values, files };
}

function acceptDrops(dialog, fields) {
  const uploads = fields.filter((field) => field.addFiles);
  const over = (on) => dialog.classList.toggle("modal-drop", on && uploads.length > 0);
  dialog.addEventListener("dragover", (event) => {
    event.preventDefault();
    event.stopPropagation();
    over(true);
  });
  dialog.addEventListener("dragleave", (event) => !dialog.contains(event.relatedTarget) && over(false));
  dialog.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    over(false);
    const files = [...event.dataTransfer.files];
    const target = uploads.find((field) => field.element.contains(event.target)) ?? uploads[0];
    if (files.length) target?.addFiles(files);
  });
}

/** Tab goes round inside: the browser's own modal dialog lets it out into the address bar. */
function trap(event, dialog) {
  if (event.key !== "Tab") return;
  const reachable = [...dialog.querySelectorAll('button, input, textarea, select, a[href], [tabindex="0"]')].filter((element) => !element.disabled && element.tabIndex >= 0 && element.offsetParent !== null);
  const [first, last] = [reachable[0], reachable.at(-1)];
  if (event.shiftKey && document.activeElement === first) {
    event.preventDefault();
    last.focus();
  } else if (!event.shiftKey && document.activeElement === last) {
    event.preventDefault();
    first.focus();
  }
}
