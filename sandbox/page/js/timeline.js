// The list of messages: patches elements in place, stays at the bottom while the reader is there, and moves focus from
// message to message with the arrow keys. Clicks are delegated, since edits replace parts of a message.

import { fill, h, icon } from "./dom.js";
import { morph } from "./morph.js";
import { displayName } from "./render/avatar.js";
import { continues, renderMessage } from "./render/message.js";
import { dayLabel, sameDay } from "./time.js";

const NEAR_BOTTOM_PX = 80;

export class Timeline {
  /** `acts` maps the data-act of a pressed element to act(message, element). */
  constructor(store, { frame, list, welcome, jump }, acts) {
    this.store = store;
    this.frame = frame;
    this.list = list;
    this.welcome = welcome;
    this.jump = jump;
    this.acts = acts;
    this.pinned = true;
    this.missed = 0;
    this.#listen();
  }

  #listen() {
    this.list.addEventListener("click", (event) => this.#press(event));
    this.list.addEventListener("keydown", (event) => this.#keydown(event));
    this.list.addEventListener("contextmenu", (event) => this.#contextMenu(event));
    this.list.addEventListener("focusin", (event) => this.#rove(event.target.closest("article")));
    this.frame.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.jump.addEventListener("click", () => this.toBottom());
    // Pictures grow the list after they load, and the composer shrinks the frame; the bottom stays the bottom.
    const observer = new ResizeObserver(() => this.pinned && this.toBottom());
    observer.observe(this.list);
    observer.observe(this.frame);
    this.store.addEventListener("messages", () => this.renderAll());
    this.store.addEventListener("message", (event) => this.#changed(event.detail));
    this.store.addEventListener("removed", () => this.renderAll());
  }

  renderAll() {
    const ordered = this.store.ordered();
    const rows = ordered.map((message, i) => this.#row(message, ordered[i - 1]));
    const next = this.list.cloneNode(false);
    next.append(...rows);
    this.#keepFocus(() => morph(this.list, next));
    this.#afterChange();
  }

  /** An edit touches its own row, a new message at the end adds one: the others keep still. */
  #changed(message) {
    const ordered = this.store.ordered();
    const at = ordered.findIndex((other) => other.id === message.id);
    const row = this.list.querySelector(`:scope > [data-key="${message.id}"]`);
    if (at < 0) return;
    if (!row && !this.pinned) this.missed += 1;
    if (row) this.#keepFocus(() => morph(row, this.#row(message, ordered[at - 1])));
    else if (at === ordered.length - 1) this.list.append(this.#row(message, ordered[at - 1]));
    else return this.renderAll();
    this.#afterChange();
    return undefined;
  }

  #row(message, previous) {
    const newDay = !previous || !sameDay(previous.timestamp, message.timestamp);
    return renderMessage(message, {
      me: this.store.me,
      grouped: !newDay && continues(message, previous),
      divider: newDay ? dayLabel(message.timestamp) : null,
      note: this.store.notes.get(message.id),
      find: (id) => this.store.messages.get(id),
      nameOf: (user) => this.store.members.get(user.id)?.display_name ?? displayName(user),
      context: this.names(),
    });
  }

  /** How mentions are spelt. */
  names() {
    return {
      user: (id) => this.store.members.get(id)?.display_name,
      channel: (id) => this.store.channels.find((channel) => channel.id === id)?.name,
      role: (id) => this.store.guild.roles?.find((role) => role.id === id)?.name,
    };
  }

  #afterChange() {
    const articles = this.list.querySelectorAll("article");
    if (articles.length && !this.list.querySelector('article[tabindex="0"]')) articles[articles.length - 1].tabIndex = 0;
    if (this.pinned) this.toBottom();
    this.#showJump();
  }

  /** An element that an edit took away hands focus to its message, not to the top of the page. */
  #keepFocus(change) {
    const focused = document.activeElement;
    const inside = this.list.contains(focused);
    const key = focused?.dataset?.key;
    const id = focused?.closest?.("article")?.dataset.id;
    change();
    if (!inside || (this.list.contains(document.activeElement) && document.activeElement !== this.list)) return;
    const article = document.getElementById(`message-${id}`);
    const again = key && key !== "article" ? article?.querySelector(`[data-key="${CSS.escape(key)}"]:not(:disabled)`) : null;
    (again ?? article ?? this.list.querySelector("li:last-child article"))?.focus({ preventScroll: true });
  }

  toBottom() {
    this.pinned = true;
    this.missed = 0;
    this.frame.scrollTop = this.frame.scrollHeight;
    this.#showJump();
  }

  #scrolled() {
    const rest = this.frame.scrollHeight - this.frame.scrollTop - this.frame.clientHeight;
    this.pinned = rest < NEAR_BOTTOM_PX;
    if (this.pinned) this.missed = 0;
    this.#showJump();
  }

  #showJump() {
    this.jump.hidden = this.pinned;
    if (this.pinned) return;
    const words = this.missed === 0 ? "Jump to the newest" : this.missed === 1 ? "1 new message" : `${this.missed} new messages`;
    fill(this.jump, words, icon("arrowDown"));
  }

  #messageOf(element) {
    return this.store.messages.get(element.closest("article")?.dataset.id);
  }

  #press(event) {
    const target = event.target.closest("[data-act]");
    const message = target && this.#messageOf(target);
    if (!message || target.getAttribute("aria-disabled") === "true") return;
    if (target.dataset.act === "spoiler") target.dataset.open = "1";
    else if (target.dataset.act === "jump") this.#jumpTo(target.dataset.target);
    else this.acts[target.dataset.act]?.(message, target, event);
  }

  #jumpTo(id) {
    const article = document.getElementById(`message-${id}`);
    article?.scrollIntoView({ block: "center" });
    article?.focus({ preventScroll: true });
  }

  #keydown(event) {
    const spoiler = event.target.closest('[data-act="spoiler"]');
    if (spoiler && (event.key === "Enter" || event.key === " ")) {
      spoiler.dataset.open = "1";
      event.preventDefault();
    }
    const article = event.target.closest("article");
    if (article !== event.target) return;
    const moves = { ArrowUp: -1, ArrowDown: 1 };
    const all = [...this.list.querySelectorAll("article")];
    if (event.key in moves) this.#focus(all[all.indexOf(article) + moves[event.key]], event);
    else if (event.key === "Home") this.#focus(all[0], event);
    else if (event.key === "End") this.#focus(all.at(-1), event);
    else if (event.key === "Enter" || (event.key === "F10" && event.shiftKey) || event.key === "ContextMenu") {
      event.preventDefault();
      this.acts.more(this.#messageOf(article), article);
    } else if (event.key === "Delete") {
      event.preventDefault();
      this.acts.remove(this.#messageOf(article), article);
    }
  }

  #focus(article, event) {
    if (!article) return;
    event.preventDefault();
    article.focus();
    article.scrollIntoView({ block: "nearest" });
  }

  #rove(article) {
    if (!article) return;
    for (const other of this.list.querySelectorAll('article[tabindex="0"]')) other.tabIndex = -1;
    article.tabIndex = 0;
  }

  #contextMenu(event) {
    const message = this.#messageOf(event.target);
    if (!message || event.target.closest("a, .picture") || message.pending) return;
    event.preventDefault();
    // A keyboard's menu key gives a point too, but no pointer: the menu then opens at the message itself.
    this.acts.more(message, event.target.closest("article"), event.button === 2 ? event : undefined);
  }

  renderWelcome() {
    const channel = this.store.channel;
    if (!channel) return;
    this.list.parentElement.setAttribute("aria-label", `Messages in ${channel.name}`);
    const app = this.store.application;
    fill(
      this.welcome,
      h("div", { class: "welcome-mark" }, icon("hash")),
      h("h2", {}, `Welcome to #${channel.name}`),
      h(
        "p",
        {},
        sentence(channel.topic || "This is the start of the channel"),
        " Type ",
        h("kbd", {}, "/"),
        " to see what ",
        h("strong", {}, app?.user ? displayName(app.user) : "the application"),
        " can do, or drop photos anywhere.",
      ),
    );
  }
}

const sentence = (words) => (/[.!?…]$/.test(words) ? words : `${words}.`);
