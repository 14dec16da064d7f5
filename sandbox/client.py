"""What Discord's own client does with a person's action: find the command, check the input, send the interaction.

What the client itself refuses (a required option missing, a file too large, a disabled button) never reaches the bot:
it comes back as `Exchange.error`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sandbox import permissions
from sandbox.errors import ApiError
from sandbox.exchange import Exchange, ExchangeFailed
from sandbox.forms import fill_form
from sandbox.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, KINDS, MODAL_SUBMIT
from sandbox.messages import Origin, as_body, create_message
from sandbox.messages import delete_message as delete_record
from sandbox.options import Inputs, Refused, find_command, read_options
from sandbox.payloads import message as message_payload
from sandbox.state import Channel, Json, StoredMessage, User
from sandbox.views import BUTTON, STRING_SELECT, USER_SELECT, File, Message, Modal, walk_components

if TYPE_CHECKING:
    from sandbox.server import Sandbox

MESSAGE_COMMAND = 3
GRACE_S = 2.0
"""How much longer than Discord's 3 s the client waits before it gives up on the sandbox itself."""


def usable_commands(sandbox: "Sandbox", user: User, channel: Channel, kind: int) -> list[Json]:
    """Commands of this type that the user may use in the channel, as the client's menu would list them."""
    theirs = sandbox.state.permissions_in(user.id, channel)
    context = 0 if channel.guild_id is not None else 1
    found = []
    for command in sandbox.state.commands_for(channel.guild_id):
        contexts = command.get("contexts")
        needed = int(command.get("default_member_permissions") or 0)
        barred = command.get("default_member_permissions") == "0" and theirs != permissions.ALL
        fits = context in contexts if contexts is not None else context == 0 or command.get("dm_permission", True)
        if command["type"] == kind and fits and not barred and theirs & needed == needed:
            found.append(command)
    return found


async def send_slash(sandbox: "Sandbox", user: User, channel: Channel, name: str, values: dict[str, Any]) -> Exchange:
    """Use a slash command."""
    exchange = Exchange(user.id, channel.id, "command", name)
    try:
        command, path, options = find_command(usable_commands(sandbox, user, channel, 1), name)
        inputs = Inputs(sandbox, channel)
        filled = read_options(inputs, options, values)
    except Refused as refusal:
        exchange.error = str(refusal)
        return exchange
    return await _send(sandbox, COMMAND, user, channel, _command_data(command, path, filled, inputs), exchange)


async def send_autocomplete(
    sandbox: "Sandbox", user: User, channel: Channel, name: str, focused: str, value: object, values: dict[str, Any]
) -> Exchange:
    """Ask what to offer for the option `focused` while `value` stands in it."""
    exchange = Exchange(user.id, channel.id, KINDS[AUTOCOMPLETE], name)
    try:
        command, path, options = find_command(usable_commands(sandbox, user, channel, 1), name)
        inputs = Inputs(sandbox, channel)
        filled = read_options(inputs, options, {**values, focused: value}, focused=focused)
    except Refused as refusal:
        exchange.error = str(refusal)
        return exchange
    return await _send(sandbox, AUTOCOMPLETE, user, channel, _command_data(command, path, filled, inputs), exchange)


async def send_message_command(sandbox: "Sandbox", user: User, name: str, message: Message) -> Exchange:
    """Use a message command."""
    channel = sandbox.state.channels[message.channel_id]
    exchange = Exchange(user.id, channel.id, "command", name)
    commands = usable_commands(sandbox, user, channel, MESSAGE_COMMAND)
    command = next((c for c in commands if c["name"] == name), None)
    if command is None:
        exchange.error = f"There is no message command {name!r} here; there are {[c['name'] for c in commands]}."
        return exchange
    if not _can_see(user, message.record):
        exchange.error = "This message is not there."
        return exchange
    data: Json = {
        "id": command["id"],
        "name": command["name"],
        "type": MESSAGE_COMMAND,
        "target_id": str(message.id),
        "resolved": {"messages": {str(message.id): message_payload(sandbox, message.record)}},
    }
    if command.get("guild_id"):
        data["guild_id"] = command["guild_id"]
    return await _send(sandbox, COMMAND, user, channel, data, exchange)


async def send_click(sandbox: "Sandbox", user: User, message: Message, button: str) -> Exchange:
    """Press a button."""
    found = [
        c for c in walk_components(message.components)
        if c["type"] == BUTTON and button in (c.get("custom_id"), c.get("label"))
    ]  # fmt: skip
    problem = None
    if not found:
        problem = f"There is no button {button!r}; there are {[b.label for b in message.buttons]}."
    elif found[0].get("disabled"):
        problem = f"The button {button!r} is disabled."
    elif "custom_id" not in found[0]:
        problem = f"The button {button!r} is a link."
    data = {} if problem else {"component_type": BUTTON, "custom_id": found[0]["custom_id"], "id": found[0]["id"]}
    return await _send_component(sandbox, user, message, button, data, problem)


async def send_select(sandbox: "Sandbox", user: User, message: Message, select: str, values: list[str]) -> Exchange:
    """Choose in a select menu of strings, or of users by id or name."""
    found = [
        c for c in walk_components(message.components)
        if c["type"] in (STRING_SELECT, USER_SELECT) and select in (c.get("custom_id"), c.get("placeholder"))
    ]  # fmt: skip
    if not found:
        return await _send_component(sandbox, user, message, select, {}, f"There is no select menu {select!r}.")
    menu = found[0]
    inputs = Inputs(sandbox, sandbox.state.channels[message.channel_id])
    if menu["type"] == USER_SELECT:
        values = [inputs.add_user(value) for value in values]
    offered = values if menu["type"] == USER_SELECT else [option["value"] for option in menu["options"]]
    least, most = menu.get("min_values", 1), menu.get("max_values", 1)
    problem = None
    if menu.get("disabled"):
        problem = f"The select menu {select!r} is disabled."
    elif not set(values) <= set(offered):
        problem = f"The select menu {select!r} offers {offered}, not {values}."
    elif not least <= len(values) <= most:
        problem = f"Choose {least} to {most} values, not {len(values)}."
    data: Json = {
        "component_type": menu["type"],
        "custom_id": menu["custom_id"],
        "id": menu["id"],
        "values": values,
    }
    if inputs.resolved:
        data["resolved"] = inputs.keep()
    return await _send_component(sandbox, user, message, select, data, problem)


async def _send_component(
    sandbox: "Sandbox", user: User, message: Message, name: str, data: Json, problem: str | None
) -> Exchange:
    channel = sandbox.state.channels[message.channel_id]
    exchange = Exchange(user.id, channel.id, KINDS[COMPONENT], name)
    if not _can_see(user, message.record):
        problem = "This message is not there."
    if problem:
        exchange.error = problem
        return exchange
    return await _send(sandbox, COMPONENT, user, channel, data, exchange, message.record)


async def send_modal(sandbox: "Sandbox", user: User, modal: Modal, values: dict[str, Any]) -> Exchange:
    """Fill in and send a form that the bot opened for this person."""
    opener = sandbox.interactions.by_id[modal.interaction_id]
    exchange = Exchange(user.id, opener.channel.id, KINDS[MODAL_SUBMIT], modal.title)
    if opener.user.id != user.id:
        exchange.error = "This form was opened for somebody else."
        return exchange
    try:
        inputs = Inputs(sandbox, opener.channel)
        data: Json = {"custom_id": modal.custom_id, "components": fill_form(inputs, modal, values)}
    except Refused as refusal:
        exchange.error = str(refusal)
        return exchange
    if inputs.resolved:
        data["resolved"] = inputs.keep()
    return await _send(sandbox, MODAL_SUBMIT, user, opener.channel, data, exchange, opener.source)


def post_message(sandbox: "Sandbox", user: User, channel: Channel, content: str, files: Sequence[File]) -> Message:
    """Write an ordinary message. Raises ExchangeFailed with what the client would show."""
    try:
        return sandbox.view(create_message(sandbox, channel, as_body(content, files), Origin(user.id)))
    except ApiError as error:
        too_large = error.code == 40005
        raise ExchangeFailed("Your files are too powerful" if too_large else str(error)) from error


def delete_message(sandbox: "Sandbox", user: User, message: Message) -> None:
    """Delete one's own message, dismiss an ephemeral one, or, with the permission, delete anybody's."""
    record = message.record
    channel = sandbox.state.channels[record.channel_id]
    may_manage = sandbox.state.permissions_in(user.id, channel) & permissions.MANAGE_MESSAGES
    if record.deleted or not (user.id in (record.author_id, record.ephemeral_to) or may_manage):
        raise ExchangeFailed("You cannot delete this message.")
    delete_record(sandbox, record)


async def _send(
    sandbox: "Sandbox",
    kind: int,
    user: User,
    channel: Channel,
    data: Json,
    exchange: Exchange,
    source: StoredMessage | None = None,
) -> Exchange:
    sandbox.interactions.start(kind, user, channel, data, exchange, source)
    return await exchange.answered(sandbox.interactions.acknowledge_within_s + GRACE_S)


def _command_data(command: Json, path: list[Json], filled: list[Json], inputs: Inputs) -> Json:
    """Nest the options under the subcommand (and its group), outermost last."""
    options = filled
    for step in reversed(path):
        options = [{"name": step["name"], "type": step["type"], "options": options}]
    data: Json = {"id": command["id"], "name": command["name"], "type": 1, "options": options}
    if command.get("guild_id"):
        data["guild_id"] = command["guild_id"]
    if inputs.resolved:
        data["resolved"] = inputs.keep()
    return data


def _can_see(user: User, record: StoredMessage) -> bool:
    return not record.deleted and record.ephemeral_to in (None, user.id)
