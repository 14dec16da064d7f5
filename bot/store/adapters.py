"""Adapters, and who may use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Connection, Row

import msgspec

from bot.store.records import Adapter
from trainer.contract.adapter_headers import AdapterIdentity
from trainer.contract.events import Candidate

_SELECT = (
    "SELECT adapters.*, members.name AS owner_name,"
    " (SELECT group_concat(guild_id) FROM shares WHERE shares.adapter_id = adapters.id) AS shared,"
    " (SELECT group_concat(member_id) FROM member_shares WHERE member_shares.adapter_id = adapters.id) AS named,"
    " (SELECT group_concat(guild_id) FROM barred WHERE barred.adapter_id = adapters.id) AS barred_from,"
    " (SELECT finished_at + 86400.0 * keep_photos_days FROM jobs WHERE jobs.id = adapters.job_id"
    " AND state = 'succeeded' AND photos_deleted_at IS NULL) AS photos_kept_until"
    " FROM adapters JOIN members ON members.id = adapters.owner_id"
)
_FLAGS = ("credit", "commercial", "derivatives", "age_restricted")

# Who may use an adapter: `:viewer`, who acts in the server `:guild` (NULL in a direct message). All that shows or
# uses adapters asks this, and nothing else decides it. The parts stand for themselves, so that a search may take each
# by an index of its own: what is not the viewer's own is SHOWN, and NAMED, HERE or PUBLIC.
OWN = "adapters.owner_id = :viewer"
NAMED = (
    "EXISTS (SELECT 1 FROM member_shares"
    " WHERE member_shares.member_id = :viewer AND member_shares.adapter_id = adapters.id)"
)
HERE = (
    "((adapters.likeness <> 'other' OR adapters.agreed_at IS NOT NULL) AND EXISTS (SELECT 1 FROM shares"
    " WHERE shares.guild_id = :guild AND shares.adapter_id = adapters.id))"
)
PUBLIC = (
    "(adapters.public_at IS NOT NULL AND adapters.likeness = 'none' AND NOT EXISTS (SELECT 1 FROM barred"
    " WHERE barred.guild_id = :guild AND barred.adapter_id = adapters.id))"  # moderators took it back from there
)
_UNREPORTED = "adapters.hidden_at IS NULL"  # what was reported is its owner's alone
_SEEN = f"({OWN} OR ({_UNREPORTED} AND ({NAMED} OR {HERE} OR {PUBLIC})))"


def _of_parents(condition: str, of_any: str = "FALSE") -> str:
    """Whether the condition on `parents` holds for none of what is in an adapter and belongs to others.

    ``of_any``: what holds for nothing that is in it, whosever it is.
    """
    return (
        "NOT EXISTS (SELECT 1 FROM lineage LEFT JOIN adapters AS parents ON parents.id = lineage.parent_id"
        f" WHERE lineage.child_id = adapters.id AND ({of_any}"
        f" OR (lineage.parent_owner <> adapters.owner_id AND ({condition}))))"
    )


_PARENT_SEEN = _SEEN.replace("adapters.", "parents.")
# what is made of others is shown no further than they are; what they have deleted is shown to nobody any more, and
# neither is what was made of something that was reported
SHOWN = "({} AND {})".format(
    _UNREPORTED,
    _of_parents(f"parents.id IS NULL OR NOT {_PARENT_SEEN}", of_any="parents.hidden_at IS NOT NULL"),
)
# and the likeness of somebody that was taken back from whoever made it, here and where it was made, is taken back in it
_KEPT = "(adapters.likeness = 'none' OR {})".format(
    _of_parents(
        "parents.id IS NULL OR (parents.likeness <> 'none'"
        f" AND NOT {_PARENT_SEEN} AND NOT {_PARENT_SEEN.replace(':guild', 'adapters.guild_id')})"
    )
)
VISIBLE = f"(({OWN} AND {_KEPT}) OR ({SHOWN} AND ({NAMED} OR {HERE} OR {PUBLIC})))"


def _adapter(row: Row) -> Adapter:
    fields = dict(row)
    shared, named, barred = (_ids(fields.pop(name)) for name in ("shared", "named", "barred_from"))
    fields["candidates"] = msgspec.json.decode(fields["candidates"], type=tuple[Candidate, ...])
    fields["trigger_words"] = msgspec.json.decode(fields["trigger_words"], type=tuple[str, ...])
    if fields["identity"] is not None:
        fields["identity"] = msgspec.json.decode(fields["identity"], type=AdapterIdentity)
    for flag in _FLAGS:
        fields[flag] = bool(fields[flag])
    del fields["number"]
    return Adapter(**fields, shared_with=shared, named=named, barred=barred)


def _ids(joined: str | None) -> tuple[int, ...]:
    return tuple(int(each) for each in joined.split(",")) if joined else ()


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
    del fields["shared_with"], fields["named"], fields["barred"], fields["owner_name"], fields["photos_kept_until"]
    fields["candidates"] = msgspec.json.encode(adapter.candidates).decode()
    fields["trigger_words"] = msgspec.json.encode(adapter.trigger_words).decode()
    if adapter.identity is not None:
        fields["identity"] = msgspec.json.encode(adapter.identity).decode()
    return fields


def get(tx: Connection, adapter_id: str) -> Adapter | None:
    """The adapter, or None."""
    found = _all(tx, "adapters.id = :id", {"id": adapter_id})
    return found[0] if found else None


def count_checkpoints(tx: Connection, owner_id: int) -> int:
    """How many files of whole models the member has: each is of gigabytes, and so is each older version."""
    return int(
        tx.execute(
            "SELECT (SELECT COUNT(*) FROM adapters WHERE owner_id = :owner AND kind = 'checkpoint') + (SELECT COUNT(*)"
            " FROM versions JOIN adapters ON adapters.id = versions.adapter_id WHERE adapters.owner_id = :owner"
            " AND json_extract(versions.adapter, '$.kind') = 'checkpoint')",
            {"owner": owner_id},
        ).fetchone()[0]
    )


def of_job(tx: Connection, job_id: str) -> Adapter | None:
    """The adapter that is this training's last word, or None."""
    found = _all(tx, "adapters.job_id = :job", {"job": job_id})
    return found[0] if found else None


def own(tx: Connection, owner_id: int, name: str) -> Adapter | None:
    """The member's own adapter of that name, or None."""
    found = _all(tx, "adapters.owner_id = :owner AND adapters.name = :name", {"owner": owner_id, "name": name})
    return found[0] if found else None


def of_name(
    tx: Connection, name: str, viewer_id: int, guild_id: int | None, owner_name: str | None = None
) -> list[Adapter]:
    """Other members' adapters of that name, oldest first; only those of ``owner_name`` if given.

    What is shared with the viewer or with their server goes before what everybody has: else anybody could take a name
    that a server uses.
    """
    values = {"name": name, "viewer": viewer_id, "guild": guild_id, "owner": owner_name}
    where = (
        f"adapters.name = :name AND NOT {OWN} AND {SHOWN} AND (:owner IS NULL OR members.name = :owner)"
        " AND {} ORDER BY adapters.created_at"
    )
    return _all(tx, where.format(f"({NAMED} OR {HERE})"), values) or _all(tx, where.format(PUBLIC), values)


def of_triggers(tx: Connection, triggers: Sequence[str], viewer_id: int, guild_id: int | None) -> list[Adapter]:
    """Textual inversions that bare words mean: own first, then what was shared with viewer or server most recently.

    Not what everybody has, for then anybody could give a word another meaning everywhere.
    """
    shared_at = (
        "max(ifnull((SELECT shared_at FROM shares WHERE guild_id = :guild AND adapter_id = adapters.id), 0),"
        " ifnull((SELECT shared_at FROM member_shares WHERE member_id = :viewer AND adapter_id = adapters.id), 0))"
    )
    seen = f"(({OWN} AND {_KEPT}) OR ({SHOWN} AND ({NAMED} OR {HERE})))"
    where = f"kind = 'textual_inversion' AND trigger IN (SELECT value FROM json_each(:triggers)) AND {seen}"
    values = {"triggers": msgspec.json.encode(triggers).decode(), "viewer": viewer_id, "guild": guild_id}
    return _all(tx, f"{where} ORDER BY adapters.owner_id <> :viewer, {shared_at} DESC, adapters.id", values)


def owned(tx: Connection, owner_id: int, limit: int) -> list[Adapter]:
    """The member's own, the newest first."""
    values = {"owner": owner_id, "limit": limit}
    return _all(tx, "adapters.owner_id = :owner ORDER BY created_at DESC LIMIT :limit", values)


def is_visible(tx: Connection, adapter_id: str, viewer_id: int, guild_id: int | None) -> bool:
    """Whether the viewer can use it."""
    values = {"id": adapter_id, "viewer": viewer_id, "guild": guild_id}
    return tx.execute(f"SELECT 1 FROM adapters WHERE id = :id AND {VISIBLE}", values).fetchone() is not None


def of_numbers(tx: Connection, numbers: Sequence[int], viewer_id: int, guild_id: int | None) -> dict[int, Adapter]:
    """The adapters of these rows that the viewer can use."""
    values = {"numbers": msgspec.json.encode(numbers).decode(), "viewer": viewer_id, "guild": guild_id}
    where = f"adapters.number IN (SELECT value FROM json_each(:numbers)) AND {VISIBLE}"
    return {row["number"]: _adapter(row) for row in tx.execute(f"{_SELECT} WHERE {where}", values)}


def usable_of(tx: Connection, numbers: Sequence[int], viewer_id: int, guild_id: int | None) -> set[int]:
    """Those of these rows that the viewer can use."""
    rows = tx.execute(
        f"SELECT number FROM adapters WHERE number IN (SELECT value FROM json_each(:numbers)) AND {VISIBLE}",
        {"numbers": msgspec.json.encode(numbers).decode(), "viewer": viewer_id, "guild": guild_id},
    )
    return {row[0] for row in rows}


def delete(tx: Connection, adapter_id: str) -> None:
    """Delete the row and its shares; the file is the caller's to throw away."""
    tx.execute("DELETE FROM adapters WHERE id = ?", (adapter_id,))


def blobs_in_use(tx: Connection, blobs: Sequence[str]) -> set[str]:
    """Those of ``blobs`` that some adapter still is."""
    every = msgspec.json.encode(blobs).decode()
    return {
        row[0]
        for row in tx.execute("SELECT blob FROM adapters WHERE blob IN (SELECT value FROM json_each(?))", (every,))
    }


def candidate_blobs(tx: Connection, now: float) -> set[str]:
    """The files of versions that can still be chosen."""
    rows = tx.execute(
        "SELECT json_extract(value, '$.file.blob') FROM adapters, json_each(candidates) WHERE choose_until > ?", (now,)
    )
    return {str(row[0]) for row in rows}
