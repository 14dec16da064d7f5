"""Versions of adapters that are not the one in use: as they were, with their files."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec

from bot.store.records import Adapter


def put(tx: Connection, adapter: Adapter, now: float) -> None:
    """Keep an adapter as it is, as the version that it is; with whom it is shared is no version's to say."""
    adapter = msgspec.structs.replace(adapter, shared_with=(), named=(), barred=())
    tx.execute(
        "INSERT INTO versions VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (adapter.id, adapter.version, adapter.blob, msgspec.json.encode(adapter).decode(), now),
    )


def of_adapter(tx: Connection, adapter_id: str) -> list[Adapter]:
    """All that are kept, the newest first, as they were."""
    rows = tx.execute("SELECT adapter FROM versions WHERE adapter_id = ? ORDER BY number DESC", (adapter_id,))
    return [msgspec.json.decode(row[0], type=Adapter) for row in rows]


def get(tx: Connection, adapter_id: str, number: int) -> Adapter | None:
    """That version as it was, or None."""
    row = tx.execute(
        "SELECT adapter FROM versions WHERE adapter_id = ? AND number = ?", (adapter_id, number)
    ).fetchone()  # fmt: skip
    return None if row is None else msgspec.json.decode(row[0], type=Adapter)


def delete(tx: Connection, adapter_id: str, number: int) -> None:
    """The row; the file is the caller's to throw away."""
    tx.execute("DELETE FROM versions WHERE adapter_id = ? AND number = ?", (adapter_id, number))


def blobs_in_use(tx: Connection, blobs: Sequence[str]) -> set[str]:
    """Those of ``blobs`` that some version is."""
    every = msgspec.json.encode(blobs).decode()
    return {
        row[0]
        for row in tx.execute("SELECT blob FROM versions WHERE blob IN (SELECT value FROM json_each(?))", (every,))
    }


def beyond(tx: Connection, most: int) -> list[Adapter]:
    """The oldest of adapters that have more than so many."""
    rows = tx.execute(
        "SELECT adapter FROM (SELECT adapter, row_number() OVER (PARTITION BY adapter_id ORDER BY number DESC) AS place"
        " FROM versions) WHERE place > ?",
        (most,),
    )
    return [msgspec.json.decode(row[0], type=Adapter) for row in rows]
