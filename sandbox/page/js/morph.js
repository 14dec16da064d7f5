// Turning one tree of elements into another in place, so that an edited message keeps focus, scroll position and
// loaded pictures. Children that carry `data-key` are matched by it, the others by position and tag.

/** Make `from` look like `to`; returns the node that now stands in the document. */
export function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || keyOf(from) !== keyOf(to)) {
    from.replaceWith(to);
    return to;
  }
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return from;
  }
  if (from.nodeType === Node.ELEMENT_NODE) {
    morphAttributes(from, to);
    morphChildren(from, to);
  }
  return from;
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? (node.dataset?.key ?? null) : null;
}

function morphAttributes(from, to) {
  for (const { name, value } of [...to.attributes]) {
    if (name === "style") continue;
    if (name === "src" && samePath(from.getAttribute("src"), value)) continue;
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    // `data-open` is the reader's own doing (a revealed spoiler); `tabindex` of a message roves.
    if (name === "data-open" || name === "style" || name === "tabindex") continue;
    if (!to.hasAttribute(name)) from.removeAttribute(name);
  }
  // Through the object model: a style attribute would fall under the Content-Security-Policy.
  if (from.style && from.style.cssText !== to.style.cssText) from.style.cssText = to.style.cssText;
}

/** CDN links are signed anew at every look; the picture behind the same path is the same picture. */
function samePath(a, b) {
  return a !== null && a.split("?")[0] === b.split("?")[0];
}

function morphChildren(from, to) {
  const keyed = new Map();
  for (const child of from.childNodes) if (keyOf(child) !== null) keyed.set(keyOf(child), child);
  let cursor = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = keyOf(wanted);
    const match = key !== null ? keyed.get(key) : similar(cursor, wanted) ? cursor : undefined;
    if (match === undefined) {
      from.insertBefore(wanted, cursor);
      continue;
    }
    if (match !== cursor) from.insertBefore(match, cursor);
    const stands = morph(match, wanted);
    cursor = stands.nextSibling;
  }
  while (cursor) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}

function similar(node, wanted) {
  return node !== null && keyOf(node) === null && node.nodeName === wanted.nodeName;
}
