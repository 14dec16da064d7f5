// Short notices at the edge of the page.

import { h, icon } from "./dom.js";

const SHOWN_MS = 6000;

/** `kind`: "info" or "error". */
export function toast(words, kind = "info") {
  const element = h(
    "div",
    { class: `toast toast-${kind}`, role: kind === "error" ? "alert" : null },
    kind === "error" ? icon("warn") : null,
    h("span", {}, words),
    h("button", { type: "button", class: "icon-button", "aria-label": "Close notice", on: { click: () => element.remove() } }, icon("close")),
  );
  document.getElementById("toasts").append(element);
  setTimeout(() => element.remove(), SHOWN_MS);
}
