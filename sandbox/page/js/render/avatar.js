// Drawn avatars: initials on one of eight colours for people, an aperture for applications.

import { h, icon } from "../dom.js";

/** A number 0–7 that stays the same for a name. */
export function tint(name) {
  let sum = 7;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 9973;
  return sum % 8;
}

export function displayName(user) {
  return user.global_name || user.display_name || user.username || user.name || "unknown";
}

export function avatar(user, size = "") {
  const name = displayName(user);
  const classes = `avatar ${size ? `avatar-${size}` : ""} ${user.bot ? "avatar-app" : `tint-${tint(name)}`}`;
  return h("span", { class: classes, "aria-hidden": "true" }, user.bot ? icon("aperture") : name.slice(0, 1).toUpperCase());
}

export const appBadge = () => h("span", { class: "badge" }, "APP");
