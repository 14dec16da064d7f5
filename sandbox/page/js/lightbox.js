// Looking at a picture: arrow keys go to its neighbours, + and − or a press zoom, Escape closes.

import { fill, h, icon } from "./dom.js";

/** Show the picture of `trigger`, a `.picture` button; its neighbours are those of the same gallery or message. */
export function openLightbox(trigger) {
  const scope = trigger.closest("article, dialog, .composer") ?? document.body;
  const items = [...scope.querySelectorAll(".picture")].map(describe);
  let at = Math.max(0, items.findIndex((item) => item.key === trigger.dataset.key));
  const image = h("img", { class: "lightbox-image", draggable: "false" });
  const caption = h("div", { class: "lightbox-caption" });
  const stage = h("div", { class: "lightbox-stage" }, image);
  const box = h("dialog", { class: "lightbox", "aria-label": "Picture" });
  const close = () => box.close();
  const show = (to) => {
    at = (to + items.length) % items.length;
    const item = items[at];
    stage.classList.remove("zoomed");
    image.src = item.url;
    image.alt = item.alt;
    fill(
      caption,
      h("span", { class: "lightbox-name" }, item.name || item.alt),
      items.length > 1 && h("span", { class: "muted" }, `${at + 1} of ${items.length}`),
      h("a", { class: "link", href: item.url, target: "_blank", rel: "noopener" }, "Open original", icon("open")),
    );
  };
  const side = (name, label, step) =>
    h("button", { type: "button", class: `icon-button lightbox-${name}`, "aria-label": label, on: { click: () => show(at + step) } }, icon(name));
  const zoom = () => stage.classList.toggle("zoomed");

  fill(
    box,
    h("button", { type: "button", class: "icon-button lightbox-close", "aria-label": "Close picture", on: { click: close } }, icon("close")),
    items.length > 1 && [side("left", "Previous picture", -1), side("right", "Next picture", 1)],
    stage,
    caption,
  );
  image.addEventListener("click", zoom);
  box.addEventListener("click", (event) => (event.target === box || event.target === stage) && close());
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight" && items.length > 1) show(at + 1);
    else if (event.key === "ArrowLeft" && items.length > 1) show(at - 1);
    else if (event.key === "+" || event.key === "-") stage.classList.toggle("zoomed", event.key === "+");
  });
  box.addEventListener("close", () => {
    box.remove();
    // The message may have been edited meanwhile; the element with the same key stands for the same picture.
    const again = trigger.isConnected ? trigger : scope.querySelector(`[data-key="${CSS.escape(trigger.dataset.key ?? "")}"]`);
    again?.focus({ preventScroll: true });
  });
  document.getElementById("overlays").append(box);
  show(at);
  box.showModal();
  box.querySelector(".lightbox-close").focus();
}

function describe(button) {
  const image = button.querySelector("img");
  return { key: button.dataset.key, url: button.dataset.url || image.src, alt: image.alt, name: (button.dataset.name || "").replace(/^SPOILER_/, "") };
}
