"""Gateway intents: which events a session hears, and what is blanked without the message content intent."""

from sandbox.state import Json

GUILDS = 1 << 0
MEMBERS = 1 << 1
PRESENCES = 1 << 8
GUILD_MESSAGES = 1 << 9
DIRECT_MESSAGES = 1 << 12
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = MEMBERS | PRESENCES | MESSAGE_CONTENT
VALID = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))

MESSAGE_EVENTS = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE")


def visible_part(event: str, data: Json, intents: int, application_id: str) -> Json | None:
    """The part of an event that a session with these intents gets; None for nothing."""
    if event == "GUILD_CREATE":
        return data if intents & GUILDS else None
    if event not in MESSAGE_EVENTS:
        return data
    in_guild = "guild_id" in data
    if not intents & (GUILD_MESSAGES if in_guild else DIRECT_MESSAGES):
        return None
    if event == "MESSAGE_DELETE" or not in_guild or intents & MESSAGE_CONTENT:
        return data
    mentioned = any(user["id"] == application_id for user in data["mentions"])
    if data["author"]["id"] == application_id or mentioned:
        return data
    return data | {"content": "", "embeds": [], "attachments": [], "components": []}
