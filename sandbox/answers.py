"""What a bot may do with an interaction: the callback, and editing, following up and deleting through its token."""

from typing import TYPE_CHECKING

from sandbox import payloads, rules
from sandbox.errors import ALREADY_ACKNOWLEDGED, UNKNOWN_MESSAGE, ApiError, Findings
from sandbox.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT, Interaction, metadata
from sandbox.messages import Body, Origin, create_message, delete_message, edit_message, number_components
from sandbox.state import EPHEMERAL, Json, StoredMessage
from sandbox.views import Modal

if TYPE_CHECKING:
    from sandbox.server import Sandbox

SAY, THINK, DEFER_UPDATE, UPDATE, SUGGEST, OPEN_MODAL = 4, 5, 6, 7, 8, 9
CHAT_INPUT_REPLY, REPLY, CONTEXT_MENU_REPLY = 20, 19, 23

ALLOWED = {
    COMMAND: {SAY, THINK, OPEN_MODAL},
    COMPONENT: {SAY, THINK, DEFER_UPDATE, UPDATE, OPEN_MODAL},
    AUTOCOMPLETE: {SUGGEST},
    MODAL_SUBMIT: {SAY, THINK},
}
"""Kind of interaction → the callback types that may answer it; a form opened from a message may update that too."""


def answer(sandbox: "Sandbox", interaction: Interaction, callback_type: int, body: Body) -> StoredMessage | None:
    """Carry out a callback. Returns the message that it created or changed, if any. Raises ApiError."""
    if interaction.callback_type is not None:
        raise ApiError(ALREADY_ACKNOWLEDGED)
    allowed = set(ALLOWED[interaction.type])
    if interaction.type == MODAL_SUBMIT and interaction.source is not None:
        allowed |= {DEFER_UPDATE, UPDATE}
    if callback_type not in allowed:
        findings = Findings()
        findings.add("type", "BASE_TYPE_CHOICES", f"Value must be one of {sorted(allowed)}.")
        findings.refuse()
    ledger, exchange = sandbox.interactions, interaction.exchange
    if callback_type == SUGGEST:
        choices = body.data.get("choices") or []
        rules.check_choices(choices)
        ledger.acknowledge(interaction, callback_type)
        exchange.choices = choices
        exchange.touch()
        return None
    if callback_type == OPEN_MODAL:
        rules.check_modal(body.data)
        ledger.acknowledge(interaction, callback_type)
        components = number_components(body.data["components"])
        exchange.modal = Modal(interaction.id, body.data["title"], body.data["custom_id"], components)
        exchange.touch()
        return None
    if callback_type in (SAY, THINK):
        return _say(sandbox, interaction, callback_type, body)
    return _update(sandbox, interaction, callback_type, body)


def _say(sandbox: "Sandbox", interaction: Interaction, callback_type: int, body: Body) -> StoredMessage:
    ephemeral = bool(int(body.data.get("flags") or 0) & EPHEMERAL)
    thinking = callback_type == THINK
    if thinking:
        body = Body({"flags": body.data.get("flags") or 0})
    from_command = interaction.type == COMMAND or interaction.source is None
    kind = CONTEXT_MENU_REPLY if interaction.data.get("type") == 3 else CHAT_INPUT_REPLY
    origin = Origin(
        author_id=sandbox.application_id,
        type=kind if from_command else REPLY,
        ephemeral_to=interaction.user.id if ephemeral else None,
        reference_id=interaction.source.id if interaction.source else None,
        interaction=metadata(interaction),
        application_id=sandbox.application_id,
        loading=thinking,
    )
    record = create_message(sandbox, interaction.channel, body, origin)
    interaction.original_id = record.id
    sandbox.interactions.acknowledge(interaction, callback_type)
    if thinking:
        interaction.exchange.ephemeral = ephemeral
        interaction.exchange.placeholder = sandbox.view(record)
        sandbox.interactions.defer(interaction)
    else:
        sandbox.interactions.show(interaction, record)
    return record


def _update(sandbox: "Sandbox", interaction: Interaction, callback_type: int, body: Body) -> StoredMessage:
    source = interaction.source
    assert source is not None  # only clicks and forms opened from a message come here
    if source.deleted:
        raise ApiError(UNKNOWN_MESSAGE)
    if callback_type == UPDATE:
        edit_message(sandbox, source, body)
    interaction.original_id = source.id
    sandbox.interactions.acknowledge(interaction, callback_type)
    if callback_type == UPDATE:
        sandbox.interactions.show(interaction, source)
    else:
        sandbox.interactions.defer(interaction)
    return source


def follow_up(sandbox: "Sandbox", interaction: Interaction, body: Body) -> StoredMessage:
    """A further message. Right after "is thinking…" it fills that in instead, as Discord does."""
    if interaction.unanswered and interaction.callback_type == THINK:
        record = find_message(sandbox, interaction, "@original")
        data = {key: value for key, value in body.data.items() if key != "flags"}
        edit_message(sandbox, record, Body(data, body.files))
        return record
    ephemeral = bool(int(body.data.get("flags") or 0) & EPHEMERAL)
    details = metadata(interaction)
    if interaction.original_id is not None:
        details["original_response_message_id"] = str(interaction.original_id)
    origin = Origin(
        author_id=sandbox.application_id,
        type=REPLY,
        ephemeral_to=interaction.user.id if ephemeral else None,
        reference_id=interaction.original_id,
        interaction=details,
        application_id=sandbox.application_id,
    )
    record = create_message(sandbox, interaction.channel, body, origin)
    if interaction.unanswered:
        sandbox.interactions.show(interaction, record)
    return record


def find_message(sandbox: "Sandbox", interaction: Interaction, which: str) -> StoredMessage:
    """The message that a token's path names: "@original" or the id of one that this token made. Raises 10008."""
    message_id = interaction.original_id if which == "@original" else int(which) if which.isdigit() else None
    record = sandbox.state.messages.get(message_id or 0)
    if record is None or record.deleted:
        raise ApiError(UNKNOWN_MESSAGE)
    made_here = record.interaction is not None and record.interaction["id"] == str(interaction.id)
    if not made_here and record.id != interaction.original_id:
        raise ApiError(UNKNOWN_MESSAGE)
    return record


def drop(sandbox: "Sandbox", interaction: Interaction, which: str) -> None:
    """Delete a message through the token."""
    delete_message(sandbox, find_message(sandbox, interaction, which))


def callback_response(sandbox: "Sandbox", interaction: Interaction, record: StoredMessage | None) -> Json:
    """The body of a callback that asked for one (`with_response=true`)."""
    about: Json = {"id": str(interaction.id), "type": interaction.type}
    response: Json = {"interaction": about}
    if record is not None:
        about |= {
            "response_message_id": str(record.id),
            "response_message_loading": record.thinking,
            "response_message_ephemeral": record.ephemeral_to is not None,
        }
        response["resource"] = {"type": interaction.callback_type, "message": payloads.message(sandbox, record)}
    return response
