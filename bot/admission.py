"""What every order has to pass: a member's share of what waits, and a base to work with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

import msgspec

from bot.costs import expected_cost
from bot.errors import UserError, quoted
from bot.orders import Order, Origin
from bot.rules import check_rules
from bot.store import adapters, bases, erasures, jobs
from bot.store.records import Job, MergeSpec, Spec, TrainSpec
from trainer.contract.events import BaseInfo
from trainer.contract.merges import BakeAdapters, MergeModels
from trainer.contract.names import Lane

_MOST_ACTIVE = 1_000


class Limits(Order, frozen=True):
    """How many jobs a member may have waiting and running at a time, by lane."""

    train: int = 3
    imagine: int = 10
    merge: int = 3
    checkpoints: int = 3  # whole models that a member has, or is making


@dataclass(frozen=True)
class Admission:
    """``fallback_base`` is the base of jobs that come before any worker has said what it offers."""

    limits: Limits
    fallback_base: str | None = None
    clock: Callable[[], float] = time.time

    def check_room(self, tx: Connection, origin: Origin, lane: Lane, *, pictures: int = 0) -> None:
        """Raises UserError if the guild does not allow it, or the member has as much under way as one may."""
        _check_not_going(tx, origin.member_id)
        check_rules(tx, origin, lane, pictures=pictures, now=self.clock())
        limit: int = getattr(self.limits, lane)
        count = jobs.count_active(tx, origin.member_id, lane)
        if count >= limit:
            what = {"train": "training", "imagine": "picture", "merge": "merge"}[lane]
            raise UserError(
                f"You have {count} {what}{'' if count == 1 else 's'} under way, and {limit} at a time is the most:"
                " wait for one to finish, or stop one with `/cancel`."
            )

    def check_checkpoints(self, tx: Connection, origin: Origin) -> None:
        """Raises UserError if the member has as many whole models as one may, with older versions and those to come."""
        limit = self.limits.checkpoints
        if not limit:
            raise UserError("Whole models are not kept here: make a LoRA instead, by `output: lora` or `/merge`.")
        active = jobs.of_member(tx, origin.member_id, active=True, limit=_MOST_ACTIVE)
        under_way = sum(makes_checkpoint(job.spec) for job in active)
        count = adapters.count_checkpoints(tx, origin.member_id) + under_way
        if count >= limit:
            raise UserError(
                f"You have {count} whole model{'' if count == 1 else 's'}, with versions and those in the making, and"
                f" {limit} is the most: delete one by `/adapter delete`, or make a LoRA by `output: lora` or `/merge`."
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


def enter(tx: Connection, job: Job) -> Job:
    """Write an accepted job into the books, at its turn. What is there already stays as it is."""
    return jobs.insert(tx, msgspec.structs.replace(job, cost_s=expected_cost(job, info_of(tx, job.base))))


def makes_checkpoint(spec: Spec) -> bool:
    """Whether a whole model of gigabytes comes of it, and stays."""
    match spec:
        case TrainSpec():
            return spec.recipe.output == "checkpoint"
        case MergeSpec():
            return not spec.is_export and isinstance(spec.work, MergeModels | BakeAdapters)
        case _:
            return False


def info_of(tx: Connection, base: str) -> BaseInfo | None:
    """What workers have said of a base; None: nothing yet."""
    return next((info for info in bases.known(tx) if info.name == base), None)


def _check_not_going(tx: Connection, member_id: int) -> None:
    """Raises UserError while everything of a member is being deleted."""
    erasure = erasures.of_member(tx, member_id)
    if erasure is not None and erasure.erased_at is None:
        raise UserError(
            "Everything that Darkroom has of you is being deleted, as you asked: once that is done, in a minute or so,"
            " you can begin anew."
        )
