// The channel list with the member switcher below, the top bar, and the roster on wide screens.

import { fill, h, icon } from "./dom.js";
import { appBadge, avatar, displayName } from "./render/avatar.js";

const asUser = (member) => ({ ...member, global_name: member.display_name });

export class Frame {
  /** `on`: channel(channel), member(member), theme(). */
  constructor(store, elements, on) {
    this.store = store;
    this.elements = elements;
    this.on = on;
    elements.scrim.addEventListener("click", () => this.drawer(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen) this.drawer(false);
    });
    for (const type of ["state", "channel", "unread", "connection", "commands"]) store.addEventListener(type, () => this.render());
    matchMedia("(max-width: 760px)").addEventListener("change", () => this.drawer(false, false));
  }

  get isOpen() {
    return this.elements.app.hasAttribute("data-drawer");
  }

  /** Open or close the channel list on narrow screens. */
  drawer(open, moveFocus = true) {
    this.elements.app.toggleAttribute("data-drawer", open);
    this.elements.scrim.hidden = !open;
    this.elements.channel.inert = open;
    const button = this.elements.topbar.querySelector(".drawer-button");
    button?.setAttribute("aria-expanded", String(open));
    if (!moveFocus) return;
    (open ? this.elements.sidebar.querySelector('[aria-current="page"]') : button)?.focus();
  }

  #closeDrawer() {
    if (this.isOpen) this.drawer(false, false);
  }

  render() {
    const focused = document.activeElement?.closest?.("[data-focus]")?.dataset.focus;
    this.#sidebar();
    this.#topbar();
    this.#roster();
    if (focused) document.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  #sidebar() {
    const { guild, channels } = this.store;
    fill(
      this.elements.sidebar,
      h("div", { class: "guild" }, h("span", { class: "guild-mark" }, icon("aperture")), h("div", { class: "guild-words" }, h("h1", {}, guild.name), h("span", { class: "guild-note" }, "sandbox, not Discord"))),
      h("nav", { class: "channels", "aria-label": "Text channels" }, h("h2", { class: "side-heading" }, "Text channels"), h("ul", {}, channels.map((channel) => h("li", {}, this.#channelButton(channel))))),
      this.#switcher(),
    );
  }

  #channelButton(channel) {
    const current = channel.id === this.store.channel?.id;
    const unread = this.store.unread.has(channel.id);
    return h(
      "button",
      {
        type: "button",
        class: `channel-button ${unread ? "channel-unread" : ""}`,
        "aria-current": current ? "page" : null,
        data: { focus: `channel-${channel.name}` },
        on: { click: () => { this.#closeDrawer(); this.on.channel(channel); } },
      },
      icon("hash"),
      h("span", {}, channel.name),
      unread && h("span", { class: "visually-hidden" }, " (unread)"),
    );
  }

  #switcher() {
    const people = [...this.store.members.values()].filter((member) => !member.bot);
    return h(
      "div",
      { class: "switcher" },
      h("h2", { class: "side-heading", id: "switcher-label" }, "You are"),
      h(
        "div",
        { class: "switcher-people", role: "radiogroup", "aria-labelledby": "switcher-label", on: { keydown: (event) => this.#moveMember(event, people) } },
        people.map((member) => {
          const mine = member.id === this.store.me;
          return h(
            "button",
            { type: "button", class: "switch", role: "radio", "aria-checked": String(mine), tabindex: mine ? "0" : "-1", title: member.moderator ? "Moderator" : null, data: { focus: `member-${member.name}` }, on: { click: () => this.on.member(member) } },
            avatar(asUser(member)),
            member.moderator && h("span", { class: "switch-role" }, "mod"),
            h("span", { class: "switch-name" }, member.display_name),
          );
        }),
      ),
    );
  }

  #moveMember(event, people) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = people.findIndex((member) => member.id === this.store.me);
    const next = people[(at + step + people.length) % people.length];
    event.currentTarget.querySelector(`[data-focus="member-${CSS.escape(next.name)}"]`).focus();
    this.on.member(next);
  }

  #topbar() {
    const { channel, connected } = this.store;
    const dark = getComputedStyle(document.documentElement).colorScheme.trim() !== "light";
    const app = this.store.application;
    const name = app?.user ? displayName(app.user) : "The bot";
    fill(
      this.elements.topbar,
      h("button", { type: "button", class: "icon-button drawer-button", "aria-label": "Channels and members", "aria-expanded": String(this.isOpen), "aria-controls": "sidebar", data: { focus: "drawer" }, on: { click: () => this.drawer(!this.isOpen) } }, icon("menu")),
      h("span", { class: "topbar-hash" }, icon("hash")),
      h("h2", { class: "topbar-name" }, channel?.name ?? ""),
      channel?.topic && h("span", { class: "topbar-topic", title: channel.topic }, channel.topic),
      h("span", { class: "topbar-space" }),
      h("span", { class: `presence ${connected ? "presence-on" : ""}`, title: connected ? `${name} is connected` : `${name} is not connected` }, h("i"), h("span", {}, connected ? "bot online" : "bot offline")),
      h("button", { type: "button", class: "icon-button", "aria-label": dark ? "Switch to light" : "Switch to dark", data: { focus: "theme" }, on: { click: () => { this.on.theme(); this.render(); } } }, icon(dark ? "sun" : "moon")),
    );
    document.title = channel ? `#${channel.name} · ${this.store.guild.name}` : "Darkroom sandbox";
  }

  #roster() {
    const members = [...this.store.members.values()];
    const group = (title, list) =>
      list.length > 0 && [h("h2", { class: "side-heading" }, `${title} — ${list.length}`), h("ul", {}, list.map((member) => this.#rosterRow(member)))];
    fill(
      this.elements.roster,
      group("Apps", members.filter((member) => member.bot)),
      group("Moderators", members.filter((member) => !member.bot && member.moderator)),
      group("Members", members.filter((member) => !member.bot && !member.moderator)),
    );
  }

  #rosterRow(member) {
    const offline = member.bot && !this.store.connected;
    return h(
      "li",
      { class: `roster-row ${offline ? "roster-offline" : ""}` },
      avatar(asUser(member)),
      h("span", {}, member.display_name),
      member.bot && appBadge(),
      member.id === this.store.me && h("span", { class: "muted" }, "you"),
    );
  }
}
