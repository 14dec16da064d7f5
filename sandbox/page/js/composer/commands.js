// The registered commands, flattened as the palette lists them. Pure.

export const KIND = { SLASH: 1, USER: 2, MESSAGE: 3 };
export const TYPE = { SUB: 1, GROUP: 2, STRING: 3, INTEGER: 4, BOOLEAN: 5, USER: 6, CHANNEL: 7, ROLE: 8, MENTIONABLE: 9, NUMBER: 10, ATTACHMENT: 11 };

/** Every slash command that can be sent: subcommands stand alone, as "adapter share". Sorted by name. */
export function flatten(commands) {
  const found = [];
  const walk = (name, entry) => {
    const options = entry.options ?? [];
    const inner = options.filter((option) => option.type === TYPE.SUB || option.type === TYPE.GROUP);
    if (inner.length) inner.forEach((option) => walk(`${name} ${option.name}`, option));
    else found.push({ name, description: said(entry), options: ordered(options.map((option) => ({ ...option, description: said(option) }))) });
  };
  for (const command of commands) if ((command.type ?? KIND.SLASH) === KIND.SLASH) walk(command.name, command);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A description, unless it is the dots that libraries put where none was given. */
const said = ({ description }) => (/^(…|\.\.\.)?$/.test(description ?? "") ? "" : description);

/** Required options first; otherwise in the order in which they were registered. */
function ordered(options) {
  return [...options.filter((option) => option.required), ...options.filter((option) => !option.required)];
}

/** Commands that fit what was typed after the slash: names that begin so first, then names and words that contain it. */
export function search(commands, typed) {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return commands;
  const rank = (command) => {
    if (command.name.startsWith(wanted)) return 0;
    if (command.name.split(" ").some((word) => word.startsWith(wanted))) return 1;
    if (command.name.includes(wanted)) return 2;
    return null;
  };
  return commands
    .map((command) => [rank(command), command])
    .filter(([order]) => order !== null)
    .sort((a, b) => a[0] - b[0])
    .map(([, command]) => command);
}

export const messageCommands = (commands) => commands.filter((command) => command.type === KIND.MESSAGE);
