"""Pausing a training, letting it go on, and ending it early: what the buttons on a running card ask for."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from sqlite3 import Connection

from bot import lifecycle
from bot.errors import UserError
from bot.outbox import Outbox
from bot.store import jobs
from bot.store.database import Database
from bot.store.records import Job
from trainer.contract.events import Progress
from trainer.contract.names import CARD_STALE_AFTER_S

_OVER = {"succeeded": "is done already", "failed": "is over, it did not work", "cancelled": "was stopped"}


class Control:
    """The service behind Pause, Resume and Stop and keep. Only the training's own member may press them.

    What a running training is to do stands in its row; the dispatcher tells the worker, again and again until it acts.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        *,
        progress: Callable[[Job], Awaitable[Progress | None]],
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``progress``: how far a running training is; within a second, for a member waits."""
        self._database = database
        self._progress = progress
        self._outbox = outbox
        self._on_change = on_change
        self._clock = clock
        self._resuming: set[str] = set()

    async def pause(self, job_id: str, member_id: int) -> Job:
        """Pause a training: at once if it waits (``held`` is then "paused"), else after the step it is at.

        Pausing twice changes nothing. Raises UserError: no training, somebody else's, over, or waiting for an answer.
        """

        def change(tx: Connection) -> Job:
            job = own_training(tx, job_id, member_id, "pause it")
            if job.held == "review":
                raise UserError(
                    f"`{job.train.name}` waits for your answer, so there is nothing to pause: press a button on its"
                    " card."
                )
            if job.held == "paused":
                return job
            if job.outstanding:
                return jobs.set_wish(tx, job_id, "pause") or job
            return lifecycle.hold(tx, job_id, self._clock()) or job

        job = await self._database.write(change)
        if job.held is not None:
            self._outbox.wake()
        self._on_change()
        return job

    async def check_resumable(self, job_id: str, member_id: int) -> Job:
        """The training that :meth:`resume` would let go on. Raises UserError, as that would."""
        return await self._database.read(lambda tx: _paused(tx, job_id, member_id))

    def is_card_old(self, job: Job) -> bool:
        """Whether the worker could soon not edit its card any more, so that it should go on with a new one."""
        return job.card == "posted" and self._clock() - (job.card_posted_at or 0.0) > CARD_STALE_AFTER_S / 2

    @contextmanager
    def resuming(self, job_id: str) -> Iterator[None]:
        """Around what one click on Resume does, which may post a card: another one is kept out. Raises UserError."""
        if job_id in self._resuming:
            raise UserError("It is being resumed already: a moment, please.")
        self._resuming.add(job_id)
        try:
            yield
        finally:
            self._resuming.discard(job_id)

    async def resume(self, job_id: str, member_id: int) -> Job:
        """Let a paused training wait for a worker again, which goes on where it was.

        Raises UserError: no training, somebody else's, over, or not paused.
        """

        def change(tx: Connection) -> tuple[Job, Job]:
            job = _paused(tx, job_id, member_id)
            return job, jobs.release(tx, job_id) or job

        before, after = await self._database.write(change)
        self._outbox.changed(before, after)
        self._on_change()
        return after

    async def finish(self, job_id: str, member_id: int) -> Job:
        """End a running training after the step it is at, and keep what it has learned.

        If its worker is lost before that, the next attempt goes on to that step. Twice changes nothing.
        Raises UserError: no training, somebody else's, over, or not in a worker's hands.
        """
        before = await self._database.read(lambda tx: _endable(tx, job_id, member_id))
        if before.wish == "finish":
            return before
        progress = await self._progress(before)
        step = progress.step if progress is not None else 0

        def change(tx: Connection) -> Job:
            job = _endable(tx, job_id, member_id)
            return jobs.set_wish(tx, job_id, "finish", step) or job

        job = await self._database.write(change)
        self._on_change()
        return job


def own_training(tx: Connection, job_id: str, member_id: int, what: str) -> Job:
    """The member's training that is not over. Raises UserError."""
    job = jobs.get(tx, job_id)
    if job is None or job.lane != "train":
        raise UserError("Darkroom knows of no such training: `/jobs` shows yours.")
    if job.owner_id != member_id:
        raise UserError(f"This training belongs to {job.owner_name}: only they can {what}.")
    if job.is_final:
        raise UserError(f"This training {_OVER[job.state]}, so nothing of it runs any more.")
    if job.cancel_requested_at is not None:
        raise UserError("This training is being stopped already.")
    return job


def _endable(tx: Connection, job_id: str, member_id: int) -> Job:
    job = own_training(tx, job_id, member_id, "end it")
    if not job.outstanding and job.wish != "finish":
        way_out = "resume it first" if job.held == "paused" else "wait until it has begun"
        raise UserError(
            f"`{job.train.name}` does not run at the moment, so there is nothing to keep: {way_out}, or stop it"
            " with `/cancel`."
        )
    return job


def _paused(tx: Connection, job_id: str, member_id: int) -> Job:
    job = own_training(tx, job_id, member_id, "let it go on")
    if job.held != "paused":
        raise UserError(f"`{job.train.name}` is not paused, so there is nothing to resume: see `/jobs`.")
    return job
