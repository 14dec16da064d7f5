"""REST v10: the table of routes. What a route does is in the module of its resource."""

from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.rest import channels, commands, interactions, people
from sandbox.rest.pipeline import PREFIX, Handler, Pipeline

if TYPE_CHECKING:
    from sandbox.server import Sandbox

_COMMANDS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "", commands.list_commands),
    ("PUT", "", commands.put_commands),
    ("POST", "", commands.post_command),
    ("GET", "/{command_id}", commands.get_command),
    ("PATCH", "/{command_id}", commands.patch_command),
    ("DELETE", "/{command_id}", commands.delete_command),
)

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/gateway", people.get_gateway),
    ("GET", "/gateway/bot", people.get_gateway_for_bots),
    ("GET", "/applications/@me", people.get_application),
    ("GET", "/oauth2/applications/@me", people.get_application),
    *((m, f"/applications/{{application_id}}/commands{tail}", h) for m, tail, h in _COMMANDS),
    *((m, f"/applications/{{application_id}}/guilds/{{guild_id}}/commands{tail}", h) for m, tail, h in _COMMANDS),
    ("GET", "/users/@me", people.get_self),
    ("GET", "/users/@me/guilds", people.list_own_guilds),
    ("POST", "/users/@me/channels", people.open_direct_channel),
    ("GET", "/users/{user_id}", people.get_user),
    ("GET", "/guilds/{guild_id}", people.get_guild),
    ("GET", "/guilds/{guild_id}/channels", people.list_channels),
    ("GET", "/guilds/{guild_id}/roles", people.list_roles),
    ("GET", "/guilds/{guild_id}/members/{user_id}", people.get_member),
    ("GET", "/channels/{channel_id}", channels.get_channel),
    ("POST", "/channels/{channel_id}/typing", channels.start_typing),
    ("GET", "/channels/{channel_id}/messages", channels.list_messages),
    ("POST", "/channels/{channel_id}/messages", channels.post_message),
    ("GET", "/channels/{channel_id}/messages/{message_id}", channels.get_message),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}", channels.patch_message),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}", channels.remove_message),
    ("POST", "/interactions/{interaction_id}/{token}/callback", interactions.post_callback),
    ("POST", "/webhooks/{webhook_id}/{token}", interactions.post_follow_up),
    ("GET", "/webhooks/{webhook_id}/{token}/messages/{message_id}", interactions.get_answer),
    ("PATCH", "/webhooks/{webhook_id}/{token}/messages/{message_id}", interactions.patch_answer),
    ("DELETE", "/webhooks/{webhook_id}/{token}/messages/{message_id}", interactions.delete_answer),
)
"""(method, path without the API's prefix, handler)."""


def add_routes(app: web.Application, sandbox: "Sandbox") -> None:
    """Serve the API under /api/v10; every other path below /api is refused and noted."""
    pipeline = Pipeline(sandbox)
    for method, path, handler in ROUTES:
        app.router.add_route(method, PREFIX + path, pipeline.wrap(path, handler))
    app.router.add_route("*", "/api/{rest:.*}", pipeline.refuse_unknown)
