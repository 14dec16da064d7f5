"""The lists that prompts choose from with ``__name__``: who keeps, changes and uses them."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from sqlite3 import Connection

from bot.errors import UserError, quoted
from bot.orders import Editor
from bot.rules import check_member
from bot.store import members, wildcards
from bot.store.database import Database
from bot.store.records import Wildcard
from trainer.contract import looks
from trainer.contract.prompt import PromptError, check_lists, find_lists

MOST_LISTS = 100  # a guild, or a member in direct messages
MOST_LINES = 500
MOST_CHARACTERS = 16_000  # of a list
LONGEST_LINE = 500
LONGEST_NAME = 60
MOST_CALLED = 50  # other lists that one may call: cycles are looked for at every change
MOST_STARRED = 5  # of them with a `*`, each of which is held against all names
_NAME = re.compile(r"[^\W_]+(?:[-_/][^\W_]+)*")


class Wildcards:
    """The service behind ``/wildcard``. Everybody in a guild uses its lists; in direct messages members have their own.

    Who made a list changes it, or a moderator.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    async def lists(self, *, guild_id: int | None, member_id: int) -> dict[str, tuple[str, ...]]:
        """All lists of a place by name, as prompts are resolved with."""
        return {each.name: each.lines for each in await self.kept(guild_id=guild_id, member_id=member_id)}

    async def kept(self, *, guild_id: int | None, member_id: int) -> list[Wildcard]:
        """All lists of a place, by name."""
        return await self._database.read(lambda tx: wildcards.kept(tx, guild_id, member_id))

    async def complete(self, typed: str, *, guild_id: int | None, member_id: int) -> list[Wildcard]:
        """Those whose names hold what was typed."""
        wanted = typed.strip().strip("_").lower()
        return [each for each in await self.kept(guild_id=guild_id, member_id=member_id) if wanted in each.name]

    async def get(self, name: str, *, guild_id: int | None, member_id: int) -> Wildcard:
        """The list of that name. Raises UserError."""
        return await self._database.read(lambda tx: _require(tx, guild_id, member_id, name))

    async def to_change(self, name: str, editor: Editor) -> Wildcard | None:
        """The list as it stands, None for a new one. Raises UserError: no name for a list, or not theirs to change."""
        clean = read_name(name)

        def find(tx: Connection) -> Wildcard | None:
            found = wildcards.find(tx, editor.guild_id, editor.member_id, clean)
            if found is not None:
                _check_owner(found, editor)
            return found

        return await self._database.read(find)

    async def put(self, name: str, text: str, editor: Editor) -> Wildcard:
        """Make a list, or change all of its lines.

        Raises UserError: no name for a list, not theirs to change, too many or too long lines or lists, or lists that
        would call themselves.
        """
        clean, lines = read_name(name), read_lines(text)

        def change(tx: Connection) -> Wildcard:
            check_member(tx, editor.guild_id, editor.member_id)
            found = wildcards.find(tx, editor.guild_id, editor.member_id, clean)
            others = wildcards.kept(tx, editor.guild_id, editor.member_id)
            if found is not None:
                _check_owner(found, editor)
            elif len(others) >= MOST_LISTS:
                raise UserError(f"There are {MOST_LISTS} lists here, which is the most: delete one first.")
            _check_calls({**{each.name: each.lines for each in others}, clean: lines})
            now = self._clock()
            members.remember(tx, editor.member_id, editor.member_name, now)
            if found is None:
                wildcards.insert(tx, editor.guild_id, editor.member_id, clean, lines, now)
            else:
                wildcards.update(tx, found.id, lines, now)
            return _require(tx, editor.guild_id, editor.member_id, clean)

        return await self._database.write(change)

    async def delete(self, name: str, editor: Editor) -> Wildcard:
        """Delete a list. Raises UserError: there is none, or it is not theirs."""

        def change(tx: Connection) -> Wildcard:
            found = _require(tx, editor.guild_id, editor.member_id, name)
            _check_owner(found, editor)
            wildcards.delete(tx, found.id)
            return found

        return await self._database.write(change)


def read_name(written: str) -> str:
    """The name of a list as it is kept; ``__Animals__`` is ``animals``. Raises UserError."""
    name = unicodedata.normalize("NFC", written.strip().strip("_").lower())
    if _NAME.fullmatch(name) is None or len(name) > LONGEST_NAME:
        raise UserError(
            f"{quoted(written)} is no name for a list: take letters and digits, with single `-`, `_` or `/` between"
            f" them and at most {LONGEST_NAME} characters, for example `animals` or `colour/warm`."
        )
    return name


def read_lines(text: str) -> tuple[str, ...]:
    """The lines of a list without empty ones. Raises UserError: none is left, too many, or too long."""
    cleaned = "".join(character if character.isprintable() or character == "\n" else " " for character in _lined(text))
    lines = tuple(line.strip() for line in cleaned.split("\n") if line.strip())
    if not any(not line.startswith("#") for line in lines):
        raise UserError("A list needs at least one line to choose: write one entry a line.")
    if len(lines) > MOST_LINES:
        raise UserError(f"The list has {len(lines):,} lines, and {MOST_LINES} are the most: make two of it.")
    if (characters := sum(map(len, lines))) > MOST_CHARACTERS:
        raise UserError(
            f"The list has {characters:,} characters, and {MOST_CHARACTERS:,} are the most: make two of it."
        )
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise UserError(
                f"Line {number} of the list has {len(line):,} characters, and {LONGEST_LINE} are the most: shorten it."
            )
    return lines


def _lined(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _check_calls(lists: dict[str, tuple[str, ...]]) -> None:
    """Raises UserError: a list calls too many others, or itself, over however many others."""
    for name, lines in lists.items():
        called = find_lists("\n".join(lines))
        if len(called) > MOST_CALLED:
            raise UserError(f"The list `__{name}__` calls more than {MOST_CALLED} others: make it smaller.")
        if sum("*" in each for each in called) > MOST_STARRED:
            raise UserError(f"The list `__{name}__` has more than {MOST_STARRED} calls with a `*`: name the lists.")
    try:
        check_lists(lists)
    except PromptError as error:
        raise UserError(looks.sentence(str(error))) from error


def _require(tx: Connection, guild_id: int | None, member_id: int, name: str) -> Wildcard:
    found = wildcards.find(tx, guild_id, member_id, read_name(name))
    if found is None:
        raise UserError(f"There is no list {quoted(name)} here: {_known(wildcards.kept(tx, guild_id, member_id))}.")
    return found


def _known(kept: Sequence[Wildcard]) -> str:
    if not kept:
        return "make one with `/wildcard set`"
    names = ", ".join(f"`{each.name}`" for each in kept[:5])
    return f"there {'is' if len(kept) == 1 else 'are'} {names}" + (" and others" if len(kept) > 5 else "")


def _check_owner(found: Wildcard, editor: Editor) -> None:
    if editor.member_id != found.owner_id and not editor.moderator:
        raise UserError(
            f"The list `{found.name}` was made by {found.owner_name}: they, or a moderator, may change it, so take"
            " another name for yours."
        )
