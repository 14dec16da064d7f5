"""Base models as workers last offered them, so that the bot knows their limits while no worker runs."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

import msgspec

from trainer.contract.events import BaseInfo


def remember(tx: Connection, infos: Iterable[BaseInfo], now: float) -> None:
    """Note what a worker offers."""
    for info in infos:
        tx.execute(
            "INSERT INTO bases VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET info = excluded.info, seen_at = excluded.seen_at",
            (info.name, msgspec.json.encode(info).decode(), now),
        )


def known(tx: Connection) -> list[BaseInfo]:
    """All bases ever offered, the default first: those of the community before the embedded one, then by name."""
    infos = [msgspec.json.decode(row[0], type=BaseInfo) for row in tx.execute("SELECT info FROM bases")]
    return sorted(infos, key=lambda info: (info.embedded, info.name))
