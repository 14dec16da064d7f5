"""What adapters were made of. A merge has all of its ancestors here, so that one look tells them."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection
from typing import Literal

from bot.store.records import Parent

Relation = Literal["merged", "continued", "extracted"]

_DESCENDANTS = (
    "WITH RECURSIVE found (id) AS (SELECT child_id FROM lineage WHERE parent_id = :id"
    " UNION SELECT child_id FROM lineage JOIN found ON lineage.parent_id = found.id)"
    " SELECT id FROM found WHERE id <> :id ORDER BY id"
)


def add(tx: Connection, child_id: str, parents: Iterable[Parent], relation: Relation) -> None:
    """Note what it was made of, with all that those were made of; doing it again changes nothing."""
    for parent in parents:
        _add(tx, child_id, parent, relation)
        for ancestor in parents_of(tx, parent.adapter_id):
            _add(
                tx,
                child_id,
                Parent(adapter_id=ancestor.adapter_id, owner_id=ancestor.owner_id, name=ancestor.name),
                relation,
            )


def _add(tx: Connection, child_id: str, parent: Parent, relation: Relation) -> None:
    tx.execute(
        "INSERT INTO lineage (child_id, parent_id, parent_name, parent_owner, relation, weight)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (child_id, parent.adapter_id, parent.name, parent.owner_id, relation, parent.weight),
    )


def parents_of(tx: Connection, child_id: str) -> list[Parent]:
    """What it was made of, those of them that are gone, too; ancestors have no weight."""
    rows = tx.execute(
        "SELECT parent_id AS adapter_id, parent_owner AS owner_id, parent_name AS name, weight FROM lineage"
        " WHERE child_id = ? ORDER BY weight IS NULL, weight DESC, parent_name",
        (child_id,),
    )
    return [Parent(**dict(row)) for row in rows]


def descendants(tx: Connection, adapter_id: str) -> list[str]:
    """Ids of all that was made of an adapter, directly or through others: they die with one that is taken down."""
    return [row[0] for row in tx.execute(_DESCENDANTS, {"id": adapter_id})]


def foreign_parents(tx: Connection, adapter_id: str, owner_id: int) -> list[str]:
    """Names of what is in it that belongs, or belonged, to others than its owner."""
    return [parent.name for parent in parents_of(tx, adapter_id) if parent.owner_id != owner_id]
