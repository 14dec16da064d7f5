"""Consents: what members stated about the photos that they sent."""

from __future__ import annotations

from sqlite3 import Connection, Row

import msgspec

from bot.store.records import Consent


def add(tx: Connection, consent: Consent) -> None:
    """Store a consent; the first one for a job stands."""
    tx.execute(
        "INSERT INTO consents (job_id, member_id, guild_id, name, kind, likeness, statement, given_at)"
        " VALUES (:job_id, :member_id, :guild_id, :name, :kind, :likeness, :statement, :given_at)"
        " ON CONFLICT (job_id) DO NOTHING",
        msgspec.structs.asdict(consent),
    )


def get(tx: Connection, job_id: str) -> Consent | None:
    """The consent that came with a job, or None."""
    row = tx.execute("SELECT * FROM consents WHERE job_id = ?", (job_id,)).fetchone()
    return _consent(row) if row else None


def _consent(row: Row) -> Consent:
    return Consent(**dict(row))
