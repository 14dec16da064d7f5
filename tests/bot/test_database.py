"""Transactions on the one connection are whole, whatever the coroutines around them do."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from bot.store import members
from bot.store.database import Database


def names_of(tx: sqlite3.Connection) -> list[str]:
    return [row[0] for row in tx.execute("SELECT name FROM members WHERE id > 0 ORDER BY id")]


async def test_one_coroutines_rollback_takes_nothing_of_anothers(database: Database) -> None:
    def fails(tx: sqlite3.Connection) -> None:
        members.remember(tx, 1, "lost", 0.0)
        raise ValueError("no")

    writes = [database.write(lambda tx, i=i: members.remember(tx, i, f"kept {i}", 0.0)) for i in (2, 3)]
    results = await asyncio.gather(writes[0], database.write(fails), writes[1], return_exceptions=True)
    assert isinstance(results[1], ValueError)
    assert await database.read(names_of) == ["kept 2", "kept 3"]


async def test_a_cancelled_caller_leaves_no_open_transaction(database: Database) -> None:
    write = asyncio.create_task(database.write(lambda tx: members.remember(tx, 1, "ada", 0.0)))
    await asyncio.sleep(0)
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    assert await database.read(names_of) == ["ada"]
    assert await database.read(lambda tx: tx.execute("SELECT 1").fetchone()[0]) == 1


async def test_the_connection_is_set_up_to_keep_what_it_accepted(database: Database) -> None:
    def pragmas(tx: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [tx.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await database.read(pragmas) == ["wal", 2, 1, 5000]


async def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        await database.write(lambda tx: tx.execute("INSERT INTO shares VALUES ('nothing', 1, 0.0)"))
