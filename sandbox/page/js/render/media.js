// Pictures and files of a message.

import { formatBytes, h, icon } from "../dom.js";

const SHOWN = /^image\/(png|jpe?g|webp|gif|avif|apng)/;
const MAX_WIDTH = 520;
const MAX_HEIGHT = 400;

export const isPicture = (attachment) => SHOWN.test(attachment.content_type ?? "") && Boolean(attachment.width);

/** Width and height in CSS pixels that a picture gets in the list: never enlarged. */
export function fit(width, height, maxWidth = MAX_WIDTH, maxHeight = MAX_HEIGHT) {
  if (!width || !height) return { width: null, height: null };
  const scale = Math.min(1, maxWidth / width, maxHeight / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** A picture that opens large. `media` has url, width, height; `key` stays the same over edits. */
export function picture(media, { key, alt, name = "", box, tile = false }) {
  const size = fit(media.width, media.height, box?.[0], box?.[1]);
  const url = media.proxy_url || media.url;
  const spoiler = /^SPOILER_/.test(name);
  return h(
    "button",
    {
      type: "button",
      class: `picture ${tile ? "picture-tile" : ""} ${spoiler ? "picture-spoiler" : ""}`,
      "aria-label": `Open picture: ${alt}`,
      data: { key, act: "picture", url: media.url || url, name },
    },
    h("img", { src: url, alt, width: size.width, height: size.height, decoding: "async", draggable: "false" }),
  );
}

function pictureName(attachment) {
  return attachment.description || attachment.filename || "picture";
}

function fileCard(attachment) {
  return h(
    "div",
    { class: "file-card", data: { key: `file-${attachment.id}` } },
    icon("file"),
    h(
      "span",
      { class: "file-words" },
      h("a", { class: "link", href: attachment.url, download: attachment.filename, target: "_blank", rel: "noopener" }, attachment.filename),
      h("span", { class: "muted" }, formatBytes(attachment.size ?? 0)),
    ),
  );
}

/** Everything attached: pictures as a mosaic, other files as cards. */
export function attachments(list) {
  const pictures = list.filter(isPicture);
  const files = list.filter((attachment) => !isPicture(attachment));
  const tile = pictures.length > 1;
  const shown = pictures.map((a) =>
    picture(a, { key: `picture-${a.id}`, alt: pictureName(a), name: a.filename, tile }),
  );
  const columns = pictures.length === 2 || pictures.length === 4 ? 2 : 3;
  return [
    pictures.length > 0 &&
      h("div", { class: tile ? `mosaic mosaic-${columns}` : "single-picture", data: { key: "pictures", gallery: "1" } }, shown),
    files.map(fileCard),
  ];
}
