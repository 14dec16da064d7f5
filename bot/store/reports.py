"""Reports of adapters and pictures, what moderators decided, and files that may not come back."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

import msgspec

from bot.store.records import Decision, Report

_COLUMNS = (
    "id, guild_id, reporter_id, adapter_id, job_id, reason, created_at, decision, decided_by, decided_at, message_id"
)


def _report(fields: dict[str, object]) -> Report:
    return msgspec.convert(fields, Report)


def insert(tx: Connection, report: Report) -> Report:
    """Enter a report; its id is given by the database."""
    columns = ("guild_id", "reporter_id", "adapter_id", "job_id", "reason", "created_at")
    marks = ", ".join("?" * len(columns))
    row = tx.execute(
        f"INSERT INTO reports ({', '.join(columns)}) VALUES ({marks})",
        [getattr(report, column) for column in columns],
    )
    return msgspec.structs.replace(report, id=int(row.lastrowid or 0))


def get(tx: Connection, report_id: int) -> Report | None:
    """The report, or None."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM reports WHERE id = ?", (report_id,)).fetchone()
    return _report(dict(row)) if row else None


def waiting(tx: Connection, guild_id: int, limit: int) -> list[Report]:
    """Those that a server's moderators have not decided, the oldest first."""
    where = "guild_id = ? AND decision IS NULL ORDER BY created_at, id LIMIT ?"
    rows = tx.execute(f"SELECT {_COLUMNS} FROM reports WHERE {where}", (guild_id, limit))
    return [_report(dict(row)) for row in rows]


def of_same(tx: Connection, report: Report) -> list[Report]:
    """All reports of the same thing on the same server."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM reports WHERE guild_id = ? AND adapter_id IS ? AND job_id IS ? ORDER BY id",
        (report.guild_id, report.adapter_id, report.job_id),
    )
    return [_report(dict(row)) for row in rows]


def decide(tx: Connection, report: Report, decision: Decision, moderator_id: int, now: float) -> None:
    """Decide this report and every other of the same thing that is open."""
    tx.execute(
        "UPDATE reports SET decision = ?, decided_by = ?, decided_at = ? WHERE guild_id = ? AND adapter_id IS ?"
        " AND job_id IS ? AND decision IS NULL",
        (decision, moderator_id, now, report.guild_id, report.adapter_id, report.job_id),
    )


def hide_adapter(tx: Connection, adapter_id: str, since: float | None) -> None:
    """Hide it from all but its owner, or show it again (None)."""
    tx.execute("UPDATE adapters SET hidden_at = ? WHERE id = ?", (since, adapter_id))


def hide_pictures(tx: Connection, job_id: str, since: float | None) -> None:
    """Hide a job's pictures from everybody, or show them again (None)."""
    tx.execute("UPDATE pictures SET hidden_at = ? WHERE job_id = ?", (since, job_id))


def same_files(tx: Connection, adapter_ids: Iterable[str]) -> list[str]:
    """Ids of all adapters, also of other members, that are the same files as these or one of their versions."""
    ids = msgspec.json.encode(list(adapter_ids)).decode()
    rows = tx.execute(
        "WITH named (id) AS (SELECT value FROM json_each(:ids)), files (blob) AS ("
        " SELECT blob FROM adapters WHERE id IN named UNION SELECT blob FROM versions WHERE adapter_id IN named)"
        " SELECT id FROM adapters WHERE blob IN files UNION SELECT adapter_id FROM versions WHERE blob IN files"
        " UNION SELECT id FROM named WHERE id IN (SELECT id FROM adapters)",
        {"ids": ids},
    )
    return [row[0] for row in rows]


def forbid_files(
    tx: Connection, adapter_id: str, guild_id: int, moderator_id: int, now: float, *, everywhere: bool
) -> None:
    """The files of an adapter and of its versions may not come back to that server, or to any."""
    tx.execute(
        "INSERT INTO takedowns SELECT blob, ?, ?, ?, ? FROM (SELECT blob FROM adapters WHERE id = ?"
        " UNION SELECT blob FROM versions WHERE adapter_id = ?) WHERE true ON CONFLICT DO NOTHING",
        (guild_id, int(everywhere), moderator_id, now, adapter_id, adapter_id),
    )


def is_forbidden(tx: Connection, blob: str, guild_id: int | None) -> bool:
    """Whether that file was taken down, everywhere or on that server."""
    where = "blob = ? AND (everywhere = 1 OR guild_id IS ?)"
    return tx.execute(f"SELECT 1 FROM takedowns WHERE {where}", (blob, guild_id)).fetchone() is not None
