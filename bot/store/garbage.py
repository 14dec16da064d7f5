"""Blobs that nobody names any more. The same bytes are stored once, so a blob goes only when no row needs it."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from bot.store import adapters, jobs, pictures


def add(tx: Connection, blobs: Iterable[str], now: float) -> None:
    """These blobs are to be deleted when nothing needs them."""
    tx.executemany("INSERT INTO garbage VALUES (?, ?) ON CONFLICT DO NOTHING", [(blob, now) for blob in blobs])


def collectable(tx: Connection, limit: int = 500) -> list[str]:
    """Blobs that can be deleted now; those that came into use again are forgotten."""
    blobs = [row[0] for row in tx.execute("SELECT blob FROM garbage ORDER BY since LIMIT ?", (limit,))]
    named_again = adapters.blobs_in_use(tx, blobs) | pictures.blobs_in_use(tx, blobs)
    forget(tx, named_again)
    needed = {pick.blob for pick in jobs.picks_of_active(tx)}
    return [blob for blob in blobs if blob not in named_again and blob not in needed]


def forget(tx: Connection, blobs: Iterable[str]) -> None:
    """They are gone, or in use again."""
    tx.executemany("DELETE FROM garbage WHERE blob = ?", [(blob,) for blob in blobs])
