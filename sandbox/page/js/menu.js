// A pop-up menu with arrow keys.

import { h, icon } from "./dom.js";
import { openLayer } from "./layer.js";

/** `entries`: {label, icon, danger, act} or {header}. Opens at `anchor` (element or pointer event). */
export function openMenu(label, entries, anchor) {
  let close = () => {};
  const items = [];
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label });
  let group = menu;
  for (const entry of entries) {
    if (entry.header) {
      group = h("div", { class: "menu-group", role: "group", "aria-label": entry.header }, h("div", { class: "menu-header", "aria-hidden": "true" }, entry.header));
      menu.append(group);
      continue;
    }
    const item = h(
      "button",
      { type: "button", class: `menu-item ${entry.danger ? "menu-danger" : ""}`, role: "menuitem", tabindex: "-1" },
      h("span", {}, entry.label),
      icon(entry.icon),
    );
    item.addEventListener("click", () => {
      close();
      entry.act();
    });
    items.push(item);
    group.append(item);
  }
  menu.addEventListener("keydown", (event) => move(event, items));
  menu.addEventListener("pointermove", (event) => event.target.closest(".menu-item")?.focus({ preventScroll: true }));
  close = openLayer(menu, anchor);
  items[0]?.focus({ preventScroll: true });
  return close;
}

function move(event, items) {
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: (at + 1) % items.length, ArrowUp: (at - 1 + items.length) % items.length, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined) {
    const typed = event.key.length === 1 ? items.find((item, i) => i > at && item.textContent.toLowerCase().startsWith(event.key.toLowerCase())) : null;
    typed?.focus();
    return;
  }
  event.preventDefault();
  items[to].focus();
}
