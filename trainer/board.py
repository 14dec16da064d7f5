"""Shows how far a job is: on its card as often as Discord likes it, and in Redis once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from trainer import cards, messages
from trainer.contract.events import Progress
from trainer.contract.requests import Request, TrainRequest
from trainer.decency import Gate
from trainer.delivery import Attached, Delivery
from trainer.generation.sheets import show_large
from trainer.mailbox import Mailbox
from trainer.paces import Paces

REPORT_EVERY_S = 1.0
PREVIEW = "preview.png"


@dataclass
class Board:
    """The newest state of one job. ``paces`` are those of trainings before."""

    request: Request
    mailbox: Mailbox
    delivery: Delivery
    paces: Paces
    gate: Gate
    clock: Callable[[], float]
    wait: Callable[[float], Awaitable[None]]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    planned: messages.Planned | None = None
    newest: messages.Stepped | None = None
    unseen: bytes | None = None  # the newest preview, which nobody has looked at yet
    preview: Attached | None = None
    first: tuple[float, int] | None = None  # when the first step was seen, and which
    reported_at: float = float("-inf")

    def plan(self, report: messages.Planned) -> None:
        """It is known how many steps it will be."""
        self.planned = report
        self.changed.set()

    def step(self, report: messages.Stepped) -> None:
        """A step was taken."""
        self.newest = report
        self.first = self.first or (self.clock(), report.step)
        self.unseen = report.preview or self.unseen
        self.changed.set()

    async def run(self) -> None:
        """Show until cancelled."""
        request = self.request
        await self.delivery.show_progress(request.job_id, request.card, cards.starting(request))
        while True:
            await self.changed.wait()
            self.changed.clear()
            if self.newest is None:
                await self._show_plan()
                continue
            if self.clock() - self.reported_at < REPORT_EVERY_S:
                continue
            self.reported_at = self.clock()
            step, steps, left = self.newest.step, self.newest.steps, self._seconds_left()
            await self.mailbox.report(
                Progress(job_id=request.job_id, attempt=request.attempt, step=step, steps=steps, seconds_left=left)
            )
            await self._look_at_preview()
            picture = self.preview.filename if self.preview else None
            face = cards.working(request, step, steps, left, picture)
            await self.delivery.show_progress(request.job_id, request.card, face, self.preview)

    async def _look_at_preview(self) -> None:
        """Show the newest preview, if it may be shown; else none."""
        png, self.unseen = self.unseen, None
        if png is not None:
            shown = await self.gate.may_show(png, self.request.card)
            self.preview = Attached(PREVIEW, show_large([png]) or png) if shown else None

    async def _show_plan(self) -> None:
        plan, request = self.planned, self.request
        if plan is not None and isinstance(request, TrainRequest):
            steps, pace = plan.steps - plan.step, self._pace()
            seconds = pace * steps if pace is not None else None
            face = cards.planned(request, steps, seconds, plan.memory_bytes)
            show = self.delivery.show_progress
            while self.newest is None and not await show(request.job_id, request.card, face):
                await self.wait(REPORT_EVERY_S)  # its first words are too fresh for Discord

    def _seconds_left(self) -> float | None:
        """At the pace so far; before there is one, at that of the last training of the kind; else None."""
        pace = self._pace()
        return None if pace is None or self.newest is None else pace * (self.newest.steps - self.newest.step)

    def _pace(self) -> float | None:
        """Seconds a step."""
        if self.first is not None and self.newest is not None and self.newest.step > self.first[1]:
            return (self.clock() - self.first[0]) / (self.newest.step - self.first[1])
        if isinstance(self.request, TrainRequest) and self.planned is not None:
            pace = self.paces.of(self.request.base).get(self.request.recipe.method)
            return None if pace is None else pace * self.planned.step_work
        return None

    def remember_pace(self) -> None:
        """For the estimate of the next training of the kind."""
        pace, request = self._pace(), self.request
        if pace is not None and isinstance(request, TrainRequest) and self.planned is not None:
            self.paces.remember(request.base, request.recipe.method, pace / self.planned.step_work)
