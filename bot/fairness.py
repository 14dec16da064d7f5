"""Fair shares: whose turn it is, and where there is room. Pure.

Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queueing", SIGCOMM 1996, eqs. 4-6), in each lane by
itself. A job's turn is its start tag, in virtual seconds: ``max(v, F)``, where ``v`` is the lane's virtual time, the
highest turn that was handed out, and ``F`` is where its member's last job ends: its turn and its cost, which are GPU
seconds by the member's weight. The lowest turn is next. So all who wait get the same seconds: the turns of whoever
sends 500 jobs lie far ahead, and whoever sends the first has the present one. Nobody saves up by sending nothing.

Ageing is in it: a turn stays while virtual time goes on, and who comes later starts at that time or after it. Before
a job there can be only as much of each other member's as lies between virtual time and its turn, and one job more.

The cost is an estimate until the job is over. Then what it really took counts, and its member's later turns move by
the difference; a turn that comes forward stops at virtual time, for it would be saved time else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.store.records import Job, Waiting
from trainer.contract.events import Heartbeat
from trainer.contract.names import LANES, Lane, arq_job_id

ALONE_AFTER_TRIES = 2  # a job whose child died twice may be what kills it: it runs without neighbours


def start_tag(lane_turn: float, own_finish: float) -> float:
    """The turn of a new job (eq. 4): now in virtual time, but not before the member's last one ends."""
    return max(lane_turn, own_finish)


def measured_cost(cost_s: float, spent_s: float, worked_s: float | None, *, was_handed_out: bool) -> float:
    """The GPU seconds of a job that is over.

    ``spent_s`` were taken by attempts that were broken off, ``worked_s`` by the last one; None: it never began. A job
    that no worker had costs nothing. No more counts than ten times the estimate and ten minutes, for a bot that was
    away hears late of an end.
    """
    if not was_handed_out:
        return 0.0
    if worked_s is None:
        return spent_s or cost_s
    return min(spent_s + max(0.0, worked_s), 10 * cost_s + 600)


def shift(difference: float, first_turn: float | None, lane_turn: float) -> float:
    """By how much a member's later turns move when a job took so much more, or less, than was thought.

    ``first_turn`` is the lowest of them; it does not come before the lane's virtual time.
    """
    if difference >= 0 or first_turn is None:
        return difference
    return max(difference, min(0.0, lane_turn - first_turn))


@dataclass
class Room:
    """What one living worker can still take."""

    worker_id: str
    bases: frozenset[str]
    free: dict[Lane, int]
    jobs: int = 0  # in its hands, of all lanes
    closed: bool = False  # a job runs alone there, or one waits to
    named: frozenset[str] = field(default_factory=frozenset)

    def serves(self, lane: Lane, base: str) -> bool:
        """Whether a job of the lane and base can be handed to it now, unless it has to run alone."""
        return not self.closed and base in self.bases and self.free.get(lane, 0) >= 1

    def fits(self, job: Waiting) -> bool:
        """Whether the job can be handed to it now."""
        return self.serves(job.lane, job.base) and (self.jobs == 0 or job.tries < ALONE_AFTER_TRIES)

    def take(self, job: Job | Waiting) -> None:
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


def choose(order: Mapping[Lane, Iterable[Waiting]], rooms: Sequence[Room]) -> list[Waiting]:
    """Which jobs go to the workers now, in order; ``rooms`` are filled on the way.

    ``order`` is each lane's queue, read as far as it is needed.

    A job that has to run alone keeps the first worker that offers its base from taking others until it is idle.
    """
    chosen: list[Waiting] = []
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
