"""Channels and their messages, with the bot's token."""

from sandbox import payloads, permissions
from sandbox.errors import (
    EMPTY_MESSAGE,
    MISSING_PERMISSIONS,
    NOT_THE_AUTHOR,
    OLD_MESSAGE_EDITS,
    UNKNOWN_MESSAGE,
    ApiError,
)
from sandbox.feed import Change
from sandbox.messages import Body, Origin, create_message, delete_message, edit_message
from sandbox.rest.access import find_channel, find_message
from sandbox.rest.call import NOTHING, Call, Reply
from sandbox.state import StoredMessage

NONCE_LIFETIME_S = 300
OLD_S = 3600
OLD_EDITS = 3
"""Edits of messages older than an hour that a channel takes in an hour. Discord does not publish its figure."""

REPLY = 19


async def get_channel(call: Call) -> Reply:
    """GET /channels/{channel_id}."""
    return Reply(payloads.channel(call.sandbox, find_channel(call)))


async def list_messages(call: Call) -> Reply:
    """GET /channels/{channel_id}/messages with limit, before, after and around; newest first."""
    channel = find_channel(call, permissions.READ_MESSAGE_HISTORY)
    found = call.sandbox.state.channel_messages(channel.id)
    limit = min(100, max(1, int(call.query.get("limit", 50))))
    if "before" in call.query:
        found = [m for m in found if m.id < int(call.query["before"])]
    if "after" in call.query:
        found = [m for m in found if m.id > int(call.query["after"])][:limit]
    if "around" in call.query:
        middle = int(call.query["around"])
        found = sorted(sorted(found, key=lambda m: abs(m.id - middle))[:limit], key=lambda m: m.id)
    return Reply([payloads.message(call.sandbox, m) for m in reversed(found[-limit:])])


async def get_message(call: Call) -> Reply:
    """GET /channels/{channel_id}/messages/{message_id}."""
    channel = find_channel(call, permissions.READ_MESSAGE_HISTORY)
    return Reply(payloads.message(call.sandbox, find_message(call, channel)))


async def post_message(call: Call) -> Reply:
    """POST /channels/{channel_id}/messages. With enforce_nonce a repeat gives the message that is there already."""
    sandbox = call.sandbox
    body = call.message_body
    channel = find_channel(call, permissions.SEND_MESSAGES)
    if body.files and not sandbox.state.permissions_in(sandbox.application_id, channel) & permissions.ATTACH_FILES:
        raise ApiError(MISSING_PERMISSIONS)
    nonce = body.data.get("nonce")
    if nonce is not None and body.data.get("enforce_nonce"):
        repeated = _find_by_nonce(call, channel.message_ids, nonce)
        if repeated is not None:
            return Reply(payloads.message(sandbox, repeated))
    reference = body.data.get("message_reference")
    target = _check_reference(call, channel.id, reference) if reference else None
    origin = Origin(sandbox.application_id, REPLY if target else 0, reference_id=target)
    return Reply(payloads.message(sandbox, create_message(sandbox, channel, body, origin)))


def _find_by_nonce(call: Call, message_ids: list[int], nonce: str | int) -> StoredMessage | None:
    state = call.sandbox.state
    for message_id in reversed(message_ids):
        record = state.messages[message_id]
        if call.sandbox.clock() - record.created_at > NONCE_LIFETIME_S:
            return None
        if record.nonce == nonce and record.author_id == call.sandbox.application_id:
            if record.deleted:
                raise ApiError(UNKNOWN_MESSAGE)
            return record
    return None


def _check_reference(call: Call, channel_id: int, reference: dict[str, str]) -> int | None:
    target = call.sandbox.state.messages.get(int(reference["message_id"]))
    if target is None or target.deleted or target.channel_id != channel_id:
        if reference.get("fail_if_not_exists", True):
            raise ApiError(
                (400, 50035, "Invalid Form Body"),
                {"message_reference": {"_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]}},
            )
        return None
    return target.id


async def patch_message(call: Call) -> Reply:
    """PATCH /channels/{channel_id}/messages/{message_id}: one's own, also one that answers an interaction."""
    sandbox = call.sandbox
    body: Body = call.message_body
    record = find_message(call, find_channel(call))
    if record.author_id != sandbox.application_id:
        raise ApiError(NOT_THE_AUTHOR)
    _count_old_edit(call, record)
    if not body.data and not body.files:
        raise ApiError(EMPTY_MESSAGE)
    edit_message(sandbox, record, body)
    return Reply(payloads.message(sandbox, record))


def _count_old_edit(call: Call, record: StoredMessage) -> None:
    now = call.sandbox.clock()
    if now - record.created_at <= OLD_S:
        return
    edits = call.sandbox.old_edits.setdefault(record.channel_id, [])
    edits[:] = [at for at in edits if now - at < OLD_S]
    if len(edits) >= OLD_EDITS:
        raise ApiError(OLD_MESSAGE_EDITS)
    edits.append(now)


async def remove_message(call: Call) -> Reply:
    """DELETE /channels/{channel_id}/messages/{message_id}: one's own, or anybody's with the permission."""
    sandbox = call.sandbox
    channel = find_channel(call)
    record = find_message(call, channel)
    ours = sandbox.state.permissions_in(sandbox.application_id, channel)
    if record.author_id != sandbox.application_id and not ours & permissions.MANAGE_MESSAGES:
        raise ApiError(MISSING_PERMISSIONS)
    delete_message(sandbox, record)
    return NOTHING


async def start_typing(call: Call) -> Reply:
    """POST /channels/{channel_id}/typing."""
    channel = find_channel(call, permissions.SEND_MESSAGES)
    data = {"channel_id": str(channel.id), "user_id": str(call.sandbox.application_id)}
    call.sandbox.feed.publish(Change("typing", data))
    return NOTHING
