"""Guilds as their managers keep them: settings, blocked members, and what may not be said."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from sqlite3 import Connection

import msgspec

from bot.decency.blocklist import read_regex, read_word
from bot.errors import UserError, quoted
from bot.orders import Order
from bot.store import guilds
from bot.store.database import Database
from bot.store.records import BlockedMember, BlockedWord, GuildSettings

MOST_WORDS = 500
MOST_EXPRESSIONS = 50  # each is searched for in every text
MOST_ROLES = MOST_CHANNELS = 25
MOST_SHOWN = 25
LONGEST_REASON = 200


class Manager(Order, frozen=True):
    """Who changes a guild's settings: a member with Manage Server, which is checked where this is made."""

    guild_id: int
    member_id: int


class Guilds:
    """The service behind ``/settings``."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    async def settings(self, guild_id: int) -> GuildSettings:
        """A guild's settings."""
        return await self._database.read(lambda tx: guilds.settings(tx, guild_id))

    async def change(self, manager: Manager, alter: Callable[[GuildSettings], GuildSettings]) -> GuildSettings:
        """Put other settings in the place of the guild's; what they are then. Raises what ``alter`` raises."""

        def write(tx: Connection) -> GuildSettings:
            changed = alter(guilds.settings(tx, manager.guild_id))
            guilds.put_settings(tx, manager.guild_id, changed, manager.member_id, self._clock())
            return changed

        return await self._database.write(write)

    # -- blocked members ----------------------------------------------------------------------------------------------

    async def blocked(self, guild_id: int) -> list[BlockedMember]:
        """Those who may start nothing, the newest first."""
        return await self._database.read(lambda tx: guilds.all_blocked(tx, guild_id, MOST_SHOWN))

    async def block(self, manager: Manager, member_id: int, reason: str = "") -> None:
        """Let a member start nothing any more. Raises UserError: one's own self."""
        if member_id == manager.member_id:
            raise UserError("You can't block yourself: choose somebody else.")
        blocked = BlockedMember(
            guild_id=manager.guild_id, member_id=member_id, reason=" ".join(reason.split())[:LONGEST_REASON],
            blocked_by=manager.member_id, blocked_at=self._clock(),
        )  # fmt: skip
        await self._database.write(lambda tx: guilds.block(tx, blocked))

    async def unblock(self, manager: Manager, member_id: int) -> None:
        """End a block. Raises UserError: there is none."""
        if not await self._database.write(lambda tx: guilds.unblock(tx, manager.guild_id, member_id)):
            raise UserError("This member is not blocked, so there is nothing to end: `/settings show` says who is.")

    # -- blocked words ------------------------------------------------------------------------------------------------

    async def words(self, guild_id: int) -> list[BlockedWord]:
        """What may not be said."""
        return await self._database.read(lambda tx: guilds.words(tx, guild_id))

    async def forbid(self, manager: Manager, written: str, *, regex: bool = False) -> BlockedWord:
        """Block a word, a phrase or what a regular expression finds.

        Raises UserError: it can't be read, is blocked already, or is one too many.
        """
        word = BlockedWord(
            id=0, guild_id=manager.guild_id, pattern=read_regex(written) if regex else read_word(written),
            is_regex=regex, added_by=manager.member_id, added_at=self._clock(),
        )  # fmt: skip

        def add(tx: Connection) -> None:
            _check_count(guilds.words(tx, manager.guild_id), regex=regex)
            if not guilds.add_word(tx, word):
                raise UserError(f"{quoted(word.pattern)} is blocked already: `/settings words` shows what is.")

        await self._database.write(add)
        return word

    async def allow(self, manager: Manager, written: str) -> str:
        """Let it be said again; what was blocked. Raises UserError: it was not."""

        def remove(tx: Connection) -> str:
            for pattern in dict.fromkeys((written.strip(), read_word(written))):
                if guilds.remove_word(tx, manager.guild_id, pattern):
                    return pattern
            raise UserError(f"{quoted(written)} is not blocked: `/settings words` shows what is.")

        return await self._database.write(remove)


def _check_count(words: Sequence[BlockedWord], *, regex: bool) -> None:
    count = sum(word.is_regex == regex for word in words)
    most, what = (MOST_EXPRESSIONS, "expressions") if regex else (MOST_WORDS, "words")
    if count >= most:
        raise UserError(f"{most} {what} are blocked already, which is the most: allow one again first.")


def with_member(ids: tuple[int, ...], one: int, *, wanted: bool, most: int, what: str) -> tuple[int, ...]:
    """The ids with one of them added or taken out. Raises UserError: too many."""
    others = tuple(each for each in ids if each != one)
    if wanted and len(others) >= most:
        raise UserError(f"{most} {what} are named already, which is the most: take one out first.")
    return (*others, one) if wanted else others


def with_limits(settings: GuildSettings, **limits: int | None) -> GuildSettings:
    """The settings with these limits; 0 is no limit, and None leaves one as it is."""
    given = {
        name: limit or (0 if name == "account_days" else None) for name, limit in limits.items() if limit is not None
    }
    return msgspec.structs.replace(settings, **given)
