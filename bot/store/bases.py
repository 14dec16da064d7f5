"""Base models as workers last offered them, so that the bot knows their limits while no worker runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from sqlite3 import Connection

import msgspec

from trainer.contract.events import BaseInfo

FRESH_S = 600.0  # how long after the last sighting of any base another one counts as offered still
KEPT_S = 7 * 24 * 3600.0


def remember(tx: Connection, infos: Iterable[BaseInfo], now: float) -> None:
    """Note what workers offer, and forget what none has offered for a week."""
    tx.execute("DELETE FROM bases WHERE seen_at < ?", (now - KEPT_S,))
    for info in infos:
        tx.execute(
            "INSERT INTO bases VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET info = excluded.info, seen_at = excluded.seen_at",
            (info.name, msgspec.json.encode(info).decode(), now),
        )


def known(tx: Connection) -> list[BaseInfo]:
    """All bases of the last week, the default first.

    Those that are offered still come before those that are not, the community's before the embedded one, then by name.
    """
    rows = tx.execute("SELECT info, seen_at < (SELECT MAX(seen_at) FROM bases) - ? FROM bases", (FRESH_S,))
    found = []
    for info, is_old in rows:
        with suppress(msgspec.ValidationError):  # of a version before or after this one: a worker says it anew
            found.append((msgspec.json.decode(info, type=BaseInfo), is_old))
    return [info for info, _ in sorted(found, key=lambda pair: (pair[1], pair[0].embedded, pair[0].name))]


def count_adapters(tx: Connection) -> dict[str, int]:
    """How many adapters members have for each base, whole models left out; kept by triggers."""
    return {row[0]: row[1] for row in tx.execute("SELECT base, adapters FROM base_counts")}
