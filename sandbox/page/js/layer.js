// Things that float above the page: placing them beside an element, closing them on Escape and on a press outside.

const GAP_PX = 6;
// Inside an open dialog it must be a part of it: everything outside is inert and lies behind.
const overlays = () => [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.getElementById("overlays");

/**
 * Show `element` above everything, near `anchor` (an element, or an event with clientX and clientY).
 * Returns close(); `onClose` is called once, with true when focus should go back to where it was.
 */
export function openLayer(element, anchor, onClose = () => {}) {
  let open = true;
  const before = document.activeElement;
  overlays().append(element);
  place(element, anchor);

  const close = (restore = true) => {
    if (!open) return;
    open = false;
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("keydown", escape, true);
    window.removeEventListener("resize", dismiss);
    element.remove();
    onClose(restore);
    if (restore) before?.focus?.({ preventScroll: true });
  };
  const dismiss = () => close(false);
  const outside = (event) => {
    if (!element.contains(event.target)) close(false);
  };
  const escape = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Tab") close();
  };
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", escape, true);
  window.addEventListener("resize", dismiss);
  return close;
}

/** Put a fixed element under its anchor, above it where there is no room, and never outside the window. */
function place(element, anchor) {
  const box = anchor.getBoundingClientRect?.() ?? {
    left: anchor.clientX, right: anchor.clientX, top: anchor.clientY, bottom: anchor.clientY, width: 0,
  };
  if (box.width) element.style.minWidth = `${Math.min(box.width, innerWidth - 2 * GAP_PX)}px`;
  const size = element.getBoundingClientRect();
  const below = innerHeight - box.bottom;
  const top = below >= size.height + 2 * GAP_PX || below > box.top ? box.bottom + GAP_PX : box.top - size.height - GAP_PX;
  element.style.left = `${clamp(box.left, GAP_PX, innerWidth - size.width - GAP_PX)}px`;
  element.style.top = `${clamp(top, GAP_PX, innerHeight - size.height - GAP_PX)}px`;
}

const clamp = (value, least, most) => Math.max(least, Math.min(value, Math.max(least, most)));
