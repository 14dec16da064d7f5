"""A lane with a simulated clock: members send, workers take so many seconds. The books and the choice are real."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache

from bot.fairness import Room, choose
from bot.store import jobs, members, turns
from bot.store.migrate import migrate
from bot.store.records import ImagineSpec, Job
from trainer.contract.drawings import Drawing

BASE = "emoji-64"
SPEC = ImagineSpec(
    prompt_written="a fox",
    negative_prompt="",
    adapters=(),
    seed=1,
    count=1,
    drawings=(Drawing("a fox", "a fox", "", 1),),
)


@cache
def _empty() -> bytes:
    """A database with nothing in it, made once."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return connection.serialize()


@dataclass
class Sent:
    """One job of a member: when it was sent, begun and done, in seconds; ``takes`` is what it really takes."""

    id: str
    member: int
    takes: float
    sent: float
    begun: float | None = None
    done: float | None = None

    @property
    def waited(self) -> float:
        """From sending to its start."""
        assert self.begun is not None
        return self.begun - self.sent


@dataclass
class Lane:
    """Workers with so many ``slots`` and everything that was sent to them.

    ``first_come``: by the time of sending instead of by turns. ``on_done`` may send more.
    """

    slots: int = 1
    first_come: bool = False
    on_done: Callable[[Sent], None] = lambda _: None
    now: float = 0.0
    log: list[Sent] = field(default_factory=list)  # in the order in which they were begun
    sent: dict[str, Sent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tx = sqlite3.connect(":memory:", isolation_level=None)
        self.tx.row_factory = sqlite3.Row
        self.tx.deserialize(_empty())
        self._plans: list[tuple[float, int, tuple[int, float, float, float]]] = []
        self._ends: list[tuple[float, str]] = []
        self._count = 1_000_000

    def plan(self, at: float, member: int, takes: float, *, thought: float | None = None, weight: float = 1.0) -> None:
        """Let a member send a job at that time; it is ``thought`` to take as long as it does, unless said otherwise."""
        self._count += 1
        heapq.heappush(self._plans, (at, self._count, (member, takes, takes if thought is None else thought, weight)))

    def run(self, until: float = float("inf")) -> None:
        """Go on until nothing is left to do, or until that time."""
        while (at := min(self._next(self._plans), self._next(self._ends))) < float("inf") and at <= until:
            self.now = at
            while self._next(self._ends) <= at:
                self._end(heapq.heappop(self._ends)[1])
            while self._next(self._plans) <= at:
                _, number, planned = heapq.heappop(self._plans)
                self._send(str(number), *planned)
            self._hand_out()

    @staticmethod
    def _next(heap: list[tuple[float, str]] | list[tuple[float, int, tuple[int, float, float, float]]]) -> float:
        return heap[0][0] if heap else float("inf")

    def _send(self, job_id: str, member: int, takes: float, thought: float, weight: float) -> None:
        members.remember(self.tx, member, f"member{member}", self.now)
        job = Job(
            id=job_id, lane="imagine", state="queued", base=BASE, spec=SPEC, owner_id=member, owner_name="", guild_id=1,
            channel_id=2, upload_limit_bytes=3, token=None, created_at=self.now, cost_s=thought, weight=weight,
        )  # fmt: skip
        jobs.insert(self.tx, job)
        jobs.set_card(self.tx, job_id, "posted", 1, self.now)
        if self.first_come:
            self.tx.execute("UPDATE jobs SET turn = 0 WHERE id = ?", (job_id,))
        self.sent[job_id] = Sent(job_id, member, takes, self.now)

    def cancel(self, sent: Sent) -> None:
        """Stop one that waits."""
        jobs.finish(self.tx, sent.id, "cancelled", self.now)

    def waiting(self) -> list[Sent]:
        """In the order in which they will be served."""
        return [self.sent[place.job_id] for place in turns.places(self.tx, "imagine")]

    def _hand_out(self) -> None:
        room = Room("w1", frozenset({BASE}), {"imagine": self.slots - len(self._ends)}, jobs=len(self._ends))
        for each in choose({"imagine": turns.waiting(self.tx, "imagine", BASE, 0.0)}, [room]):
            jobs.hand_out(self.tx, each.id, self.now)
            jobs.start(self.tx, each.id, 1, self.now)
            begun = self.sent[each.id]
            begun.begun = self.now
            self.log.append(begun)
            heapq.heappush(self._ends, (self.now + begun.takes, each.id))

    def _end(self, job_id: str) -> None:
        jobs.deliver_to_owner(self.tx, job_id, self.now)
        self.sent[job_id].done = self.now
        self.on_done(self.sent[job_id])

    @property
    def busy(self) -> int:
        """Slots that work."""
        return len(self._ends)
