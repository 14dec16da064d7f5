"""Blobs that nobody names any more. The same bytes are stored once, so a blob goes only when no row needs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from bot.store import adapters, jobs, pictures, versions


def add(tx: Connection, blobs: Iterable[str], due_at: float) -> None:
    """These blobs are to be deleted from then on, when nothing needs them; the earliest time stands."""
    tx.executemany(
        "INSERT INTO garbage VALUES (?, ?) ON CONFLICT DO UPDATE SET due_at = MIN(due_at, excluded.due_at)",
        [(blob, due_at) for blob in blobs],
    )


def collectable(tx: Connection, now: float, limit: int = 500) -> list[str]:
    """Blobs that can be deleted now; those that came into use again are forgotten."""
    rows = tx.execute("SELECT blob FROM garbage WHERE due_at <= ? ORDER BY due_at LIMIT ?", (now, limit))
    blobs = [row[0] for row in rows]
    named_again = _named(tx, blobs)
    forget(tx, named_again)
    needed = _needed(tx, now)
    return [blob for blob in blobs if blob not in named_again and blob not in needed]


def unnamed(tx: Connection, blobs: Sequence[str], now: float) -> list[str]:
    """Those of ``blobs`` that no row is and nothing needs, whoever's it is."""
    kept = _named(tx, blobs) | _needed(tx, now)
    return [blob for blob in blobs if blob not in kept]


def _named(tx: Connection, blobs: Sequence[str]) -> set[str]:
    return adapters.blobs_in_use(tx, blobs) | versions.blobs_in_use(tx, blobs) | pictures.blobs_in_use(tx, blobs)


def _needed(tx: Connection, now: float) -> set[str]:
    return jobs.blobs_of_active(tx) | adapters.candidate_blobs(tx, now)


def forget(tx: Connection, blobs: Iterable[str]) -> None:
    """They are gone, or in use again."""
    tx.executemany("DELETE FROM garbage WHERE blob = ?", [(blob,) for blob in blobs])
