// Discord's markdown, as far as bots use it, into DOM nodes. Text from strangers only ever becomes text nodes, and the
// only links are http and https.

import { h } from "./dom.js";
import { timeElement } from "./time.js";

const MAX_DEPTH = 12; // nested emphasis beyond this stays text: a message cannot exhaust the stack

/**
 * Nodes of a whole text, with blocks (code, quotes, headings, lists).
 * `context` finds names: user(id), channel(id), role(id) give a string or undefined.
 */
export function renderMarkdown(text, context) {
  const nodes = [];
  const fence = /```(?:([a-z0-9_+.#-]*)\n)?([\s\S]*?)```/gi;
  let last = 0;
  for (const match of text.matchAll(fence)) {
    if (match[2].trim() === "") continue;
    nodes.push(...renderLines(text.slice(last, match.index).replace(/\n$/, ""), context));
    nodes.push(h("pre", { class: "code-block", tabindex: "0" }, h("code", {}, match[2].replace(/\n$/, ""))));
    last = match.index + match[0].length;
    if (text[last] === "\n") last += 1;
  }
  nodes.push(...renderLines(text.slice(last), context));
  return nodes;
}

function renderLines(text, context) {
  if (text === "") return [];
  const nodes = [];
  const lines = text.split("\n");
  let plain = [];
  const flush = () => {
    if (plain.length) nodes.push(...renderInline(plain.join("\n"), context));
    plain = [];
  };
  for (let i = 0; i < lines.length; i += 1) {
    const block = blockAt(lines, i, context);
    if (block) {
      flush();
      nodes.push(block.node);
      i = block.end - 1;
    } else plain.push(lines[i]);
  }
  flush();
  return nodes;
}

/** The block that starts at line i: {node, end} with `end` the first line after it, or null. */
function blockAt(lines, i, context) {
  const line = lines[i];
  const heading = /^(#{1,3}) +(.+)$/.exec(line);
  if (heading) {
    const level = heading[1].length;
    const props = { class: `md-h md-h${level}`, role: "heading", "aria-level": String(level + 2) };
    return { node: h("div", props, renderInline(heading[2], context)), end: i + 1 };
  }
  const small = /^-# +(.+)$/.exec(line);
  if (small) return { node: h("div", { class: "md-small" }, renderInline(small[1], context)), end: i + 1 };
  if (/^>>> /.test(line)) {
    const quoted = [line.slice(4), ...lines.slice(i + 1)].join("\n");
    return { node: h("blockquote", { class: "md-quote" }, renderLines(quoted, context)), end: lines.length };
  }
  if (/^> /.test(line)) return take(lines, i, /^> ?/, (body) => quote(body, context));
  if (/^ *[-*] +\S/.test(line)) return take(lines, i, /^ *[-*] +(?=\S)/, (body) => list("ul", body, context));
  if (/^ *\d{1,4}\. +\S/.test(line)) return take(lines, i, /^ *\d{1,4}\. +(?=\S)/, (body) => list("ol", body, context));
  return null;
}

function take(lines, start, marker, build) {
  let end = start;
  const body = [];
  while (end < lines.length && marker.test(lines[end])) {
    body.push(lines[end].replace(marker, ""));
    end += 1;
  }
  return { node: build(body), end };
}

const quote = (body, context) => h("blockquote", { class: "md-quote" }, renderLines(body.join("\n"), context));
const list = (tag, body, context) =>
  h(tag, { class: "md-list" }, body.map((item) => h("li", {}, renderInline(item, context))));

const EMPHASIS = { "***": "strong-em", "**": "strong", __: "u", "*": "em", _: "em", "~~": "s", "||": "spoiler" };

// Sticky patterns tried in order at each place of the text; each gives a node or null (then the next one is tried).
const RULES = [
  [/\\([^A-Za-z0-9\s])/y, (m) => document.createTextNode(m[1])],
  [/(`{1,2})([\s\S]+?)\1(?!`)/y, (m) => h("code", { class: "code-inline" }, trimTicks(m[2]))],
  [/<t:(-?\d{1,13})(?::([tTdDfFRsS]))?>/y, (m) => timeElement(Number(m[1]), m[2])],
  [/<@!?(\d{1,20})>/y, (m, c) => mention("@", c.user?.(m[1]) ?? "unknown-user")],
  [/<#(\d{1,20})>/y, (m, c) => mention("#", c.channel?.(m[1]) ?? "unknown-channel")],
  [/<@&(\d{1,20})>/y, (m, c) => mention("@", c.role?.(m[1]) ?? "unknown-role")],
  [/<\/([^:<>]{1,100}):\d{1,20}>/y, (m) => mention("/", m[1])],
  [/<a?:(\w{2,32}):\d{1,20}>/y, (m) => h("span", { class: "custom-emoji", title: `:${m[1]}:` }, `:${m[1]}:`)],
  [/@(everyone|here)\b/y, (m, c) => (c.everyone ? mention("@", m[1]) : null)],
  [/\[((?:\\.|[^[\]\n])+)\]\(<?(https?:\/\/[^\s<>)]+)>?(?: "[^"\n]*")?\)/y, (m, c, d) => link(m[2], renderInline(m[1], { ...c, noLinks: true }, d + 1))],
  [/<(https?:\/\/[^\s<>]+)>/y, (m) => link(m[1], [m[1]])],
  [/https?:\/\/[^\s<>]+[^\s<>.,:;"')\]]/y, (m, c) => (c.noLinks ? null : link(m[0], [m[0]]))],
  [/(\*\*\*)(?=\S)([\s\S]+?)\1(?!\*)/y, emphasis],
  [/(\*\*)(?=\S)([\s\S]+?)\1(?!\*)/y, emphasis],
  [/(__)([\s\S]+?)\1(?!_)/y, emphasis],
  [/(~~)([\s\S]+?)\1/y, emphasis],
  [/(\|\|)([\s\S]+?)\1/y, emphasis],
  [/(\*)(?=[^\s*])((?:\*\*[^*]+\*\*|[^*])+?)\1(?!\*)/y, emphasis],
  [/(_)(?=[^\s_])([^_]+?)\1(?!\w)/y, (m, c, d, before) => (/\w$/.test(before) ? null : emphasis(m, c, d))],
];

/** Nodes of a piece of text without blocks; line breaks stay line breaks (the style keeps them). */
export function renderInline(text, context, depth = 0) {
  if (depth > MAX_DEPTH) return [document.createTextNode(text)];
  const nodes = [];
  let plain = "";
  let at = 0;
  while (at < text.length) {
    const found = /[\\`<@[h*_~|]/.test(text[at]) ? ruleAt(text, at, context, depth) : null;
    if (found === null) {
      plain += text[at];
      at += 1;
      continue;
    }
    if (plain) nodes.push(document.createTextNode(plain));
    plain = "";
    nodes.push(found.node);
    at += found.length;
  }
  if (plain) nodes.push(document.createTextNode(plain));
  return nodes;
}

function ruleAt(text, at, context, depth) {
  for (const [pattern, build] of RULES) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    const node = match && build(match, context, depth, text.slice(Math.max(0, at - 1), at));
    if (node) return { node, length: match[0].length };
  }
  return null;
}

function emphasis(match, context, depth) {
  const inner = renderInline(match[2], context, depth + 1);
  const kind = EMPHASIS[match[1]];
  if (kind === "strong-em") return h("em", {}, h("strong", {}, inner));
  if (kind === "spoiler") {
    const props = { class: "spoiler", role: "button", tabindex: "0", "aria-label": "Spoiler, press to reveal", data: { act: "spoiler" } };
    return h("span", props, h("span", { class: "spoiler-text" }, inner));
  }
  return h(kind, {}, inner);
}

const trimTicks = (text) => (/^ ?`|` ?$/.test(text) ? text.trim() : text);
const mention = (sign, name) => h("span", { class: "mention" }, `${sign}${name}`);
const link = (url, children) =>
  h("a", { class: "link", href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
