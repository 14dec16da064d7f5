// Files dragged from the desktop onto the channel.

import { fill, h, icon } from "./dom.js";

/** Show `zone` while files hover over `area`; `words()` says what a drop will do; `accept(files)` takes them. */
export function acceptFiles(area, zone, words, accept) {
  let depth = 0;
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (on) => {
    zone.hidden = !on;
    if (on) fill(zone, h("div", { class: "dropzone-card" }, icon("image"), h("strong", {}, words()), h("span", { class: "muted" }, "Let go to add them")));
  };
  area.addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    depth += 1;
    show(true);
  });
  area.addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  area.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) show(false);
  });
  area.addEventListener("drop", (event) => {
    depth = 0;
    show(false);
    if (!carries(event)) return;
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (files.length) accept(files);
  });
  // A file that misses the channel must not replace the page.
  for (const type of ["dragover", "drop"]) document.addEventListener(type, (event) => carries(event) && event.preventDefault());
}
