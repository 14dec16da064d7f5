// Embeds: colour bar, author, title, description, fields, picture, thumbnail, footer.

import { h } from "../dom.js";
import { renderInline, renderMarkdown } from "../markdown.js";
import { messageTime } from "../time.js";
import { picture } from "./media.js";

/** Embeds of one message. Those that share a `url` show their pictures together, as Discord does. */
export function embeds(list, context) {
  const cards = [];
  const byUrl = new Map();
  for (const embed of list) {
    const first = embed.url && byUrl.get(embed.url);
    if (first && embed.image) first.pictures.push(embed.image);
    else {
      const card = { embed, pictures: embed.image ? [embed.image] : [] };
      if (embed.url) byUrl.set(embed.url, card);
      cards.push(card);
    }
  }
  return cards.map(({ embed, pictures }, index) => embedCard(embed, pictures, index, context));
}

function embedCard(embed, pictures, index, context) {
  const card = h(
    "div",
    { class: `embed ${embed.thumbnail ? "embed-with-thumbnail" : ""}`, data: { key: `embed-${index}`, gallery: "1" } },
    h(
      "div",
      { class: "embed-body" },
      embed.author?.name && h("div", { class: "embed-author" }, embed.author.name),
      embed.title && h("div", { class: "embed-title" }, title(embed, context)),
      embed.description && h("div", { class: "embed-description md" }, renderMarkdown(embed.description, context)),
      embed.fields?.length > 0 && h("div", { class: "embed-fields" }, fieldRows(embed.fields).map((row) => fieldRow(row, context))),
    ),
    embed.thumbnail && thumbnail(embed, index),
    pictures.length > 0 && h("div", { class: `embed-pictures mosaic-${Math.min(pictures.length, 2)}` }, pictures.map((image, i) => embedPicture(embed, image, index, i, pictures.length))),
    (embed.footer?.text || embed.timestamp) && h("div", { class: "embed-footer" }, footer(embed)),
  );
  if (Number.isInteger(embed.color)) {
    card.style.setProperty("--bar", `#${(embed.color & 0xffffff).toString(16).padStart(6, "0")}`);
  }
  return card;
}

function title(embed, context) {
  const words = renderInline(embed.title, context);
  if (!/^https?:\/\//.test(embed.url ?? "")) return words;
  return h("a", { class: "link", href: embed.url, target: "_blank", rel: "noopener noreferrer nofollow" }, words);
}

function thumbnail(embed, index) {
  return h(
    "div",
    { class: "embed-thumbnail" },
    picture(embed.thumbnail, { key: `thumb-${index}`, alt: embed.thumbnail.description || "thumbnail", box: [96, 96] }),
  );
}

function embedPicture(embed, image, index, i, count) {
  const alt = image.description || [embed.title, "picture", count > 1 ? String(i + 1) : ""].filter(Boolean).join(" ");
  return picture(image, { key: `image-${index}-${i}`, alt, box: [432, 432], tile: count > 1 });
}

function footer(embed) {
  const words = [embed.footer?.text, embed.timestamp && messageTime(embed.timestamp)].filter(Boolean);
  return words.join(" • ");
}

/** Inline fields stand up to three in a row; any other field has a row of its own. */
function fieldRows(fields) {
  const rows = [];
  for (const field of fields) {
    const last = rows.at(-1);
    if (field.inline && last?.[0].inline && last.length < 3) last.push(field);
    else rows.push([field]);
  }
  return rows;
}

function fieldRow(row, context) {
  return h(
    "div",
    { class: `embed-row embed-row-${row.length}` },
    row.map((field) =>
      h(
        "div",
        { class: "embed-field" },
        h("div", { class: "embed-field-name" }, renderInline(field.name, context)),
        h("div", { class: "embed-field-value md" }, renderMarkdown(field.value, context)),
      ),
    ),
  );
}
