// Points in time as Discord writes them: <t:SECONDS:STYLE>, "Today at 14:02".

import { h } from "./dom.js";

const LOCALE = "en-GB";
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STYLES = {
  t: { hour: "2-digit", minute: "2-digit" },
  T: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  d: { day: "2-digit", month: "2-digit", year: "numeric" },
  D: { day: "numeric", month: "long", year: "numeric" },
  f: { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" },
  F: { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" },
  s: { day: "2-digit", month: "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit" },
  S: { day: "2-digit", month: "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
};
const STEPS = [
  ["year", 31536000],
  ["month", 2592000],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** "in 2 minutes", "3 hours ago". */
export function relativeTime(seconds, nowMs = Date.now()) {
  const distance = Math.round(seconds - nowMs / 1000);
  const [unit, size] = STEPS.find(([, length]) => Math.abs(distance) >= length) ?? ["second", 1];
  return relative.format(Math.trunc(distance / size), unit);
}

export function formatTime(seconds, style = "f") {
  if (style === "R") return relativeTime(seconds);
  return new Date(seconds * 1000).toLocaleString(LOCALE, STYLES[style] ?? STYLES.f);
}

/** A <time> element that the ticker keeps current when its style is relative. */
export function timeElement(seconds, style = "f") {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return document.createTextNode(`<t:${seconds}:${style}>`);
  return h(
    "time",
    { class: "stamp", datetime: date.toISOString(), title: formatTime(seconds, "F"), data: { style, seconds } },
    formatTime(seconds, style),
  );
}

/** Keep every relative time on the page current. */
export function startTicker(root = document) {
  setInterval(() => {
    for (const element of root.querySelectorAll('time[data-style="R"]')) {
      const words = relativeTime(Number(element.dataset.seconds));
      if (element.textContent !== words) element.textContent = words;
    }
  }, 1000);
}

const dayOf = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** "14:02" today, "Yesterday at 14:02", else "21/11/2026, 14:02". */
export function messageTime(iso) {
  const date = new Date(iso);
  const clock = date.toLocaleTimeString(LOCALE, STYLES.t);
  const days = Math.round((dayOf(new Date()) - dayOf(date)) / 86400000);
  if (days === 0) return clock;
  if (days === 1) return `Yesterday at ${clock}`;
  return date.toLocaleString(LOCALE, STYLES.s);
}

export function dayLabel(iso) {
  return new Date(iso).toLocaleDateString(LOCALE, { day: "numeric", month: "long", year: "numeric" });
}

export function sameDay(a, b) {
  return dayOf(new Date(a)) === dayOf(new Date(b));
}
