"""Application commands: registering, reading and removing them, for everybody or for one guild."""

from typing import Any

from sandbox.command_rules import check_commands
from sandbox.errors import INVALID_JSON, UNKNOWN_COMMAND, ApiError
from sandbox.feed import Change
from sandbox.rest.access import find_guild
from sandbox.rest.call import NOTHING, Call, Reply
from sandbox.state import Json

DEFAULTS: Json = {
    "description": "",
    "default_member_permissions": None,
    "nsfw": False,
    "name_localizations": None,
    "description_localizations": None,
}


def _scope(call: Call) -> int | None:
    return find_guild(call).id if "guild_id" in call.parameters else None


def _complete(call: Call, given: Json, guild_id: int | None, existing: list[Json]) -> Json:
    kind = given.get("type") or 1
    same = next((c for c in existing if (c["name"], c["type"]) == (given["name"], kind)), None)
    command = DEFAULTS | {key: value for key, value in given.items() if key != "id"}
    command |= {
        "id": same["id"] if same else str(call.sandbox.state.next_id()),
        "application_id": str(call.sandbox.application_id),
        "type": kind,
        "version": str(call.sandbox.state.next_id()),
    }
    if command["default_member_permissions"] is not None:
        command["default_member_permissions"] = str(command["default_member_permissions"])
    if guild_id is None:
        command = {"dm_permission": True, "contexts": None, "integration_types": [0]} | command
    else:
        command["guild_id"] = str(guild_id)
    return same if same and same == command | {"version": same["version"]} else command


def _store(call: Call, guild_id: int | None, commands: list[Json]) -> None:
    call.sandbox.state.commands[guild_id] = commands
    call.sandbox.feed.publish(Change("commands", {}))


async def list_commands(call: Call) -> Reply:
    """GET …/commands."""
    return Reply(call.sandbox.state.commands.get(_scope(call), []))


async def put_commands(call: Call) -> Reply:
    """PUT …/commands: replace them all; those of the same name and type keep their ids."""
    given: Any = call.body
    if not isinstance(given, list):
        raise ApiError(INVALID_JSON)
    guild_id = _scope(call)
    check_commands(given)
    existing = call.sandbox.state.commands.get(guild_id, [])
    commands = [_complete(call, command, guild_id, existing) for command in given]
    _store(call, guild_id, commands)
    return Reply(commands)


async def post_command(call: Call) -> Reply:
    """POST …/commands: add one, or replace the one of that name and type."""
    guild_id = _scope(call)
    existing = call.sandbox.state.commands.get(guild_id, [])
    command = _complete(call, call.document, guild_id, existing)
    others = [c for c in existing if c["id"] != command["id"]]
    check_commands([*others, command])
    _store(call, guild_id, [*others, command])
    return Reply(command, 200 if len(others) < len(existing) else 201)


async def get_command(call: Call) -> Reply:
    """GET …/commands/{command_id}."""
    return Reply(_find(call, _scope(call)))


async def patch_command(call: Call) -> Reply:
    """PATCH …/commands/{command_id}."""
    guild_id = _scope(call)
    old = _find(call, guild_id)
    command = old | call.document | {"version": str(call.sandbox.state.next_id())}
    commands = [command if c is old else c for c in call.sandbox.state.commands[guild_id]]
    check_commands(commands)
    _store(call, guild_id, commands)
    return Reply(command)


async def delete_command(call: Call) -> Reply:
    """DELETE …/commands/{command_id}."""
    guild_id = _scope(call)
    old = _find(call, guild_id)
    _store(call, guild_id, [c for c in call.sandbox.state.commands[guild_id] if c is not old])
    return NOTHING


def _find(call: Call, guild_id: int | None) -> Json:
    for command in call.sandbox.state.commands.get(guild_id, []):
        if command["id"] == call.parameters["command_id"]:
            return command
    raise ApiError(UNKNOWN_COMMAND)
