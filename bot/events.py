"""What workers report: read from the Redis stream, entered in one transaction, then acknowledged.

An event that is read twice changes nothing, and what an older attempt says is refused.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable

import msgspec
import structlog

from bot import lifecycle
from bot.errors import QueueDown, new_reference
from bot.metrics import FAULTS
from bot.outbox import Outbox
from bot.queue import Entry, Queue
from bot.standings import read_standing
from bot.store import jobs
from bot.store.database import Database
from bot.store.records import Job
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.events import (
    Cancelled,
    Delivered,
    Event,
    Failed,
    HandedBack,
    Outcome,
    Paused,
    Produced,
    Standing,
    Started,
    decode_event,
    decode_outcome,
)
from trainer.contract.names import outcome_path

log = structlog.get_logger(__name__)

RETRY_S = 1.0  # after Redis or the blob store failed
MOST_AT_ONCE = 100  # entries; fewer than that means that there were no more


class EventReader:
    """Reads the stream until cancelled. ``on_change``, set by whoever wires it, is called after each change."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        blobs: Blobs,
        outbox: Outbox,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._queue = queue
        self._blobs = blobs
        self._outbox = outbox
        self.on_change: Callable[[], None] = lambda: None
        self._clock = clock
        self._caught_up = False

    def caught_up(self) -> bool:
        """Whether all that workers have said is in the database."""
        return self._caught_up

    async def run(self) -> None:
        """Read until cancelled: first what was read before and never acknowledged, then what is new."""
        pending = True
        while True:
            try:
                read = await self.read_once(pending=pending)
                pending = pending and read > 0
            except (QueueDown, OSError) as error:
                # nothing was acknowledged: what was read is pending, and read again
                log.warning("events.interrupted", error=str(error))
                pending, self._caught_up = True, False
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("events.failed")
                pending, self._caught_up = True, False
                await asyncio.sleep(RETRY_S)

    async def read_once(self, *, pending: bool = False, block_s: float = 2.0) -> int:
        """Read some entries, enter and acknowledge each; how many there were. Raises QueueDown."""
        entries = await self._queue.read_events(pending=pending, block_s=block_s, count=MOST_AT_ONCE)
        self._caught_up = self._caught_up and not entries
        for entry in entries:
            await self._enter(entry)
            await self._queue.acknowledge([entry.id])
        self._caught_up = not pending and len(entries) < MOST_AT_ONCE
        return len(entries)

    async def _enter(self, entry: Entry) -> None:
        try:
            event = decode_event(entry.data)
        except msgspec.MsgspecError as error:
            log.error("event.unreadable", entry=entry.id, error=str(error))
            return
        outcome = await self._outcome(event) if isinstance(event, Produced | Delivered | HandedBack | Failed) else None
        standing = await read_standing(self._blobs, event.job_id) if isinstance(event, HandedBack) else None
        try:
            changed = await self._database.write(lambda tx: enter(tx, event, outcome, standing, self._clock()))
        except Exception as error:
            if _may_pass(error):
                raise
            changed = await self._refuse(event)  # it would fail for ever, and hold up all that comes after it
        if changed is None:
            log.info("event.stale", job=event.job_id, attempt=event.attempt, event_type=type(event).__name__)
            return
        before, after = changed
        log.info(
            "event", job=after.id, attempt=event.attempt, event_type=type(event).__name__, state=after.state,
            worker=event.worker_id if isinstance(event, Started) else None,
        )  # fmt: skip
        self._outbox.changed(before, after)
        if after.is_final:
            await self._forget(after.id)
        self.on_change()

    async def _refuse(self, event: Event) -> tuple[Job, Job] | None:
        """End the job of an event that can't be entered, so that nobody waits for it. To be called from a handler."""
        reference = new_reference()
        FAULTS.labels("event").inc()
        log.exception("event.refused", job=event.job_id, attempt=event.attempt, reference=reference)

        def end(tx: sqlite3.Connection) -> tuple[Job, Job] | None:
            before = jobs.get(tx, event.job_id)
            after = lifecycle.refuse(tx, event.job_id, event.attempt, reference, self._clock())
            return None if before is None or after is None else (before, after)

        try:
            return await self._database.write(end)
        except Exception as error:
            if _may_pass(error):
                raise
            log.exception("event.lost", job=event.job_id, attempt=event.attempt)
            return None

    async def _outcome(self, event: Produced | Delivered | HandedBack | Failed) -> Outcome | None:
        try:
            return decode_outcome(await self._blobs.read(outcome_path(event.job_id)))
        except BlobMissing:
            if isinstance(event, Produced | Delivered):
                log.error("outcome.missing", job=event.job_id, attempt=event.attempt)
        except msgspec.MsgspecError as error:
            log.error("outcome.unreadable", job=event.job_id, attempt=event.attempt, error=str(error))
        return None

    async def _forget(self, job_id: str) -> None:
        try:
            await self._queue.forget(job_id)
        except QueueDown:
            log.warning("redis.keys_left", job=job_id)  # they expire


def _may_pass(error: Exception) -> bool:
    """Whether trying again can help: a database that is locked, a full disk, a damaged file that is put back."""
    return isinstance(error, sqlite3.OperationalError | OSError | MemoryError) or type(error) is sqlite3.DatabaseError


def enter(
    tx: sqlite3.Connection, event: Event, outcome: Outcome | None, standing: Standing | None, now: float
) -> tuple[Job, Job] | None:
    """Enter an event; the job before and after. None: an unknown job, an older attempt, or nothing new."""
    before = jobs.get(tx, event.job_id)
    if before is None or event.attempt != before.attempt:
        return None
    after = _after(tx, before, event, outcome, standing, now)
    return None if after is None else (before, after)


def _after(
    tx: sqlite3.Connection, job: Job, event: Event, outcome: Outcome | None, standing: Standing | None, now: float
) -> Job | None:
    match event:
        case Started():
            return jobs.start(tx, job.id, event.attempt, now)
        case Produced():
            if job.state == "succeeded" or outcome is None:
                return None  # a repeat must not bring back what the member has deleted since
            lifecycle.record_outcome(tx, job, outcome, now)
            return job
        case Delivered():
            if job.state == "succeeded":
                return None
            if outcome is not None:
                lifecycle.record_outcome(tx, job, outcome, now)
                lifecycle.throw_away_examples(tx, outcome, now)
            return lifecycle.deliver(tx, job.id, event.channel_id, event.message_id, now)
        case Failed():
            if outcome is not None:  # it was made, and could not be delivered
                lifecycle.throw_away_examples(tx, outcome, now)
            return lifecycle.end(
                tx,
                job.id,
                "failed",
                now,
                card_written=event.card_written,
                error=event.message,
                reference=event.reference,
                refused=event.refused,
            )
        case Cancelled():
            return lifecycle.end(tx, job.id, "cancelled", now, card_written=event.card_written)
        case HandedBack():
            return lifecycle.give_back(
                tx,
                job.id,
                event.attempt,
                now,
                counts=event.counts,
                committed=outcome is not None,
                standing=standing,
            )
        case Paused():
            return lifecycle.pause(tx, job.id, event.attempt, now, step=event.step, steps=event.steps)
