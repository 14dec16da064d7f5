"""A copy of the database: how it is made, and which files it names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection


def copy_into(connection: Connection, target: Path) -> None:
    """Copy the whole database into a new file, as of now (https://www.sqlite.org/backup.html)."""
    with closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, that is read without leaving others beside it


def blobs_named(connection: Connection) -> list[str]:
    """Paths of all files that adapters, their versions, what may still be chosen, and pictures are."""
    rows = connection.execute(
        "SELECT blob FROM adapters UNION SELECT blob FROM versions UNION SELECT blob FROM pictures"
        " UNION SELECT json_extract(value, '$.file.blob') FROM adapters, json_each(candidates)"
        " WHERE choose_until IS NOT NULL ORDER BY 1"
    )
    return [row[0] for row in rows]
