"""What every order has to pass: a member's share of what waits, and a base to work with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

from bot.errors import UserError, quoted
from bot.orders import Order, Origin
from bot.rules import check_rules
from bot.store import bases, jobs
from trainer.contract.events import BaseInfo
from trainer.contract.names import Lane


class Limits(Order, frozen=True):
    """How many jobs a member may have waiting and running at a time, by lane."""

    train: int = 3
    imagine: int = 10
    merge: int = 3


@dataclass(frozen=True)
class Admission:
    """``fallback_base`` is the base of jobs that come before any worker has said what it offers."""

    limits: Limits
    fallback_base: str | None = None
    clock: Callable[[], float] = time.time

    def check_room(self, tx: Connection, origin: Origin, lane: Lane, *, pictures: int = 0) -> None:
        """Raises UserError if the guild does not allow it, or the member has as much under way as one may."""
        check_rules(tx, origin, lane, pictures=pictures, now=self.clock())
        limit: int = getattr(self.limits, lane)
        count = jobs.count_active(tx, origin.member_id, lane)
        if count >= limit:
            what = {"train": "training", "imagine": "picture", "merge": "merge"}[lane]
            raise UserError(
                f"You have {count} {what}{'' if count == 1 else 's'} under way, and {limit} at a time is the most:"
                " wait for one to finish, or stop one with `/cancel`."
            )

    def base(self, tx: Connection, wanted: str | None) -> str:
        """The base to use: the one that is wanted, else the default. Raises UserError."""
        known = [info.name for info in bases.known(tx)]
        if not known and self.fallback_base is not None:
            known = [self.fallback_base]
        if not known:
            raise UserError(
                "No worker has started yet, so there is no model to work with: try again in a minute, or tell whoever"
                " runs this bot."
            )
        if wanted is not None and wanted not in known:
            raise UserError(
                f"There is no model {quoted(wanted)}: choose one of {', '.join(f'`{name}`' for name in known[:10])}."
            )
        return wanted or known[0]


def info_of(tx: Connection, base: str) -> BaseInfo | None:
    """What workers have said of a base; None: nothing yet."""
    return next((info for info in bases.known(tx) if info.name == base), None)
