"""Adapters and with whom they are shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Connection, Row

import msgspec

from bot.store.records import Adapter
from trainer.contract.events import Candidate

_SELECT = (
    "SELECT adapters.*, members.name AS owner_name,"
    " (SELECT group_concat(guild_id) FROM shares WHERE shares.adapter_id = adapters.id) AS shared,"
    " (SELECT finished_at + 86400.0 * keep_photos_days FROM jobs WHERE jobs.id = adapters.job_id"
    " AND state = 'succeeded' AND photos_deleted_at IS NULL) AS photos_kept_until"
    " FROM adapters JOIN members ON members.id = adapters.owner_id"
)
_FLAGS = ("credit", "commercial", "derivatives", "age_restricted")
# a viewer sees their own, and what is shared with the guild they are in (NULL in a direct message: nothing)
_SHARED = "EXISTS (SELECT 1 FROM shares WHERE shares.guild_id = :guild AND shares.adapter_id = adapters.id)"
_VISIBLE = f"(adapters.owner_id = :viewer OR {_SHARED})"
_ORDER = "ORDER BY adapters.owner_id <> :viewer, adapters.created_at DESC, adapters.id"


def _adapter(row: Row) -> Adapter:
    fields = dict(row)
    shared = fields.pop("shared")
    fields["candidates"] = msgspec.json.decode(fields["candidates"], type=tuple[Candidate, ...])
    fields["trigger_words"] = msgspec.json.decode(fields["trigger_words"], type=tuple[str, ...])
    for flag in _FLAGS:
        fields[flag] = bool(fields[flag])
    return Adapter(**fields, shared_with=tuple(int(guild) for guild in shared.split(",")) if shared else ())


def _all(tx: Connection, where: str, values: Mapping[str, object]) -> list[Adapter]:
    return [_adapter(row) for row in tx.execute(f"{_SELECT} WHERE {where}", values)]


def insert(tx: Connection, adapter: Adapter) -> bool:
    """Insert an adapter; whether it is new. One of the same training that is there already stays as it is."""
    fields = _fields(adapter)
    marks = ", ".join(f":{key}" for key in fields)
    sql = f"INSERT INTO adapters ({', '.join(fields)}) VALUES ({marks}) ON CONFLICT (job_id) DO NOTHING"
    return tx.execute(sql, fields).rowcount > 0


def update(tx: Connection, adapter: Adapter) -> None:
    """Put another version in an adapter's place; its shares stay."""
    fields = _fields(adapter)
    changes = ", ".join(f"{key} = :{key}" for key in fields if key != "id")
    tx.execute(f"UPDATE adapters SET {changes} WHERE id = :id", fields)


def _fields(adapter: Adapter) -> dict[str, object]:
    fields = msgspec.structs.asdict(adapter)
    del fields["shared_with"], fields["owner_name"], fields["photos_kept_until"]
    fields["candidates"] = msgspec.json.encode(adapter.candidates).decode()
    fields["trigger_words"] = msgspec.json.encode(adapter.trigger_words).decode()
    return fields


def get(tx: Connection, adapter_id: str) -> Adapter | None:
    """The adapter, or None."""
    found = _all(tx, "adapters.id = :id", {"id": adapter_id})
    return found[0] if found else None


def of_job(tx: Connection, job_id: str) -> Adapter | None:
    """The adapter that is this training's last word, or None."""
    found = _all(tx, "adapters.job_id = :job", {"job": job_id})
    return found[0] if found else None


def own(tx: Connection, owner_id: int, name: str) -> Adapter | None:
    """The member's own adapter of that name, or None."""
    found = _all(tx, "adapters.owner_id = :owner AND adapters.name = :name", {"owner": owner_id, "name": name})
    return found[0] if found else None


def shared_of_name(tx: Connection, name: str, guild_id: int | None, owner_name: str | None = None) -> list[Adapter]:
    """Adapters of that name that are shared with the guild, oldest first; only those of ``owner_name`` if given."""
    where = f"adapters.name = :name AND {_SHARED} AND (:owner IS NULL OR members.name = :owner)"
    values = {"name": name, "guild": guild_id, "owner": owner_name}
    return _all(tx, f"{where} ORDER BY adapters.created_at", values)


def of_triggers(tx: Connection, triggers: Sequence[str], viewer_id: int, guild_id: int | None) -> list[Adapter]:
    """Textual inversions that the viewer can use, by trigger word: own first, then what was shared most recently."""
    shared_at = "(SELECT shared_at FROM shares WHERE shares.guild_id = :guild AND shares.adapter_id = adapters.id)"
    where = f"kind = 'textual_inversion' AND trigger IN (SELECT value FROM json_each(:triggers)) AND {_VISIBLE}"
    values = {"triggers": msgspec.json.encode(triggers).decode(), "viewer": viewer_id, "guild": guild_id}
    return _all(tx, f"{where} ORDER BY adapters.owner_id <> :viewer, {shared_at} DESC, adapters.id", values)


def visible(tx: Connection, viewer_id: int, guild_id: int | None, limit: int) -> list[Adapter]:
    """What the viewer can use: own first, newest first."""
    values = {"viewer": viewer_id, "guild": guild_id, "limit": limit}
    return _all(tx, f"{_VISIBLE} {_ORDER} LIMIT :limit", values)


def is_visible(tx: Connection, adapter_id: str, viewer_id: int, guild_id: int | None) -> bool:
    """Whether the viewer can use it."""
    values = {"id": adapter_id, "viewer": viewer_id, "guild": guild_id}
    return tx.execute(f"SELECT 1 FROM adapters WHERE id = :id AND {_VISIBLE}", values).fetchone() is not None


def complete(tx: Connection, typed: str, viewer_id: int, guild_id: int | None, limit: int) -> list[Adapter]:
    """Visible adapters whose name, or ``owner/name``, begins with ``typed``; own first."""
    owner, slash, name = typed.rpartition("/")
    values = {"viewer": viewer_id, "guild": guild_id, "limit": limit, "owner": owner if slash else None}
    values |= {"from": name, "to": name + "\U0010ffff"}  # a range on the name's index instead of LIKE
    where = (
        f"{_VISIBLE} AND adapters.name >= :from AND adapters.name < :to AND (:owner IS NULL OR members.name = :owner)"
    )
    return _all(tx, f"{where} {_ORDER} LIMIT :limit", values)


def share(tx: Connection, adapter_id: str, guild_id: int, now: float) -> None:
    """Share with a guild; doing it twice changes nothing."""
    tx.execute("INSERT INTO shares VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (adapter_id, guild_id, now))


def unshare(tx: Connection, adapter_id: str, guild_id: int) -> None:
    """Take back from a guild."""
    tx.execute("DELETE FROM shares WHERE adapter_id = ? AND guild_id = ?", (adapter_id, guild_id))


def delete(tx: Connection, adapter_id: str) -> None:
    """Delete the row and its shares; the file is the caller's to throw away."""
    tx.execute("DELETE FROM adapters WHERE id = ?", (adapter_id,))


def blobs_in_use(tx: Connection, blobs: Sequence[str]) -> set[str]:
    """Those of ``blobs`` that some adapter still is."""
    marks = ",".join("?" * len(blobs))
    return {row[0] for row in tx.execute(f"SELECT blob FROM adapters WHERE blob IN ({marks})", tuple(blobs))}


def candidate_blobs(tx: Connection, now: float) -> set[str]:
    """The files of versions that can still be chosen."""
    rows = tx.execute(
        "SELECT json_extract(value, '$.file.blob') FROM adapters, json_each(candidates) WHERE choose_until > ?", (now,)
    )
    return {str(row[0]) for row in rows}
