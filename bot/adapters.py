"""Adapters as members know them: by name, their own and those shared with them."""

from __future__ import annotations

import difflib
import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from sqlite3 import Connection

from bot import lifecycle, versions
from bot.errors import UserError, quoted
from bot.store import adapters, finding, jobs
from bot.store.database import Database
from bot.store.records import Adapter
from trainer.contract.requests import Recipe

LONGEST_NAME = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_COMPARED = 100  # how many names an unknown one is compared with, besides those that are nearly it


def check_name(name: str) -> str:
    """The name in the form it is stored (lower case). Raises UserError that proposes a name which would do."""
    folded = name.strip().lower()
    if _NAME.fullmatch(folded):
        return folded
    plain = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    proposal = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[:LONGEST_NAME].strip("-_") or "my-subject"
    raise UserError(
        f"{quoted(name)} can't be a name: take 1 to {LONGEST_NAME} of the letters a to z, digits, `-` and `_`,"
        f" for example `{proposal}`."
    )


def check_free(tx: Connection, owner_id: int, name: str, *, adapter_id: str | None = None) -> None:
    """Raises UserError if the member has an adapter of this name other than ``adapter_id``, or one in training."""
    proposal, own = _next_free(tx, owner_id, name), adapters.own(tx, owner_id, name)
    if own is not None and own.id != adapter_id:
        raise UserError(
            f"You have an adapter `{name}` already: take another name, for example `{proposal}`, or delete that one"
            f" first with `/adapter delete name:{name}`."
        )
    _check_not_in_training(tx, owner_id, name)


def check_trainable(tx: Connection, owner_id: int, name: str, *, continues: str | None) -> None:
    """Raises UserError: a training of that name is under way, or what ``continues`` an adapter would replace another.

    A training anew under a name that the member has makes its next version.
    """
    if continues is not None:
        check_free(tx, owner_id, name, adapter_id=continues)
    _check_not_in_training(tx, owner_id, name)


def _check_not_in_training(tx: Connection, owner_id: int, name: str) -> None:
    if jobs.training_of_name(tx, owner_id, name) is not None:
        raise UserError(
            f"A training of yours for `{name}` is under way: take another name, for example"
            f" `{_next_free(tx, owner_id, name)}`, or stop that one first with `/cancel`."
        )


def _next_free(tx: Connection, owner_id: int, name: str) -> str:
    for number in range(2, 1000):
        proposal = f"{name[: LONGEST_NAME - 4]}-{number}"
        if adapters.own(tx, owner_id, proposal) is None and jobs.training_of_name(tx, owner_id, proposal) is None:
            return proposal
    return f"{name[:20]}-again"


class Adapters:
    """The service behind ``/adapter`` and the ``<lora:…>`` tags. What one sees is `bot.store.adapters.VISIBLE`.

    ``written`` is a name as a member writes it: ``thnos``, or ``ada/thnos`` for another member's. An unknown one raises
    UserError with the nearest names that the viewer can see. Names are matched without regard to case.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_delete: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``on_delete`` is called when photos may be due that were kept for an adapter."""
        self._database = database
        self._on_delete = on_delete
        self._clock = clock

    async def resolve(self, written: str, *, viewer_id: int, guild_id: int | None) -> Adapter:
        """The adapter meant: the viewer's own, else one shared with them or here, else one that everybody has.

        ``ada/thnos`` says whose.

        ``thnos@1`` is another version than the newest.

        Raises UserError: unknown, no such version, or several members share one of that name.
        """
        return await self._database.read(lambda tx: _resolve(tx, written, viewer_id, guild_id))

    async def recipe(self, adapter: Adapter) -> Recipe:
        """How its training was asked for."""
        job = await self._database.read(lambda tx: jobs.get(tx, adapter.job_id))
        return Recipe() if job is None or job.lane != "train" else job.train.recipe

    async def of_triggers(self, words: Sequence[str], *, viewer_id: int, guild_id: int | None) -> list[Adapter]:
        """The textual inversions that these bare words mean: own ones, else those that were shared last; one a word."""
        if not words:
            return []
        found = await self._database.read(lambda tx: adapters.of_triggers(tx, words, viewer_id, guild_id))
        meant = {adapter.trigger: adapter for adapter in reversed(found)}
        return [meant[word] for word in dict.fromkeys(words) if word in meant]

    async def by_id(self, adapter_id: str, *, viewer_id: int, guild_id: int | None) -> Adapter:
        """The adapter, by the opaque id of a button or an autocomplete choice; what the viewer may not see is unknown.

        Raises UserError.
        """

        return await self._database.read(lambda tx: require_visible(tx, adapter_id, viewer_id, guild_id))

    async def own(self, adapter_id: str, *, owner_id: int) -> Adapter:
        """The member's own adapter, by the id of a button. Raises UserError: gone, or somebody else's."""

        def find(tx: Connection) -> Adapter:
            return require_own(tx, adapter_id, owner_id)

        return await self._database.read(find)

    async def of_training(self, job_id: str) -> Adapter | None:
        """The adapter that this training made last; None when it is gone, or has learned on since."""
        return await self._database.read(lambda tx: adapters.of_job(tx, job_id))

    async def choose(self, job_id: str, place: int, *, owner_id: int) -> Adapter:
        """Put another version in the place of the adapter that this training made; ``place`` among its candidates.

        Choosing the same again changes nothing. Raises UserError: gone, somebody else's, or the day is over.
        """

        def change(tx: Connection) -> Adapter:
            job = jobs.get(tx, job_id)
            adapter = require_own(tx, job.train.adapter_id if job is not None and job.lane == "train" else "", owner_id)
            if adapter.job_id != job_id:
                raise UserError(f"{quoted(adapter.name)} has learned on since: choose under its newest card.")
            now, until = self._clock(), adapter.choose_until or 0.0
            if now >= until or not 0 <= place < len(adapter.candidates):
                raise UserError(
                    f"The other versions of {quoted(adapter.name)} are deleted, for they are kept a day: to have"
                    " another one, train again."
                )
            return lifecycle.choose_candidate(tx, adapter, place, until)

        return await self._database.write(change)

    async def own_of_name(self, written: str, *, owner_id: int, guild_id: int | None) -> Adapter:
        """The member's own adapter of that name. Raises UserError."""
        return await self._database.read(lambda tx: _own(tx, written, owner_id, guild_id))

    async def complete(self, typed: str, *, viewer_id: int, guild_id: int | None, limit: int = 25) -> list[Adapter]:
        """For autocomplete: what the viewer may mean by ``typed``, the beginning of a name or owner/name, own first."""
        return await self._database.read(lambda tx: finding.complete(tx, typed, viewer_id, guild_id, limit))

    async def visible(self, *, viewer_id: int, guild_id: int | None, limit: int = 100) -> list[Adapter]:
        """What the viewer can use: their own, the newest first, then what is used most."""
        return await self._database.read(lambda tx: finding.complete(tx, "", viewer_id, guild_id, limit))

    async def delete(self, written: str, *, owner_id: int) -> Adapter:
        """Delete one's own adapter, its file, and at once the photos that were kept for it.

        Jobs that a worker has begun with it are finished. Raises UserError.
        """

        def change(tx: Connection) -> Adapter:
            adapter = _own(tx, written, owner_id, None)
            lifecycle.throw_away_adapter(tx, adapter, self._clock())
            return adapter

        deleted = await self._database.write(change)
        self._on_delete()
        return deleted


def require(tx: Connection, adapter_id: str) -> Adapter:
    """The adapter, whoever's it is. Raises UserError if it is gone."""
    adapter = adapters.get(tx, adapter_id)
    if adapter is None:
        raise UserError("That adapter was deleted: `/adapter list` shows what you can use.")
    return adapter


def require_own(tx: Connection, adapter_id: str, owner_id: int) -> Adapter:
    """The member's own adapter. Raises UserError: gone, or somebody else's."""
    adapter = require(tx, adapter_id)
    if adapter.owner_id != owner_id:
        raise UserError(f"{quoted(adapter.name)} belongs to {adapter.owner_name}: only they can do that.")
    return adapter


def require_visible(tx: Connection, adapter_id: str, viewer_id: int, guild_id: int | None) -> Adapter:
    """The adapter, if the viewer can use it. Raises UserError, which says whom to ask."""
    adapter = require(tx, adapter_id)
    if not adapters.is_visible(tx, adapter_id, viewer_id, guild_id):
        if adapter.owner_id == viewer_id:
            raise UserError(_taken_back(adapter))
        raise UserError(
            f"{quoted(adapter.name)} is {adapter.owner_name}'s, who does not share it here: ask them for"
            " `/adapter share`, or see with `/adapter list` what you can use."
        )
    return adapter


def _taken_back(adapter: Adapter) -> str:
    return (
        f"{quoted(adapter.name)} has somebody's likeness in it that was taken back from you, so it draws nothing: ask"
        " for that to be shared with you again, or delete it."
    )


def _resolve(tx: Connection, written: str, viewer_id: int, guild_id: int | None) -> Adapter:
    bare, number = versions.split_version(written)
    return versions.find(tx, _resolve_name(tx, bare, viewer_id, guild_id), number)


def _resolve_name(tx: Connection, written: str, viewer_id: int, guild_id: int | None) -> Adapter:
    owner, slash, name = written.strip().lower().rpartition("/")
    own = adapters.own(tx, viewer_id, name)
    if own is not None and (not slash or own.owner_name.lower() == owner):
        return require_visible(tx, own.id, viewer_id, guild_id)
    found = adapters.of_name(tx, name, viewer_id, guild_id, owner if slash else None)
    if not found:
        raise UserError(_unknown(tx, written, viewer_id, guild_id))
    if len({adapter.owner_id for adapter in found}) > 1:
        choices = ", ".join(f"`{adapter.owner_name}/{adapter.name}`" for adapter in found[:5])
        raise UserError(f"Several members share an adapter {quoted(written)}: say whose you mean, {choices}.")
    return found[0]


def _own(tx: Connection, written: str, owner_id: int, guild_id: int | None) -> Adapter:
    """The member's own adapter, for what only owners may do. Raises UserError."""
    owner, slash, name = written.strip().lower().rpartition("/")
    own = adapters.own(tx, owner_id, name)
    if own is not None and (not slash or own.owner_name.lower() == owner):
        return own
    theirs = adapters.of_name(tx, name, owner_id, guild_id, owner if slash else None)
    if theirs:
        raise UserError(
            f"{quoted(written)} belongs to {theirs[0].owner_name}: only they can share, unshare or delete it."
        )
    mine = [adapter.name for adapter in adapters.owned(tx, owner_id, _COMPARED)]
    raise UserError(f"You have no adapter {quoted(written)}. {_nearest(name, mine)}")


def _unknown(tx: Connection, written: str, viewer_id: int, guild_id: int | None) -> str:
    name = written.strip().lower()
    usable = finding.near(tx, name.rpartition("/")[2], viewer_id, guild_id, _COMPARED)
    usable += finding.complete(tx, "", viewer_id, guild_id, _COMPARED)
    names = [adapter.name_for(viewer_id) for adapter in usable]
    return f"There is no adapter {quoted(written)} that you can use. {_nearest(name, names)}"


def _nearest(typed: str, names: list[str]) -> str:
    """The way out: the names that look most like what was typed, else all there are, else how to make one."""
    if not names:
        return "Train one with `/train`."
    by_name = {name.rpartition("/")[2]: name for name in reversed(names)} | {name: name for name in names}
    near = difflib.get_close_matches(typed, by_name, n=5, cutoff=0.5)
    unique = list(dict.fromkeys(by_name[name] for name in near))[:3]
    if unique:
        return f"Did you mean {' or '.join(f'`{name}`' for name in unique)}?"
    return f"You can use {', '.join(f'`{name}`' for name in names[:5])}{' and others' if len(names) > 5 else ''}."
