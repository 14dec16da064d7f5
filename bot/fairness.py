"""Fair shares: in what order waiting jobs are served, and where there is room for them. Pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.store.records import Job
from trainer.contract.events import Heartbeat
from trainer.contract.names import LANES, Lane, arq_job_id

ALONE_AFTER_TRIES = 2  # a job whose child died twice may be what kills it: it runs without neighbours


def fair_order(waiting: Iterable[Job], active: Mapping[int, int], last_served: Mapping[int, float]) -> list[Job]:
    """The order in which the waiting jobs of one lane are served.

    Whoever has the fewest jobs in the workers' hands comes first, then whoever was served longest ago; among a
    member's own jobs the oldest. So a member who sends twenty jobs waits behind one who sends the first.
    """
    of_owner: dict[int, list[Job]] = defaultdict(list)
    for job in sorted(waiting, key=lambda job: (job.created_at, job.id), reverse=True):
        of_owner[job.owner_id].append(job)  # the oldest last, so that pop takes it
    heap = [
        (active.get(owner, 0), last_served.get(owner, 0.0), jobs[-1].created_at, owner)
        for owner, jobs in of_owner.items()
    ]
    heapq.heapify(heap)
    order: list[Job] = []
    while heap:
        count, served, _, owner = heapq.heappop(heap)
        order.append(of_owner[owner].pop())
        if of_owner[owner]:
            heapq.heappush(heap, (count + 1, served, of_owner[owner][-1].created_at, owner))
    return order


@dataclass
class Room:
    """What one living worker can still take."""

    worker_id: str
    bases: frozenset[str]
    free: dict[Lane, int]
    jobs: int = 0  # in its hands, of all lanes
    closed: bool = False  # a job runs alone there, or one waits to
    named: frozenset[str] = field(default_factory=frozenset)

    def fits(self, job: Job) -> bool:
        """Whether the job can be handed to it now."""
        if self.closed or job.base not in self.bases or self.free.get(job.lane, 0) < 1:
            return False
        return self.jobs == 0 or job.tries < ALONE_AFTER_TRIES

    def take(self, job: Job) -> None:
        """Count the job as in its hands."""
        self.free[job.lane] = self.free.get(job.lane, 0) - 1
        self.jobs += 1
        self.closed = self.closed or job.tries >= ALONE_AFTER_TRIES


def rooms_of(heartbeats: Sequence[Heartbeat], outstanding: Sequence[Job], lanes: Mapping[str, Lane]) -> list[Room]:
    """The workers' rooms after all that is in their hands.

    A heartbeat is some seconds old. So a worker's capacity is counted as its free room plus what it ran at that
    moment, and what the database knows to be in its hands now is taken off again. ``lanes`` says the lane of each job
    id that a heartbeat names. A job that none names yet counts against the roomiest worker that offers its base.
    """
    rooms: list[Room] = []
    for heartbeat in heartbeats:
        free: dict[Lane, int] = {lane: heartbeat.free.get(lane, 0) for lane in heartbeat.lanes}
        for running in heartbeat.running:
            lane = lanes.get(running.rpartition(":")[0])
            if lane in free:
                free[lane] += 1
        offered = frozenset(base.name for base in heartbeat.bases)
        rooms.append(Room(heartbeat.worker_id, offered, free, named=frozenset(heartbeat.running)))
    for job in outstanding:
        arq_id = arq_job_id(job.id, job.attempt)
        holders = [room for room in rooms if arq_id in room.named]
        if not holders:
            offering = [room for room in rooms if job.base in room.bases and job.lane in room.free]
            holders = sorted(offering, key=lambda room: -room.free[job.lane])[:1]
        for room in holders[:1]:
            room.take(job)
    return rooms


def choose(order: Mapping[Lane, Sequence[Job]], rooms: Sequence[Room]) -> list[Job]:
    """Which jobs go to the workers now, in order; ``rooms`` are filled on the way.

    A job that has to run alone keeps the first worker that offers its base from taking others until it is idle.
    """
    chosen: list[Job] = []
    for lane in LANES:
        for job in order.get(lane, ()):
            room = next((room for room in sorted(rooms, key=lambda room: room.jobs) if room.fits(job)), None)
            if room is not None:
                room.take(job)
                chosen.append(job)
            elif job.tries >= ALONE_AFTER_TRIES:
                for waits_here in [room for room in rooms if job.base in room.bases and job.lane in room.free][:1]:
                    waits_here.closed = True
    return chosen
