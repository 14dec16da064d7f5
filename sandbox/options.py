"""A slash command's options as the client reads and checks them."""

from typing import TYPE_CHECKING, Any

from sandbox import payloads
from sandbox.messages import store_upload
from sandbox.state import Channel, Json, Upload
from sandbox.views import File

if TYPE_CHECKING:
    from sandbox.server import Sandbox

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(1, 12)
LARGEST_INTEGER = 2**53
STRING_LENGTH = 6000


class Refused(Exception):
    """The client does not send this; the text is what the person is shown."""


class Inputs:
    """Gathers what options and fields refer to, for `resolved`; files are served only once they are kept."""

    def __init__(self, sandbox: "Sandbox", channel: Channel) -> None:
        self.sandbox = sandbox
        self.channel = channel
        self.resolved: dict[str, Json] = {}
        self._uploads: list[Upload] = []

    def add_file(self, file: File) -> str:
        """Upload a file as an ephemeral attachment; its id."""
        guild = self.sandbox.state.guilds.get(self.channel.guild_id or 0)
        limit = guild.upload_limit if guild else 10 << 20
        if len(file.data) > limit:
            raise Refused(f"Your files are too powerful: {file.filename} is above the limit of {limit >> 20} MiB.")
        upload = store_upload(self.sandbox, file, self.channel.id, ephemeral=True)
        self._uploads.append(upload)
        self.resolved.setdefault("attachments", {})[str(upload.id)] = payloads.attachment(self.sandbox, upload)
        return str(upload.id)

    def add_user(self, key: Any) -> str:
        """Refer to a user by id, name or scripted member; its id."""
        state = self.sandbox.state
        raw = getattr(key, "id", key)
        try:
            user = state.user(int(raw) if str(raw).isdigit() else str(raw))
        except KeyError as error:
            raise Refused(str(error)) from None
        self.resolved.setdefault("users", {})[str(user.id)] = payloads.user(user)
        guild = state.guilds.get(self.channel.guild_id or 0)
        if guild is not None and user.id in guild.members:
            member = payloads.member(self.sandbox, guild, user, with_user=False)
            member["permissions"] = str(state.permissions_in(user.id, self.channel))
            self.resolved.setdefault("members", {})[str(user.id)] = member
        return str(user.id)

    def add_channel(self, key: Any) -> str:
        """Refer to a channel by id or name; its id."""
        try:
            channel = self.sandbox.state.channel(int(key) if str(key).isdigit() else key)
        except KeyError as error:
            raise Refused(str(error)) from None
        shown = payloads.channel(self.sandbox, channel) | {"permissions": "0"}
        self.resolved.setdefault("channels", {})[str(channel.id)] = shown
        return str(channel.id)

    def add_role(self, key: Any) -> str:
        """Refer to a role of the guild by id or name; its id."""
        guild = self.sandbox.state.guilds.get(self.channel.guild_id or 0)
        roles = {} if guild is None else guild.roles
        found = next((role for role in roles.values() if str(key) in (str(role.id), role.name)), None)
        if found is None:
            raise Refused(f"There is no role {key!r}; there are {[role.name for role in roles.values()]}.")
        self.resolved.setdefault("roles", {})[str(found.id)] = payloads.role(found)
        return str(found.id)

    def keep(self) -> dict[str, Json]:
        """Let the CDN serve the files, and give `resolved`."""
        self.sandbox.state.add_uploads(self._uploads)
        return self.resolved


def find_command(commands: list[Json], name: str) -> tuple[Json, list[Json], list[Json]]:
    """ "adapter share" → (command, the subcommand's path, its options). Raises Refused naming what there is."""
    words = name.removeprefix("/").split()
    command = next((c for c in commands if words and c["name"] == words[0]), None)
    if command is None:
        raise Refused(f"There is no command /{name} here; there are {sorted(c['name'] for c in commands)}.")
    path: list[Json] = []
    options: list[Json] = command.get("options", [])
    for word in words[1:]:
        step = next((o for o in options if o["name"] == word and o["type"] in (SUBCOMMAND, GROUP)), None)
        if step is None:
            raise Refused(f"/{name} is not there; after /{' '.join(words[:1])} come {[o['name'] for o in options]}.")
        path.append(step)
        options = step.get("options", [])
    if any(o["type"] in (SUBCOMMAND, GROUP) for o in options):
        raise Refused(f"/{name} needs a subcommand: {[o['name'] for o in options]}.")
    return command, path, options


def read_options(inputs: Inputs, options: list[Json], values: dict[str, Any], focused: str | None = None) -> list[Json]:
    """Check what was entered and bring it into the interaction's form.

    With `focused` it is an autocomplete: that option's value is sent as it stands, and nothing is required yet.
    """
    known = {option["name"]: option for option in options}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise Refused(f"There is no option {unknown[0]!r}; there are {list(known)}.")
    filled = []
    for name, option in known.items():
        value = values.get(name)
        if name == focused:
            filled.append({"name": name, "type": option["type"], "value": str(value), "focused": True})
        elif value is None or value == "":
            if option.get("required") and focused is None:
                raise Refused(f"This option is required. Specify a value: {name}.")
        elif focused is None:
            filled.append({"name": name, "type": option["type"], "value": _read(inputs, option, value)})
        elif option["type"] != ATTACHMENT:
            filled.append({"name": name, "type": option["type"], "value": value})
    return filled


def _read(inputs: Inputs, option: Json, value: Any) -> Any:
    kind, name = option["type"], option["name"]
    if option.get("choices"):
        chosen = next((c for c in option["choices"] if value in (c["value"], c["name"])), None)
        if chosen is None:
            raise Refused(f"{name}: choose one of {[c['name'] for c in option['choices']]}.")
        return chosen["value"]
    if kind == STRING:
        return _read_text(option, value)
    if kind in (INTEGER, NUMBER):
        return _read_number(option, value)
    if kind == BOOLEAN:
        if str(value).lower() not in ("true", "false"):
            raise Refused(f"{name}: must be True or False.")
        return str(value).lower() == "true"
    if kind == ATTACHMENT:
        if not isinstance(value, File):
            raise Refused(f"{name}: attach a file.")
        return inputs.add_file(value)
    if kind in (USER, MENTIONABLE):
        return inputs.add_user(value)
    if kind == CHANNEL:
        return inputs.add_channel(value)
    if kind == ROLE:
        return inputs.add_role(value)
    raise Refused(f"{name}: options of type {kind} are not covered by the sandbox.")


def _read_text(option: Json, value: Any) -> str:
    text = str(value).strip()
    least, most = option.get("min_length") or 0, option.get("max_length") or STRING_LENGTH
    if not least <= len(text) <= most:
        raise Refused(f"{option['name']}: must be between {least} and {most} characters, not {len(text)}.")
    return text


def _read_number(option: Json, value: Any) -> int | float:
    name = option["name"]
    try:
        if isinstance(value, bool):
            raise ValueError
        number = int(str(value)) if option["type"] == INTEGER else float(value)
    except ValueError:
        raise Refused(f"{name}: input a valid {'integer' if option['type'] == INTEGER else 'number'}.") from None
    least = option.get("min_value", -LARGEST_INTEGER)
    most = option.get("max_value", LARGEST_INTEGER)
    if not least <= number <= most:
        raise Refused(f"{name}: must be between {least} and {most}.")
    return number
