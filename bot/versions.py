"""Versions of an adapter: what each training made under its name. One is in use; the others are kept as they were.

All of it within a transaction of the caller.
"""

from __future__ import annotations

import re
from sqlite3 import Connection

import msgspec

from bot.errors import UserError, quoted
from bot.likeness import strictest
from bot.store import adapters, garbage, sharing, versions
from bot.store.records import Adapter
from trainer.contract.names import outcome_path

DELETED_AFTER_S = 24 * 3600.0  # jobs that were accepted with it still find the file
_VERSION = re.compile(r"(?P<name>.*)@(?P<number>\d{1,4})", re.DOTALL)
# what is of an adapter whichever version is in use
_OF_ALL = (
    "id", "owner_id", "owner_name", "guild_id", "name", "description", "credit", "commercial", "derivatives",
    "cover_job", "cover_position", "uses", "likes", "agreed_at", "public_at", "hidden_at", "shared_with", "named",
    "barred",
)  # fmt: skip


def split_version(written: str) -> tuple[str, int | None]:
    """``ada/thnos@2`` is version 2 of ``ada/thnos``; no name has an ``@``."""
    match = _VERSION.fullmatch(written.strip())
    return (written, None) if match is None else (match["name"], int(match["number"]))


def put_in_place(before: Adapter, after: Adapter) -> Adapter:
    """Another version as the adapter in use: whose it is, what it is called and who may use it stay.

    It may become the likeness of a real person, or for adults, and never the other way round.
    """
    return msgspec.structs.replace(
        after,
        likeness=strictest([before.likeness, after.likeness]),
        age_restricted=before.age_restricted or after.age_restricted,
        **{name: getattr(before, name) for name in _OF_ALL},
    )


def add(tx: Connection, before: Adapter, after: Adapter, now: float) -> None:
    """A training has made ``after`` of an adapter: it is in use from now on, and ``before`` is kept."""
    older = versions.of_adapter(tx, before.id)
    newest = max([before.version, *(each.version for each in older)])
    _keep(tx, before, now)
    _use(tx, before, msgspec.structs.replace(after, version=newest + 1))


def known(tx: Connection, adapter_id: str, job_id: str) -> bool:
    """Whether what that training made is among the versions that are kept."""
    return any(each.job_id == job_id for each in versions.of_adapter(tx, adapter_id))


def find(tx: Connection, adapter: Adapter, number: int | None) -> Adapter:
    """That version of an adapter; the one in use for None. Raises UserError, which names those that there are."""
    if number is None or number == adapter.version:
        return adapter
    found = versions.get(tx, adapter.id, number)
    if found is None:
        there = sorted([adapter.version, *(each.version for each in versions.of_adapter(tx, adapter.id))])
        name = quoted(adapter.name)
        others = ", ".join(f"`@{each}`" for each in there)
        raise UserError(
            f"There is no version {number} of {name}: there is {others}; without one, the one in use is meant."
        )
    return put_in_place(adapter, found)


def use(tx: Connection, adapter: Adapter, number: int, now: float) -> Adapter:
    """Put a version that is kept in use; the one that was is kept instead. Raises UserError."""
    wanted = find(tx, adapter, number)
    if wanted is adapter:
        return adapter
    versions.delete(tx, adapter.id, number)
    _keep(tx, adapter, now)
    _use(tx, adapter, wanted)
    return adapters.get(tx, adapter.id) or wanted


def delete(tx: Connection, version: Adapter, now: float) -> None:
    """A version that is not in use, for good."""
    versions.delete(tx, version.id, version.version)
    garbage.add(tx, [version.blob], now + DELETED_AFTER_S)


def trim(tx: Connection, most: int, now: float) -> list[Adapter]:
    """Delete the oldest of those that have more than so many besides the one in use."""
    gone = versions.beyond(tx, most)
    for each in gone:
        delete(tx, each, now)
    return gone


def _keep(tx: Connection, adapter: Adapter, now: float) -> None:
    """As it is, without what can still be chosen instead, which is deleted when its day is over."""
    versions.put(tx, msgspec.structs.replace(adapter, candidates=(), chosen=0, choose_until=None), now)
    garbage.add(tx, [outcome_path(adapter.job_id)], now + DELETED_AFTER_S)


def _use(tx: Connection, before: Adapter, after: Adapter) -> None:
    placed = put_in_place(before, after)
    adapters.update(tx, placed)
    if placed.likeness != before.likeness:  # it is no longer what was shared
        sharing.take_back(tx, placed.id)
