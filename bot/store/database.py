"""The one connection to SQLite.

Up to SQLite 3.51.2 two connections in WAL mode can corrupt a database, so there is one, in one process. A transaction
that stretched over an ``await`` would swallow what another coroutine writes on the same connection, so each is one
function that runs from BEGIN to COMMIT on the database's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite

from bot.errors import StartupFault
from bot.store import snapshots
from bot.store.migrate import migrate

T = TypeVar("T")


class Database:
    """Runs functions of a :class:`sqlite3.Connection` on the database's thread, one after the other."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``function`` in one write transaction; what it raises rolls all of it back.

        A caller that is cancelled while it waits does not stop the transaction: it is done, or not, as a whole.
        """
        return await self._run(lambda connection: _transaction(connection, "BEGIN IMMEDIATE", function))

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``function`` on one consistent state of the database."""
        return await self._run(lambda connection: _transaction(connection, "BEGIN", function))

    async def copy_into(self, target: Path) -> None:
        """Copy the database into a new file. Other calls wait meanwhile: about a second for 300 MB."""
        await self._run(lambda connection: snapshots.copy_into(connection, target))

    async def truncate_log(self) -> None:
        """Empty the write-ahead log, in which what was deleted would else be found for a while."""
        await self._run(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        # aiosqlite's public calls are one statement each; a whole transaction on its thread has this entrance alone
        connection = cast(Any, self._connection)
        return cast(T, await connection._execute(lambda: function(connection._conn)))


def _transaction(connection: sqlite3.Connection, begin: str, function: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute(begin)
    try:
        result = function(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # an accepted job survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    connection.execute(
        "PRAGMA cache_size = -131072"
    )  # KiB, where there is so much; a large library's indexes are read all over
    migrate(connection)


async def open_database(path: Path | str) -> Database:
    """Open the database and bring it to the newest version. Raises StartupFault."""
    try:
        connection = await aiosqlite.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise StartupFault(f"The database {str(path)!r} can't be opened: {error}.") from error
    database = Database(connection)
    try:
        await database._run(_prepare)
    except sqlite3.Error as error:
        await database.close()
        raise StartupFault(f"The database {str(path)!r} can't be used: {error}.") from error
    except BaseException:
        await database.close()
        raise
    return database
