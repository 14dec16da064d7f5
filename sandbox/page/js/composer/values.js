// Reading what stands in an option as Discord's client does before it sends anything. Pure.

import { formatBytes } from "../dom.js";
import { TYPE } from "./commands.js";

export const REQUIRED = "This option is required. Specify a value.";

/**
 * What a slot (typed text, picked choice or file) means for its option.
 * Returns {empty: true}, {value} or {error}. `limits`: {upload: bytes one file may have}.
 */
export function readSlot(option, slot, limits) {
  if (option.type === TYPE.ATTACHMENT) return readFile(slot.file, limits);
  const text = slot.text ?? "";
  if (text === "") return { empty: true };
  if (slot.choice && slot.choice.name === text) return { value: slot.choice.value };
  if (option.choices?.length) return readChoice(option.choices, text);
  switch (option.type) {
    case TYPE.STRING:
      return readString(option, text);
    case TYPE.INTEGER:
      return readNumber(option, text, /^[+-]?\d+$/, "Input a valid integer.");
    case TYPE.NUMBER:
      return readNumber(option, text, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "Input a valid number.");
    case TYPE.BOOLEAN:
      if (/^(true|false)$/i.test(text.trim())) return { value: text.trim().toLowerCase() === "true" };
      return { error: "Choose True or False." };
    default:
      return { error: "Choose one from the list." };
  }
}

function readFile(file, limits) {
  if (!file) return { empty: true };
  if (file.size > limits.upload) {
    return { error: `${file.name} is ${formatBytes(file.size)}; one file may have ${formatBytes(limits.upload)} here.` };
  }
  return { value: file };
}

function readChoice(choices, text) {
  const found = choices.find((choice) => choice.name.toLowerCase() === text.trim().toLowerCase());
  return found ? { value: found.value } : { error: "Choose one from the list." };
}

function readString(option, text) {
  const least = option.min_length ?? 0;
  const most = option.max_length ?? 6000;
  if (text.length < least) return { error: `Write at least ${least} characters.` };
  if (text.length > most) return { error: `Write at most ${most} characters (these are ${text.length}).` };
  return { value: text };
}

function readNumber(option, text, pattern, invalid) {
  const value = Number(text);
  if (!pattern.test(text.trim()) || !Number.isFinite(value) || Math.abs(value) > 2 ** 53) return { error: invalid };
  const { min_value: least, max_value: most } = option;
  const below = least !== undefined && least !== null && value < least;
  const above = most !== undefined && most !== null && value > most;
  if (!below && !above) return { value };
  if (least !== undefined && most !== undefined) return { error: `Value must be between ${least} and ${most}.` };
  return { error: below ? `Value must be at least ${least}.` : `Value must be at most ${most}.` };
}

/** What an option offers without asking the application, or null. `store` knows people and channels. */
export function fixedChoices(option, store) {
  if (option.choices?.length) return option.choices;
  if (option.type === TYPE.BOOLEAN) return [{ name: "True", value: true }, { name: "False", value: false }];
  if (option.type === TYPE.USER || option.type === TYPE.MENTIONABLE) {
    return [...store.members.values()].map((member) => ({ name: member.display_name, value: member.id, note: `@${member.name}` }));
  }
  if (option.type === TYPE.CHANNEL) return store.channels.map((channel) => ({ name: `#${channel.name}`, value: channel.id }));
  if (option.type === TYPE.ROLE) return (store.guild.roles ?? []).map((role) => ({ name: role.name, value: role.id }));
  return null;
}

/** A word about what an option takes, for its pill and the panel above. */
export function typeWord(option) {
  return { [TYPE.INTEGER]: "integer", [TYPE.NUMBER]: "number", [TYPE.BOOLEAN]: "true or false", [TYPE.ATTACHMENT]: "file", [TYPE.USER]: "member", [TYPE.CHANNEL]: "channel", [TYPE.ROLE]: "role" }[option.type] ?? "";
}
