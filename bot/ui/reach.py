"""How far an adapter reaches, in words."""

from __future__ import annotations

from bot.store.records import Adapter


def who_can_use(adapter: Adapter, guild_id: int | None) -> str:
    """Exactly who, told to its owner in that server or, None, in a direct message."""
    if adapter.hidden_at is not None:
        return "Only you can use it until moderators have decided, for it was reported."
    if adapter.public_at is not None:
        words = "Everybody can use it, on every server that this bot is on and in direct messages"
        if guild_id in adapter.barred:
            words += ", but not on this one, where moderators took it back"
        elif adapter.barred:
            words += f", but for {len(adapter.barred)} where moderators took it back"
        return f"{words}.{_merged(adapter)}"
    servers = set(adapter.shared_with) if adapter.likeness != "other" or adapter.agreed_at is not None else set()
    groups = ["everybody on this server"] if guild_id in servers else []
    if elsewhere := len(servers - {guild_id}):
        other = " other" if guild_id in servers else ""
        groups.append(f"everybody on {elsewhere}{other} server" + ("" if elsewhere == 1 else "s"))
    if adapter.named:
        groups.append(", ".join(f"<@{member_id}>" for member_id in adapter.named) + " anywhere")
    if not groups:
        return "Only you can use it."
    return f"You can use it, and so can {' and '.join(groups)}.{_merged(adapter)}"


def _merged(adapter: Adapter) -> str:
    return " What is in it of others has to be shared with them, too." if adapter.origin == "merged" else ""


def shared_how(adapter: Adapter, viewer_id: int, guild_id: int | None) -> str:
    """Why somebody else than its owner can use it there: the nearest reason."""
    if guild_id in adapter.shared_with and (adapter.likeness != "other" or adapter.agreed_at is not None):
        return "Shared with this server"
    return "Shared with you" if viewer_id in adapter.named else "Shared with everyone"
