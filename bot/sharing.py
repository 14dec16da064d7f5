"""Sharing, step by step: named members, a server, everybody. Each is the owner's own choice, and is taken back.

What is the likeness of a real person goes no further than named members until that person has agreed; with the owner's
own, what they stated at /train is their word. It is never for everybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from sqlite3 import Connection

from bot.adapters import require, require_own
from bot.errors import UserError, quoted
from bot.merging.reach import check_reach
from bot.rules import check_member
from bot.store import adapters, sharing
from bot.store.database import Database
from bot.store.records import Adapter, LikenessConsent

MOST_NAMED = 25  # what Discord's menu of members holds
MOST_ASKED = 25  # of what one was asked about oneself, with a button each
AGREEMENT = "This is me, and it may be used on the servers that its owner shares it with, until I take that back."


class Sharing:
    """The service behind ``/adapter share``, ``unshare`` and ``consent``, and the panel of sharing.

    Adapters are named by id; each change is checked anew: whose it is, and how far it may go. Repeating one changes
    nothing. All raise UserError.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    # -- the steps ----------------------------------------------------------------------------------------------------

    async def with_server(self, adapter_id: str, guild_id: int | None, *, owner_id: int) -> Adapter:
        """Let everybody in the server use it."""
        guild = require_guild(guild_id)

        def step(tx: Connection, adapter: Adapter) -> None:
            _check_server(tx, adapter, guild)
            sharing.share(tx, adapter.id, guild, self._clock())

        return await self._change(adapter_id, owner_id, step)

    async def not_with_server(self, adapter_id: str, guild_id: int | None, *, owner_id: int) -> Adapter:
        """Take it back from the server."""
        guild = require_guild(guild_id)
        return await self._change(adapter_id, owner_id, lambda tx, adapter: sharing.unshare(tx, adapter.id, guild))

    async def with_everyone(self, adapter_id: str, *, owner_id: int) -> Adapter:
        """Let everybody use it whom this bot serves."""

        def step(tx: Connection, adapter: Adapter) -> None:
            _check_shown(adapter)
            if adapter.likeness != "none":
                raise UserError(
                    f"{quoted(adapter.name)} is the likeness of a real person, which is never for everybody: share it"
                    " with members by name, or with a server."
                )
            check_reach(tx, adapter, None)
            sharing.publish(tx, adapter.id, self._clock())

        return await self._change(adapter_id, owner_id, step)

    async def not_with_everyone(self, adapter_id: str, *, owner_id: int) -> Adapter:
        """Take it back from those with whom it is not shared otherwise."""
        return await self._change(adapter_id, owner_id, lambda tx, adapter: sharing.unpublish(tx, adapter.id))

    async def with_members(self, adapter_id: str, members: Iterable[int], *, owner_id: int) -> Adapter:
        """Let exactly these members use it by name, besides whom it is shared with otherwise."""
        wanted = set(members) - {owner_id}

        def step(tx: Connection, adapter: Adapter) -> None:
            if wanted - set(adapter.named):
                _check_shown(adapter)
            for gone in set(adapter.named) - wanted:
                sharing.unname_member(tx, adapter.id, gone)
            for member_id in sorted(wanted - set(adapter.named)):
                self._name(tx, adapter.id, member_id)

        return await self._change(adapter_id, owner_id, step)

    async def with_member(self, adapter_id: str, member_id: int, *, owner_id: int) -> Adapter:
        """Let one more member use it, wherever they are."""

        def step(tx: Connection, adapter: Adapter) -> None:
            _check_shown(adapter)
            if member_id == owner_id:
                raise UserError(f"{quoted(adapter.name)} is yours: choose somebody else, or nobody.")
            self._name(tx, adapter.id, member_id)

        return await self._change(adapter_id, owner_id, step)

    async def not_with_member(self, adapter_id: str, member_id: int, *, owner_id: int) -> Adapter:
        """Take it back from a member."""
        return await self._change(
            adapter_id, owner_id, lambda tx, adapter: sharing.unname_member(tx, adapter.id, member_id)
        )

    async def with_nobody(self, adapter_id: str, *, owner_id: int) -> Adapter:
        """Take it back from all servers, all members and everybody."""

        def step(tx: Connection, adapter: Adapter) -> None:
            sharing.take_back(tx, adapter.id)
            for member_id in adapter.named:
                sharing.unname_member(tx, adapter.id, member_id)

        return await self._change(adapter_id, owner_id, step)

    # -- moderators ---------------------------------------------------------------------------------------------------

    async def bar(self, adapter_id: str, guild_id: int | None, *, moderator_id: int) -> Adapter:
        """A moderator takes somebody else's back from their server; its owner can't share it there again."""
        guild = require_guild(guild_id)

        def step(tx: Connection) -> Adapter:
            require(tx, adapter_id)
            sharing.bar(tx, adapter_id, guild, moderator_id, self._clock())
            return require(tx, adapter_id)

        return await self._database.write(step)

    async def lift_bar(self, written: str, guild_id: int | None) -> Adapter | None:
        """A moderator lets ``ada/thnos`` be shared with their server again; None: nobody took that back."""
        guild = require_guild(guild_id)
        owner, _, name = written.strip().lower().rpartition("/")

        def step(tx: Connection) -> Adapter | None:
            adapter_id = sharing.barred_of_name(tx, owner, name, guild)
            if adapter_id is not None:
                sharing.lift_bar(tx, adapter_id, guild)
            return None if adapter_id is None else adapters.get(tx, adapter_id)

        return await self._database.write(step)

    # -- likeness -----------------------------------------------------------------------------------------------------

    async def ask(self, adapter_id: str, member_id: int, guild_id: int | None, *, owner_id: int) -> Adapter:
        """Ask a member whether it may be their likeness on servers; their answer, once given, stays theirs."""

        def step(tx: Connection, adapter: Adapter) -> None:
            if adapter.likeness == "none":
                raise UserError(
                    f"{quoted(adapter.name)} is the likeness of nobody real, by what you said at `/train`: it needs"
                    " nobody's word to be shared."
                )
            if adapter.likeness == "self" or member_id == owner_id:
                raise UserError(
                    "Your own word is what you said at `/train`, as `person`: ask whoever else the likeness is of."
                )
            asked = LikenessConsent(
                adapter_id=adapter.id, member_id=member_id, guild_id=guild_id, statement=AGREEMENT,
                asked_at=self._clock(),
            )  # fmt: skip
            sharing.ask(tx, asked)

        return await self._change(adapter_id, owner_id, step)

    async def answer(self, adapter_id: str, member_id: int, *, agreed: bool) -> tuple[Adapter, LikenessConsent]:
        """What the person says whose likeness it is. Without their word it is taken back from all servers at once."""

        def step(tx: Connection) -> tuple[Adapter, LikenessConsent]:
            require(tx, adapter_id)
            if member_id not in {each.member_id for each in sharing.consents_of(tx, adapter_id)}:
                raise UserError(
                    "Nobody has asked you about this one: if it is your likeness, report it, or tell a moderator."
                )
            sharing.answer(tx, adapter_id, member_id, self._clock(), agreed=agreed)
            answers = sharing.consents_of(tx, adapter_id)
            return require(tx, adapter_id), next(each for each in answers if each.member_id == member_id)

        return await self._database.write(step)

    async def consents_of(self, adapter_id: str, *, owner_id: int) -> tuple[Adapter, list[LikenessConsent]]:
        """One's own adapter, and what those said who were asked about it."""

        def find(tx: Connection) -> tuple[Adapter, list[LikenessConsent]]:
            return require_own(tx, adapter_id, owner_id), sharing.consents_of(tx, adapter_id)

        return await self._database.read(find)

    async def asked_of(self, member_id: int) -> list[tuple[Adapter, LikenessConsent]]:
        """What a member was asked about their own likeness: what they may want to answer or take back comes first."""

        def find(tx: Connection) -> list[tuple[Adapter, LikenessConsent]]:
            return [(require(tx, each.adapter_id), each) for each in sharing.asked_of(tx, member_id, MOST_ASKED)]

        return await self._database.read(find)

    # -----------------------------------------------------------------------------------------------------------------

    def _name(self, tx: Connection, adapter_id: str, member_id: int) -> None:
        sharing.name_member(tx, adapter_id, member_id, self._clock())
        adapter = require(tx, adapter_id)
        if len(adapter.named) > MOST_NAMED:
            raise UserError(
                f"{quoted(adapter.name)} is shared with {MOST_NAMED} members, and no more can be named: take it back"
                " from some, or share it with a server."
            )

    async def _change(self, adapter_id: str, owner_id: int, step: Callable[[Connection, Adapter], None]) -> Adapter:
        def change(tx: Connection) -> Adapter:
            step(tx, require_own(tx, adapter_id, owner_id))
            return require(tx, adapter_id)

        return await self._database.write(change)


def require_guild(guild_id: int | None) -> int:
    """The server where something is said. Raises UserError in a direct message."""
    if guild_id is None:
        raise UserError("An adapter is shared with a server: use this command in the server that is to have it.")
    return guild_id


def _check_shown(adapter: Adapter) -> None:
    if adapter.hidden_at is not None:
        raise UserError(
            f"{quoted(adapter.name)} was reported, and is yours alone until moderators have decided: share it then."
        )


def _check_server(tx: Connection, adapter: Adapter, guild_id: int) -> None:
    _check_shown(adapter)
    check_member(tx, guild_id, adapter.owner_id)
    check_reach(tx, adapter, guild_id)
    if sharing.is_barred(tx, adapter.id, guild_id):
        raise UserError(
            f"Moderators took {quoted(adapter.name)} back from this server: ask one of them to say `/adapter share"
            f" name:{adapter.owner_name}/{adapter.name}`, which lets you share it here again."
        )
    if adapter.likeness != "other" or adapter.agreed_at is not None:
        return
    said_no = any(each.refused_at is not None for each in sharing.consents_of(tx, adapter.id))
    raise UserError(
        f"{quoted(adapter.name)} is the likeness of somebody who"
        + (
            " does not agree: share it with members by name, or with nobody."
            if said_no
            else f" has not agreed yet: ask them with `/adapter consent name:{adapter.name}`, or name members."
        )
    )
