"""An adapter's page: what is shown of it, and what its owner and those who like it do with it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

import msgspec

from bot import versions
from bot.adapters import check_free, check_name, require_own, require_visible
from bot.decency.minors import check_words
from bot.errors import UserError, quoted
from bot.rules import check_texts
from bot.store import adapters, jobs, library, lineage
from bot.store import versions as kept
from bot.store.database import Database
from bot.store.records import Adapter, Parent, Picture
from trainer.contract.requests import Recipe

MOST_EXAMPLES = 10
MOST_TAGS = 10
LONGEST_TAG = 24
LONGEST_DESCRIPTION = 1_000
MOST_TRIGGER_WORDS = 10
LONGEST_TRIGGER_WORDS = 200
_TAG = re.compile(r"[a-z0-9][a-z0-9 _-]*")


@dataclass(frozen=True)
class AdapterPage:
    """All that is shown of an adapter to somebody."""

    adapter: Adapter
    recipe: Recipe | None  # of a training
    tags: tuple[str, ...]
    cover: Picture | None
    examples: tuple[Picture, ...]  # that they may see, the newest first
    parents: tuple[Parent, ...]
    liked: bool
    others: tuple[Adapter, ...]  # versions besides the one in use, the newest first


@dataclass(frozen=True)
class PageText:
    """What an owner writes on the page, as it stands in the form."""

    description: str = ""
    tags: str = ""  # with commas between
    trigger_words: str = ""  # likewise
    licence: frozenset[str] = frozenset()  # of LICENCE


LICENCE = {
    "credit": "Its maker is to be named",
    "commercial": "Pictures may be sold",
    "derivatives": "It may be merged",
}


class Library:
    """The service behind ``/adapter show`` and the buttons on the page; each asks anew who may. All raise UserError."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def page(self, adapter_id: str, *, viewer_id: int, guild_id: int | None) -> AdapterPage:
        """The page as this viewer sees it in that server."""

        def find(tx: Connection) -> AdapterPage:
            adapter = require_visible(tx, adapter_id, viewer_id, guild_id)
            examples = tuple(library.examples(tx, adapter.id, viewer_id, guild_id, MOST_EXAMPLES))
            job = jobs.get(tx, adapter.job_id)
            return AdapterPage(
                adapter=adapter,
                recipe=job.train.recipe if job is not None and job.lane == "train" else None,
                tags=library.tags(tx, adapter.id),
                cover=chosen_cover(tx, adapter) or next(iter(examples), None),
                examples=examples,
                parents=tuple(lineage.parents_of(tx, adapter.id)),
                liked=library.likes(tx, adapter.id, viewer_id),
                others=tuple(kept.of_adapter(tx, adapter.id)),
            )

        return await self._database.read(find)

    async def like(self, adapter_id: str, *, viewer_id: int, guild_id: int | None) -> bool:
        """Like it, or no longer; whether the viewer does now."""

        def change(tx: Connection) -> bool:
            require_visible(tx, adapter_id, viewer_id, guild_id)
            return library.toggle_like(tx, adapter_id, viewer_id, self._clock())

        return await self._database.write(change)

    async def edit(self, adapter_id: str, text: PageText, *, owner_id: int, guild_id: int | None) -> Adapter:
        """Write on one's own page; what the server does not want said stays out."""
        tags, words = read_tags(text.tags), read_trigger_words(text.trigger_words)
        description = text.description.strip()
        if len(description) > LONGEST_DESCRIPTION:
            raise UserError(
                f"The description has {len(description):,} characters: {LONGEST_DESCRIPTION:,} are the most."
            )

        def change(tx: Connection) -> Adapter:
            adapter = require_own(tx, adapter_id, owner_id)
            check_words((adapter.name, adapter.class_word, description, *tags, *words))
            check_texts(tx, guild_id, (description, *tags, *words))
            flags = {flag: flag in text.licence for flag in LICENCE}
            if adapter.origin != "trained":  # what it came from had its own terms, which nobody widens
                flags = {
                    "credit": adapter.credit or flags["credit"],
                    "commercial": adapter.commercial and flags["commercial"],
                    "derivatives": adapter.derivatives and flags["derivatives"],
                }
            changed = msgspec.structs.replace(adapter, description=description, trigger_words=words, **flags)
            adapters.update(tx, changed)
            library.set_tags(tx, adapter.id, tags)
            return changed

        return await self._database.write(change)

    async def rename(self, adapter_id: str, name: str, *, owner_id: int, guild_id: int | None) -> Adapter:
        """Call one's own adapter otherwise; prompts find it by the new name alone."""
        name = check_name(name)

        def change(tx: Connection) -> Adapter:
            adapter = require_own(tx, adapter_id, owner_id)
            check_words((name, adapter.class_word, adapter.description, *adapter.trigger_words))
            check_texts(tx, guild_id, (name,))
            if name != adapter.name:
                check_free(tx, owner_id, name)
            if jobs.training_of_name(tx, owner_id, adapter.name) is not None:
                raise UserError(
                    f"A training of yours for {quoted(adapter.name)} is under way: rename it when that is over."
                )
            changed = msgspec.structs.replace(adapter, name=name)
            adapters.update(tx, changed)
            return changed

        return await self._database.write(change)

    async def set_cover(self, adapter_id: str, job_id: str, position: int, *, owner_id: int) -> Adapter:
        """Put one of the owner's own examples on the page, for all who see it."""

        def change(tx: Connection) -> Adapter:
            adapter = require_own(tx, adapter_id, owner_id)
            picture = library.picture(tx, job_id, position)
            if picture is None or picture.owner_id != owner_id:
                raise UserError("That picture is gone, or somebody else's: choose one that you have drawn.")
            if adapter.id not in library.of_picture(tx, job_id, position):
                raise UserError(f"That picture was not drawn with {quoted(adapter.name)}: choose one that was.")
            library.set_cover(tx, adapter.id, job_id, position)
            return adapter

        return await self._database.write(change)

    async def use_version(self, adapter_id: str, number: int, *, owner_id: int) -> Adapter:
        """Put another version in use; the one that was is kept."""
        return await self._database.write(
            lambda tx: versions.use(tx, require_own(tx, adapter_id, owner_id), number, self._clock())
        )

    async def delete_version(self, adapter_id: str, number: int, *, owner_id: int) -> Adapter:
        """Delete a version that is not in use, for good; the adapter as it is then."""

        def change(tx: Connection) -> Adapter:
            adapter = require_own(tx, adapter_id, owner_id)
            version = versions.find(tx, adapter, number)
            if version.version == adapter.version:
                raise UserError(
                    f"Version {number} of {quoted(adapter.name)} is the one in use: put another one in use first, or"
                    " delete the adapter."
                )
            versions.delete(tx, version, self._clock())
            return adapter

        return await self._database.write(change)

    async def complete_tag(self, typed: str, *, viewer_id: int, guild_id: int | None, limit: int = 25) -> list[str]:
        """Tags that begin so."""
        wanted = typed.strip().lower()
        return await self._database.read(lambda tx: library.complete_tag(tx, wanted, viewer_id, guild_id, limit))


def read_tags(text: str) -> tuple[str, ...]:
    """Tags with commas between, in lower case, each once. Raises UserError."""
    tags = tuple(dict.fromkeys(" ".join(part.lower().split()) for part in text.split(",") if part.strip()))
    for tag in tags:
        if not _TAG.fullmatch(tag) or len(tag) > LONGEST_TAG:
            raise UserError(
                f"{quoted(tag)} can't be a tag: take up to {LONGEST_TAG} letters a to z, digits, spaces, `-` and `_`,"
                " with commas between tags."
            )
    if len(tags) > MOST_TAGS:
        raise UserError(f"{len(tags)} tags are too many: {MOST_TAGS} are the most.")
    return tags


def read_trigger_words(text: str) -> tuple[str, ...]:
    """Words or phrases with commas between. Raises UserError."""
    words = tuple(dict.fromkeys(" ".join(part.split()) for part in text.split(",") if part.strip()))
    if len(words) > MOST_TRIGGER_WORDS or sum(map(len, words)) > LONGEST_TRIGGER_WORDS:
        raise UserError(
            f"{len(words)} trigger words of {sum(map(len, words))} characters are too many:"
            f" {MOST_TRIGGER_WORDS} of {LONGEST_TRIGGER_WORDS} characters in all are the most."
        )
    return words


def chosen_cover(tx: Connection, adapter: Adapter) -> Picture | None:
    """The picture that the owner chose, as long as it is there."""
    if adapter.cover_job is None or adapter.cover_position is None:
        return None
    return library.picture(tx, adapter.cover_job, adapter.cover_position)
