"""What Discord has still to be told: stored in the same transaction as the job's change, told at least once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal, Protocol

import structlog

from bot import metrics
from bot.store import jobs, outbox
from bot.store.database import Database
from bot.store.records import Job, Note

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """The bot's face. Each call may come twice (after a crash), so each must be repeatable without harm.

    What it raises is logged, and the call is repeated later, up to ``MOST_TRIES`` times;
    ``discord.NotFound`` (card or channel deleted) is the face's own to swallow.
    """

    async def on_started(self, job: Job) -> None:
        """A worker took the job and writes its card from now on: stop editing it. Told once, best effort."""

    async def on_requeued(self, job: Job) -> None:
        """The job waits again, and the card is the bot's again. Told once, best effort."""

    async def on_delivered(self, job: Job) -> None:
        """The result is in ``job.message_id`` of ``job.channel_id``: put the buttons under it."""

    async def on_failed(self, job: Job, *, card_written: bool) -> None:
        """The job failed with ``job.error``; tell it on the card if ``card_written`` is false."""

    async def on_cancelled(self, job: Job, *, card_written: bool) -> None:
        """The job was stopped; tell it on the card if ``card_written`` is false."""

    async def on_paused(self, job: Job) -> None:
        """The training is paused, and the card is the bot's: say so, with a way to go on."""

    async def on_resumed(self, job: Job) -> None:
        """The training is held no more and waits for a worker. Told once, best effort."""

    async def delete_message(self, channel_id: int, message_id: int) -> None:
        """Delete a message of the bot's own; one that is gone, or out of reach, is no error."""

    async def ping(self, job: Job, *, nonce: str) -> None:
        """Tell the member once, by a message with a mention, that the result is there. Send it with this ``nonce``."""


MOST_TRIES = 300  # with the waits below, about a day of a failing Discord
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 300.0  # doubled at every failure
IDLE_S = 30.0  # how often it looks without being woken
CALL_TIMEOUT_S = 60.0  # discord.py waits out rate limits within a call


class Outbox:
    """Tells the listener what is in the outbox, and, without a promise, when a job starts or waits again."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._woken = asyncio.Event()
        self._passing: list[tuple[Literal["started", "requeued", "resumed"], Job]] = []

    def changed(self, before: Job, after: Job) -> None:
        """A job changed from one state to another, and the transaction is committed: tell what there is to tell."""
        metrics.count_change(before, after)
        if after.state == "running" and before.state != "running":
            self._passing.append(("started", after))
        elif after.state == "queued" and after.held is None and before.outstanding:
            self._passing.append(("requeued", after))
        elif after.state == "queued" and after.held is None and before.held is not None:
            self._passing.append(("resumed", after))
        self._woken.set()

    def wake(self) -> None:
        """There are new notes."""
        self._woken.set()

    async def run(self, listener: Listener) -> None:
        """Tell, until cancelled."""
        while True:
            self._woken.clear()
            await self.tell_due(listener)
            next_due = await self._database.read(outbox.next_due_at)
            wait_s = IDLE_S if next_due is None else min(IDLE_S, max(0.05, next_due - self._clock()))
            try:
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def tell_due(self, listener: Listener) -> None:
        """Tell everything that is due now; a failure delays only its own note."""
        passing, self._passing = self._passing, []
        for what, job in passing:
            await self._tell_passing(listener, what, job)
        notes = await self._database.read(lambda tx: outbox.due(tx, self._clock()))
        for note in notes:
            await self._tell(listener, note)

    async def _tell_passing(self, listener: Listener, what: str, job: Job) -> None:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                match what:
                    case "started":
                        await listener.on_started(job)
                    case "requeued":
                        await listener.on_requeued(job)
                    case "resumed":
                        await listener.on_resumed(job)
        except Exception:
            log.exception("listener.failed", what=what, job=job.id)

    async def _tell(self, listener: Listener, note: Note) -> None:
        job = await self._database.read(lambda tx: jobs.require(tx, note.job_id))
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await _call(listener, note, job)
        except Exception:
            given_up = note.tries + 1 >= MOST_TRIES
            log.exception("outbox.failed", note=note.kind, job=note.job_id, tries=note.tries + 1, given_up=given_up)
            if not given_up:
                due_at = self._clock() + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(note.tries, 16))
                await self._database.write(lambda tx: outbox.postpone(tx, note.id, due_at))
                return
        await self._database.write(lambda tx: outbox.delete(tx, note.id))


_STATE_OF_NOTE = {"delivered": "succeeded", "ping": "succeeded", "failed": "failed", "cancelled": "cancelled"}


async def _call(listener: Listener, note: Note, job: Job) -> None:
    if note.kind == "paused":
        if job.held == "paused":  # else it went on meanwhile, or was stopped
            await listener.on_paused(job)
        return
    if job.state != _STATE_OF_NOTE[note.kind]:
        return  # a delivery overruled it meanwhile
    match note.kind:
        case "delivered":
            await listener.on_delivered(job)
        case "failed":
            await listener.on_failed(job, card_written=note.card_written)
        case "cancelled":
            await listener.on_cancelled(job, card_written=note.card_written)
        case "ping":
            await listener.ping(job, nonce=note.nonce)
