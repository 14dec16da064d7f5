// One message as a list item. Reads a message as Discord's API shows it and gives elements; keeps no state.

import { h, icon } from "../dom.js";
import { renderMarkdown } from "../markdown.js";
import { messageTime } from "../time.js";
import { appBadge, avatar } from "./avatar.js";
import { components } from "./components.js";
import { embeds } from "./embed.js";
import { attachments } from "./media.js";

export const EPHEMERAL = 1 << 6;
export const LOADING = 1 << 7;
const SUPPRESS_EMBEDS = 1 << 2;
const GROUP_MS = 7 * 60 * 1000;

export const isEphemeral = (message) => Boolean(message.flags & EPHEMERAL);

/** Whether `message` continues what `previous` began, without a header of its own. */
export function continues(message, previous) {
  return (
    Boolean(previous) &&
    !usedBy(message) &&
    !message.message_reference &&
    previous.author.id === message.author.id &&
    isEphemeral(previous) === isEphemeral(message) &&
    new Date(message.timestamp) - new Date(previous.timestamp) < GROUP_MS
  );
}

/** Who used which command to bring this message about: {user, name}, or null. */
function usedBy(message) {
  const from = message.interaction ?? message.interaction_metadata;
  if (!from || from.type !== 2) return null;
  const kind = message.interaction_metadata?.command_type ?? 1;
  return { user: from.user, name: message.interaction?.name ?? from.name ?? null, slash: kind === 1 };
}

/** `view` finds names and knows the reader: see timeline.js. */
export function renderMessage(message, view) {
  const grouped = view.grouped;
  const name = view.nameOf(message.author);
  const classes = ["message", grouped && "message-grouped", isEphemeral(message) && "message-ephemeral", mentionsReader(message, view) && "message-mention", message.local && "message-local"];
  return h(
    "li",
    { class: "row", data: { key: message.id } },
    view.divider && h("div", { class: "day", role: "separator", data: { key: "day" } }, h("span", {}, view.divider)),
    h(
      "article",
      { class: classes.filter(Boolean).join(" "), id: `message-${message.id}`, "aria-label": `${name}, ${messageTime(message.timestamp)}`, tabindex: "-1", data: { key: "article", id: message.id, author: message.author.id } },
      contextLine(message, view),
      h("div", { class: "gutter", data: { key: "gutter" } }, grouped ? h("time", { class: "muted gutter-time" }, messageTime(message.timestamp)) : avatar(message.author)),
      h("div", { class: "message-body", data: { key: "body" } }, grouped ? null : header(message, name), body(message, view), failure(view.note), ephemeralNote(message)),
      message.pending ? null : actions(name),
    ),
  );
}

function mentionsReader(message, view) {
  return Boolean(message.mention_everyone) || (message.mentions ?? []).some((user) => user.id === view.me);
}

function header(message, name) {
  return h(
    "header",
    { class: "message-head", data: { key: "head" } },
    h("span", { class: message.author.bot ? "author author-app" : "author" }, name),
    message.author.bot && appBadge(),
    h("time", { class: "muted message-time", datetime: message.timestamp }, messageTime(message.timestamp)),
  );
}

function contextLine(message, view) {
  const used = usedBy(message);
  if (used) {
    return h(
      "div",
      { class: "context", data: { key: "context" } },
      avatar(used.user, "tiny"),
      h("span", { class: "context-name" }, view.nameOf(used.user)),
      used.name ? [h("span", {}, "used"), h("span", { class: "mention" }, used.slash ? `/${used.name}` : used.name)] : h("span", {}, "used a command"),
    );
  }
  if (!message.message_reference?.message_id) return null;
  const target = message.referenced_message ?? view.find(message.message_reference.message_id);
  if (!target) return h("div", { class: "context", data: { key: "context" } }, h("em", {}, "Original message was deleted"));
  return h(
    "button",
    { type: "button", class: "context context-reply", data: { key: "context", act: "jump", target: target.id } },
    avatar(target.author, "tiny"),
    h("span", { class: "context-name" }, `@${view.nameOf(target.author)}`),
    h("span", { class: "context-words" }, summary(target)),
  );
}

function summary(message) {
  return message.content || message.embeds?.[0]?.title || (message.attachments?.length ? "Click to see the attachment" : "a message");
}

function body(message, view) {
  if (message.pending) return h("div", { class: "thinking" }, dots(), "Sending command…");
  if (message.flags & LOADING) {
    return h("div", { class: "thinking", data: { key: "thinking" } }, dots(), `${view.nameOf(message.author)} is thinking…`);
  }
  const context = { ...view.context, everyone: true };
  const edited = message.edited_timestamp && h("span", { class: "muted edited", title: messageTime(message.edited_timestamp) }, " (edited)");
  return [
    message.content && h("div", { class: `content md ${message.failed ? "content-failed" : ""}`, data: { key: "content" } }, renderMarkdown(message.content, context), edited),
    h("div", { class: "attachments", data: { key: "attachments" } }, attachments(message.attachments ?? [])),
    !(message.flags & SUPPRESS_EMBEDS) && h("div", { class: "embeds", data: { key: "embeds" } }, embeds(message.embeds ?? [], context)),
    h("div", { class: "components", data: { key: "components" } }, components(message.components ?? [], context, view.note), message.retry && retryRow()),
  ];
}

const dots = () => h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
const retryRow = () =>
  h("div", { class: "action-row" }, h("button", { type: "button", class: "button button-secondary", data: { act: "retry" } }, "Edit and try again"));

function failure(note) {
  return note?.failed && h("div", { class: "interaction-failed", role: "alert", data: { key: "failed" } }, icon("warn"), note.failed);
}

function ephemeralNote(message) {
  if (!isEphemeral(message) || message.pending) return null;
  return h(
    "footer",
    { class: "ephemeral-note", data: { key: "ephemeral" } },
    icon("eye"),
    h("span", {}, "Only you can see this"),
    h("span", { "aria-hidden": "true" }, " · "),
    h("button", { type: "button", class: "link-button", data: { act: "dismiss" } }, "Dismiss message"),
  );
}

function actions(name) {
  return h(
    "div",
    { class: "message-actions", data: { key: "actions" } },
    h("button", { type: "button", class: "icon-button", "aria-haspopup": "menu", "aria-label": `More actions for ${name}'s message`, data: { act: "more" } }, icon("more")),
  );
}
