"""What runs next: hands waiting jobs to the workers by fair shares, and takes back what was lost.

It alone raises attempts. SQLite is the truth: after Redis was wiped, every job is handed out anew.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from sqlite3 import Connection

import structlog

from bot import lifecycle, metrics
from bot.access import find_loss
from bot.errors import QueueDown
from bot.fairness import Room, choose, rooms_of
from bot.outbox import Outbox
from bot.queue import Queue
from bot.requests import request_of
from bot.standings import read_standing
from bot.store import bases, jobs, turns
from bot.store.database import Database
from bot.store.records import Job, Waiting
from trainer.contract.blobs import Blobs
from trainer.contract.events import BaseInfo, Heartbeat
from trainer.contract.names import HEARTBEAT_DEAD_AFTER_S, LANES, Lane, arq_job_id, outcome_path

log = structlog.get_logger(__name__)

TICK_S = 2.0  # how often heartbeats are read when nothing wakes it
LOST_AFTER_S = float(HEARTBEAT_DEAD_AFTER_S)  # how long no worker may name an attempt before it counts as lost
BASES_SEEN_EVERY_S = 60.0
CARD_WAIT_S = 60.0  # how long a job waits for its card; then the worker posts a message of its own


class Dispatcher:
    """Runs :meth:`tick` when woken and every two seconds. ``caught_up`` says whether all events have been read."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        blobs: Blobs,
        outbox: Outbox,
        *,
        caught_up: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._queue = queue
        self._blobs = blobs
        self._outbox = outbox
        self._caught_up = caught_up
        self._clock = clock
        self._since = clock()
        self._woken = asyncio.Event()
        self._silent_since: dict[str, float] = {}  # arq job id: since when no worker says anything new of it
        self._beats: dict[str, tuple[float, float]] = {}  # worker: its newest heartbeat by its clock, and by ours
        self._bases: tuple[BaseInfo, ...] = ()
        self._bases_seen_at = float("-inf")

    def wake(self) -> None:
        """Something changed: look now."""
        self._woken.set()

    async def run(self) -> None:
        """Tick until cancelled. Redis may go and come back."""
        down = False
        while True:
            self._woken.clear()
            try:
                await self.tick()
                if down:
                    log.info("redis.back")
                down = False
            except QueueDown as error:
                if not down:
                    log.warning("redis.down", error=str(error))
                down = True
                self._silent_since.clear()  # while Redis was away, no worker could say anything
                self._beats.clear()
            try:
                async with asyncio.timeout(TICK_S):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def tick(self) -> list[Job]:
        """One round: take back what was lost, hand out what there is room for; what was handed out."""
        heartbeats = await self._queue.heartbeats()
        await self._remember_bases(heartbeats)
        outstanding = await self._database.read(jobs.outstanding)
        await self._keep_promises(outstanding)
        if await self._reconcile(outstanding, heartbeats):
            outstanding = await self._database.read(jobs.outstanding)
        handed = await self._hand_out(outstanding, heartbeats)
        metrics.show_queue(await self._database.read(turns.tally), heartbeats)
        return handed

    async def _remember_bases(self, heartbeats: Sequence[Heartbeat]) -> None:
        offered, now = tuple(base for heartbeat in heartbeats for base in heartbeat.bases), self._clock()
        if offered and (offered != self._bases or now - self._bases_seen_at >= BASES_SEEN_EVERY_S):
            await self._database.write(lambda tx: bases.remember(tx, offered, now))
            self._bases, self._bases_seen_at = offered, now

    async def _keep_promises(self, outstanding: Sequence[Job]) -> None:
        """Say again what a wiped Redis would have forgotten."""
        await self._queue.restore_attempts({job.id: job.attempt for job in outstanding})
        for job in outstanding:
            if job.cancel_requested_at is not None:
                await self._queue.request_cancel(job.id)
            else:
                await self._say_wish(job)

    async def _say_wish(self, job: Job) -> None:
        if job.wish is not None:
            await self._queue.request_wish(job.id, job.attempt, job.wish, job.wish_step)

    # -- taking back --------------------------------------------------------------------------------------------------

    async def _reconcile(self, outstanding: Sequence[Job], heartbeats: Sequence[Heartbeat]) -> bool:
        """Take back attempts that are lost; whether there were any."""
        now = self._clock()
        named_at = self._hear(heartbeats, now)
        silent_since: dict[str, float] = {}
        lost: list[Job] = []
        for job in outstanding:
            arq_id = arq_job_id(job.id, job.attempt)
            if arq_id not in named_at and await self._waits_for_a_worker(job, heartbeats):
                continue
            silent_since[arq_id] = named_at.get(arq_id, self._silent_since.get(arq_id, now))
            if now - silent_since[arq_id] >= LOST_AFTER_S and self._caught_up():
                lost.append(job)
        self._silent_since = silent_since
        for job in lost:
            await self._take_back(job)
        return bool(lost)

    def _hear(self, heartbeats: Sequence[Heartbeat], now: float) -> dict[str, float]:
        """When each attempt was last named by a heartbeat that was new then.

        A dead worker's last heartbeat stays in Redis for as long as silence is allowed: counted from when it went, its
        jobs would wait twice as long. Clocks of other machines are compared with themselves alone.
        """
        for beat in heartbeats:
            at, _ = self._beats.get(beat.worker_id, (None, now))
            if at != beat.at:
                self._beats[beat.worker_id] = (beat.at, now)
        alive = {beat.worker_id for beat in heartbeats}
        self._beats = {worker: heard for worker, heard in self._beats.items() if worker in alive}
        return {running: self._beats[beat.worker_id][1] for beat in heartbeats for running in beat.running}

    async def _waits_for_a_worker(self, job: Job, heartbeats: Sequence[Heartbeat]) -> bool:
        """Whether it lies in arq's queue and somebody is there to take it."""
        if job.state != "queued":
            return False
        served = any(beat.serves(job.lane, job.base) for beat in heartbeats)
        return served and await self._queue.is_queued(job.id, job.attempt)

    async def _take_back(self, job: Job) -> None:
        committed = await self._blobs.exists(outcome_path(job.id))
        # a worker that died with it may have died of it; what is committed is only delivered again
        counts = job.state == "running" and not committed
        await self._queue.withdraw(job.id, job.attempt, job.lane, job.base)  # a killed worker leaves its entry
        standing = await read_standing(self._blobs, job.id)
        now = self._clock()
        after = await self._database.write(
            lambda tx: lifecycle.give_back(
                tx, job.id, job.attempt, now, counts=counts, committed=committed, standing=standing
            )
        )
        if after is not None:
            log.warning("job.lost", job=job.id, attempt=job.attempt, tries=after.tries, state=after.state)
            self._outbox.changed(job, after)

    # -- handing out --------------------------------------------------------------------------------------------------

    async def _hand_out(self, outstanding: Sequence[Job], heartbeats: Sequence[Heartbeat]) -> list[Job]:
        if not heartbeats:
            return []
        chosen = await self._database.read(partial(self._choose, outstanding=outstanding, heartbeats=heartbeats))
        handed: list[Job] = []
        for job in chosen:
            committed = job.attempt > 0 and await self._blobs.exists(outcome_path(job.id))
            taken = await self._database.write(partial(self._take, job=job, committed=committed))
            if taken is None:
                continue  # cancelled meanwhile
            if taken.is_final:
                log.info("job.refused", job=taken.id)
                self._outbox.changed(job, taken)
                continue
            await self._say_wish(taken)  # first, so that it begins with what was wished of the one before
            await self._queue.enqueue(request_of(taken))
            log.info("job.handed_out", job=taken.id, attempt=taken.attempt, lane=taken.lane, base=taken.base)
            handed.append(taken)
        return handed

    def _take(self, tx: Connection, job: Job, *, committed: bool) -> Job | None:
        """The job in the workers' hands, or at its end where its member has lost an adapter of it. None: cancelled.

        ``committed``: what it made exists, and is only to be delivered.
        """
        loss = None if committed else find_loss(tx, job)
        if loss is not None:
            return lifecycle.end(tx, job.id, "failed", self._clock(), card_written=False, error=loss)
        return jobs.hand_out(tx, job_id=job.id, now=self._clock())

    def _choose(self, tx: Connection, outstanding: Sequence[Job], heartbeats: Sequence[Heartbeat]) -> list[Job]:
        """What goes to workers now. Of the queue no more is read than that, however long it is."""
        named = {running.rpartition(":")[0] for heartbeat in heartbeats for running in heartbeat.running}
        rooms = rooms_of(heartbeats, outstanding, turns.lanes_of(tx, named))
        order = {lane: self._queue_of(tx, lane, rooms) for lane in LANES}
        return [jobs.require(tx, each.id) for each in choose(order, rooms)]

    def _queue_of(self, tx: Connection, lane: Lane, rooms: Sequence[Room]) -> Iterator[Waiting]:
        """What waits in a lane, the next first; a base's jobs for as long as a worker has room for them."""
        patient_since = self._clock() - CARD_WAIT_S
        cardless_since = patient_since if self._since < patient_since else float("-inf")

        def has_room(job: Waiting) -> bool:
            return any(room.serves(lane, job.base) for room in rooms)

        served = sorted({base for room in rooms if lane in room.free for base in room.bases})
        return heapq.merge(*(takewhile(has_room, turns.waiting(tx, lane, base, cardless_since)) for base in served))
