"""Everything of a member, to be handed over or deleted. Each table with a member in it stands here; a test holds it."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

import msgspec

from bot.store import sharing
from bot.store.records import Erasure
from trainer.contract.names import outcome_path

NOBODY = 0  # who has gone; what a server keeps is theirs then
GONE = "something deleted"  # what others have merged of theirs

_OWN_JOBS = "SELECT id FROM jobs WHERE owner_id = :member"
_OWN_ADAPTERS = "SELECT id FROM adapters WHERE owner_id = :member"

OWN: dict[str, str] = {  # what is theirs, by table: handed over whole, and deleted in this order
    "outbox": f"job_id IN ({_OWN_JOBS})",
    "favourites": "member_id = :member",
    "showcased": f"job_id IN ({_OWN_JOBS})",
    "pictures": "owner_id = :member",
    "likes": "member_id = :member",
    "member_shares": "member_id = :member",
    "likeness_consents": "member_id = :member",
    "versions": f"adapter_id IN ({_OWN_ADAPTERS})",
    "tags": f"adapter_id IN ({_OWN_ADAPTERS})",
    "shares": f"adapter_id IN ({_OWN_ADAPTERS})",
    "lineage": f"child_id IN ({_OWN_ADAPTERS})",
    "adapters": "owner_id = :member",
    "consents": "member_id = :member",
    "browses": "member_id = :member",
    "wildcards": "owner_id = :member AND guild_id IS NULL",
    "styles": "owner_id = :member AND guild_id IS NULL",
    "jobs": "owner_id = :member",
    "turns": "owner_id = :member",
    "members": "id = :member",
}
SERVERS: dict[str, str] = {  # what stays a server's: only who did it is forgotten, by table and column
    "wildcards": "owner_id",
    "styles": "owner_id",
    "guild_settings": "changed_by",
    "blocked_members": "blocked_by",
    "blocked_words": "added_by",
    "barred": "barred_by",
    "reports": "reporter_id",
    "takedowns": "decided_by",
}
# A server's own record that it lets somebody not use the bot, which they could else undo by leaving.
KEPT = {"blocked_members": "member_id", "erasures": "member_id"}


def ask(tx: Connection, member_id: int, now: float) -> None:
    """They want all of it deleted; asking twice changes nothing."""
    tx.execute("INSERT INTO erasures (member_id, asked_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (member_id, now))


def all_open(tx: Connection) -> list[Erasure]:
    """Those that are not done, the oldest first."""
    return [_erasure(dict(row)) for row in tx.execute("SELECT * FROM erasures ORDER BY asked_at")]


def of_member(tx: Connection, member_id: int) -> Erasure | None:
    """Theirs, if it is not done."""
    row = tx.execute("SELECT * FROM erasures WHERE member_id = ?", (member_id,)).fetchone()
    return _erasure(dict(row)) if row else None


def _erasure(fields: dict[str, object]) -> Erasure:
    for name in ("jobs", "blobs", "messages"):
        fields[name] = msgspec.json.decode(str(fields[name]))
    return msgspec.convert(fields, Erasure)


def rows_of(tx: Connection, member_id: int) -> dict[str, list[dict[str, object]]]:
    """Everything that is theirs, by table."""
    return {
        table: [dict(row) for row in tx.execute(f"SELECT * FROM {table} WHERE {where}", {"member": member_id})]
        for table, where in OWN.items()
    }


def blobs_of(tx: Connection, member_id: int) -> list[str]:
    """Their files: adapters, versions, pictures; not photos, which lie under their jobs."""
    rows = tx.execute(
        "SELECT blob FROM adapters WHERE owner_id = :member"
        f" UNION SELECT blob FROM versions WHERE adapter_id IN ({_OWN_ADAPTERS})"
        " UNION SELECT json_extract(value, '$.file.blob') FROM adapters, json_each(candidates) WHERE owner_id = :member"
        " UNION SELECT blob FROM pictures WHERE owner_id = :member",
        {"member": member_id},
    )
    return [row[0] for row in rows]


def erase(tx: Connection, member_id: int, now: float) -> Erasure | None:
    """Delete all rows of theirs, and write down what is left to do; None: nobody asked."""
    if of_member(tx, member_id) is None:
        return None
    jobs = [row[0] for row in tx.execute(_OWN_JOBS, {"member": member_id})]
    jobs += [row[0] for row in tx.execute("SELECT job_id FROM consents WHERE member_id = ?", (member_id,))]
    places = tx.execute(
        "SELECT channel_id, message_id FROM jobs WHERE owner_id = ? AND message_id IS NOT NULL AND card = 'posted'"
        " ORDER BY created_at DESC",
        (member_id,),
    )
    hung = tx.execute(
        f"SELECT channel_id, message_id FROM showcased WHERE job_id IN ({_OWN_JOBS}) AND message_id IS NOT NULL",
        {"member": member_id},
    )
    messages = [tuple(row) for row in (*places, *hung)]
    blobs = [*blobs_of(tx, member_id), *map(outcome_path, jobs)]
    for (adapter_id,) in tx.execute(
        "SELECT adapter_id FROM likeness_consents WHERE member_id = ? AND given_at IS NOT NULL", (member_id,)
    ).fetchall():
        sharing.answer(tx, adapter_id, member_id, now, agreed=False)  # their word ends, and what it allowed with it
    tx.execute(
        "UPDATE adapters SET likes = likes - 1 WHERE id IN (SELECT adapter_id FROM likes WHERE member_id = ?)",
        (member_id,),
    )
    tx.execute("UPDATE lineage SET parent_name = ?, parent_owner = ? WHERE parent_owner = ?", (GONE, NOBODY, member_id))
    own, nobody = (f'"owner_id":{each},' for each in (member_id, NOBODY))  # of a parent, in what others had merged
    tx.execute("UPDATE jobs SET spec = replace(spec, ?, ?) WHERE lane = 'merge'", (own, nobody))
    for table, column in SERVERS.items():
        if table in OWN:
            tx.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ? AND guild_id IS NOT NULL", (0, member_id))
        else:
            tx.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (NOBODY, member_id))
    tx.execute("UPDATE reports SET decided_by = ? WHERE decided_by = ?", (NOBODY, member_id))
    for table, where in OWN.items():
        tx.execute(f"DELETE FROM {table} WHERE {where}", {"member": member_id})
    # the index keeps words of deleted rows until its parts are merged
    for index in ("adapter_words", "adapter_near"):
        tx.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")
    encode = msgspec.json.encode
    tx.execute(
        "UPDATE erasures SET erased_at = ?, jobs = ?, blobs = ?, messages = ? WHERE member_id = ?",
        (now, encode(jobs).decode(), encode(blobs).decode(), encode(messages).decode(), member_id),
    )
    return of_member(tx, member_id)


def set_messages(tx: Connection, member_id: int, messages: Iterable[tuple[int, int]]) -> None:
    """The messages that are still to be deleted."""
    left = msgspec.json.encode(list(messages)).decode()
    tx.execute("UPDATE erasures SET messages = ? WHERE member_id = ?", (left, member_id))


def finish(tx: Connection, member_id: int) -> None:
    """Nothing of them is left, this row neither."""
    tx.execute("DELETE FROM erasures WHERE member_id = ?", (member_id,))
