"""Migrations: numbered SQL files, forward only, each in one transaction with its version number."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources

from bot.errors import StartupFault

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


def find_migrations() -> list[tuple[int, str]]:
    """(number, SQL) of every migration, in order. Raises ValueError for a gap or a name that is not understood."""
    found: list[tuple[int, str]] = []
    for file in sorted(resources.files("migrations").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(file.name)
        if match is None or int(match[1]) != len(found) + 1:
            raise ValueError(f"migrations/{file.name} must be called {len(found) + 1:04}_what_changes.sql")
        found.append((int(match[1]), file.read_text(encoding="utf-8")))
    return found


def split_statements(script: str) -> list[str]:
    """The statements of a script. ``executescript`` commits first and leaves half a migration on an error."""
    statements: list[str] = []
    current = ""
    for part in re.split("(?<=;)", script):
        current += part
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    if re.sub(r"--[^\n]*", "", current).strip():
        raise ValueError(f"a migration ends within a statement: {current.strip()[:60]!r}")
    return statements


def migrate(connection: sqlite3.Connection, migrations: list[tuple[int, str]] | None = None) -> int:
    """Bring the database to the newest version and return it. An error leaves the version before untouched.

    Raises StartupFault when the database is newer than this program.
    """
    migrations = find_migrations() if migrations is None else migrations
    current = int(connection.execute("PRAGMA user_version").fetchone()[0])
    newest = migrations[-1][0] if migrations else 0
    if current > newest:
        raise StartupFault(
            f"The database is of version {current}, and this Darkroom knows versions up to {newest}:"
            " install the newer Darkroom that wrote it, or restore a backup."
        )
    for number, script in migrations:
        if number <= current:
            continue
        _apply(connection, number, script)
    return newest


def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
    """One migration, whole or not at all.

    A table is made anew by dropping it, which would take the rows that refer to it: foreign keys are off meanwhile, as
    https://www.sqlite.org/lang_altertable.html#otheralter prescribes, and checked before the end.
    """
    enforced = int(connection.execute("PRAGMA foreign_keys").fetchone()[0])
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in split_statements(script):
            connection.execute(statement)
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise sqlite3.IntegrityError(
                f"migration {number} leaves rows of {broken[0]} that refer to none of {broken[2]}"
            )
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute(f"PRAGMA foreign_keys = {enforced}")
