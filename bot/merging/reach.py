"""How far a merge may be shared: no further than what is in it of other members."""

from __future__ import annotations

from sqlite3 import Connection

from bot.errors import UserError, quoted
from bot.store import adapters, lineage
from bot.store.records import Adapter

_NOBODY = 0  # no member's id: who sees by a server's share, or because everybody does


def check_reach(tx: Connection, adapter: Adapter, guild_id: int | None) -> None:
    """Raises UserError if something in it of others is not shared with that server, or, None, with everybody.

    Whoever passes this shares no more than :data:`bot.store.adapters.VISIBLE` then shows, which asks at each use.
    """
    for parent in lineage.parents_of(tx, adapter.id):
        if parent.owner_id == adapter.owner_id or adapters.is_visible(tx, parent.adapter_id, _NOBODY, guild_id):
            continue
        if adapters.get(tx, parent.adapter_id) is None:
            raise UserError(
                f"{quoted(adapter.name)} is made of what somebody else has deleted, so it stays yours alone: merge anew"
                " without it."
            )
        where = "with everybody" if guild_id is None else "with this server"
        raise UserError(
            f"{quoted(adapter.name)} is made of {parent.name.partition('@')[0]}, which is not shared {where}: ask its"
            " owner to share it first, or merge without it."
        )
