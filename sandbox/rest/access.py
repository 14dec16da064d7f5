"""Finding what a path names, and whether the bot may see and change it."""

from sandbox import permissions
from sandbox.errors import (
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    UNKNOWN_CHANNEL,
    UNKNOWN_GUILD,
    UNKNOWN_MESSAGE,
    ApiError,
)
from sandbox.rest.call import Call
from sandbox.state import Channel, Guild, StoredMessage


def find_channel(call: Call, needed: int = 0) -> Channel:
    """The channel of the path. Raises ApiError 10003, 50001 when the bot cannot see it, 50013 when it may not."""
    sandbox = call.sandbox
    channel = sandbox.state.channels.get(call.snowflake("channel_id"))
    if channel is None:
        raise ApiError(UNKNOWN_CHANNEL)
    ours = sandbox.state.permissions_in(sandbox.application_id, channel)
    if not ours & permissions.VIEW_CHANNEL:
        raise ApiError(MISSING_ACCESS)
    if ours & needed != needed:
        raise ApiError(MISSING_PERMISSIONS)
    return channel


def find_guild(call: Call) -> Guild:
    """The guild of the path. Raises ApiError 10004."""
    guild = call.sandbox.state.guilds.get(call.snowflake("guild_id"))
    if guild is None:
        raise ApiError(UNKNOWN_GUILD)
    return guild


def find_message(call: Call, channel: Channel) -> StoredMessage:
    """The message of the path. Raises ApiError 10008; ephemeral ones are not there for a bot's token."""
    record = call.sandbox.state.messages.get(call.snowflake("message_id"))
    if record is None or record.deleted or record.channel_id != channel.id or record.ephemeral_to is not None:
        raise ApiError(UNKNOWN_MESSAGE)
    return record
