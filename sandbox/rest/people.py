"""The bot itself, other users, guilds, members and direct channels."""

from sandbox import payloads
from sandbox.errors import UNKNOWN_MEMBER, UNKNOWN_USER, ApiError
from sandbox.rest.access import find_guild
from sandbox.rest.call import Call, Reply


async def get_self(call: Call) -> Reply:
    """GET /users/@me."""
    return Reply(payloads.own_user(call.sandbox.state.users[call.sandbox.application_id]))


async def get_user(call: Call) -> Reply:
    """GET /users/{user_id}."""
    user = call.sandbox.state.users.get(call.snowflake("user_id"))
    if user is None:
        raise ApiError(UNKNOWN_USER)
    return Reply(payloads.user(user))


async def list_own_guilds(call: Call) -> Reply:
    """GET /users/@me/guilds."""
    state = call.sandbox.state
    ours = call.sandbox.application_id
    return Reply(
        [
            {
                "id": str(g.id),
                "name": g.name,
                "icon": None,
                "banner": None,
                "owner": False,
                "permissions": str(state.guild_permissions(ours, g)),
                "features": [],
            }
            for g in state.guilds.values()
        ]
    )


async def open_direct_channel(call: Call) -> Reply:
    """POST /users/@me/channels."""
    recipient = str(call.document.get("recipient_id", ""))
    if not recipient.isdigit() or int(recipient) not in call.sandbox.state.users:
        raise ApiError(UNKNOWN_USER)
    return Reply(payloads.channel(call.sandbox, call.sandbox.state.direct_channel(int(recipient))))


async def get_application(call: Call) -> Reply:
    """GET /applications/@me and /oauth2/applications/@me."""
    return Reply(payloads.application(call.sandbox))


async def get_gateway(call: Call) -> Reply:
    """GET /gateway."""
    return Reply({"url": call.sandbox.gateway_url})


async def get_gateway_for_bots(call: Call) -> Reply:
    """GET /gateway/bot."""
    limit = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
    return Reply({"url": call.sandbox.gateway_url, "shards": 1, "session_start_limit": limit})


async def get_guild(call: Call) -> Reply:
    """GET /guilds/{guild_id}."""
    return Reply(payloads.guild(call.sandbox, find_guild(call)))


async def list_channels(call: Call) -> Reply:
    """GET /guilds/{guild_id}/channels."""
    guild = find_guild(call)
    channels = [c for c in call.sandbox.state.channels.values() if c.guild_id == guild.id]
    return Reply([payloads.channel(call.sandbox, c) for c in channels])


async def list_roles(call: Call) -> Reply:
    """GET /guilds/{guild_id}/roles."""
    return Reply([payloads.role(r) for r in find_guild(call).roles.values()])


async def get_member(call: Call) -> Reply:
    """GET /guilds/{guild_id}/members/{user_id}."""
    guild = find_guild(call)
    user_id = call.snowflake("user_id")
    if user_id not in guild.members:
        raise ApiError(UNKNOWN_MEMBER)
    return Reply(payloads.member(call.sandbox, guild, call.sandbox.state.users[user_id]))
