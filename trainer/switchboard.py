"""Routes the engine's reports to the jobs that wait for them, and starts a new engine when one died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import structlog

from trainer import messages
from trainer.contract.names import Wish
from trainer.errors import UserFault
from trainer.supervisor import CANCEL_GRACE_S, EngineDied, Supervisor

log = structlog.get_logger(__name__)

RESTART_S = 2.0
LAST = messages.Drawn | messages.Trained | messages.Merged | messages.Paused | messages.Stopped | messages.Refused


class Interrupted(Exception):
    """The engine ended while a job was in it. ``blamed``: it may have been the job's doing."""

    def __init__(self, *, blamed: bool) -> None:
        super().__init__("the engine ended" if blamed else "the engine was stopped because of another job")
        self.blamed = blamed


class Switchboard:
    """One engine for many jobs."""

    def __init__(self, supervisor: Supervisor, *, cancel_grace_s: float = CANCEL_GRACE_S) -> None:
        self._supervisor = supervisor
        self._cancel_grace_s = cancel_grace_s
        self._lines: dict[str, asyncio.Queue[messages.Report | Interrupted]] = {}
        self._up = asyncio.Event()
        self._killed_for: str | None = None  # the job whose cancellation the engine did not obey

    async def run(self, on_ready: asyncio.Future[messages.Ready]) -> None:
        """Keep an engine alive until cancelled. ``on_ready`` gets its first words, or its :class:`UserFault`."""
        try:
            while True:
                try:
                    ready = await self._supervisor.start()
                except (UserFault, EngineDied, TimeoutError) as fault:
                    if not on_ready.done():
                        on_ready.set_exception(fault)
                        return
                    log.error("engine.not_started", error=str(fault))
                    await asyncio.sleep(RESTART_S)
                    continue
                if not on_ready.done():
                    on_ready.set_result(ready)
                log.info("engine.started", pid=self._supervisor.pid, device=ready.device)
                self._up.set()
                for line in self._lines.values():
                    line.put_nowait(ready)
                with suppress(EngineDied):
                    async for report in self._supervisor.reports():
                        self._route(report)
                self._up.clear()
                log.error("engine.died", exit_code=self._supervisor.exit_code, jobs=sorted(self._lines))
                killed_for, self._killed_for = self._killed_for, None
                for line in self._lines.values():
                    line.put_nowait(Interrupted(blamed=killed_for is None))
        finally:
            await self._supervisor.stop()

    def _route(self, report: messages.Report) -> None:
        line = self._lines.get(getattr(report, "job_id", ""))
        if line is not None:
            line.put_nowait(report)

    async def work(
        self, command: messages.StartTraining | messages.StartImagining
    ) -> AsyncGenerator[messages.Report, None]:
        """Let the engine do a job; what it reports, the last being one of ``LAST``.

        Raises :class:`Interrupted` when the engine ends first.
        """
        job_id = command.request.job_id
        line = self._lines[job_id] = asyncio.Queue()
        last = False
        try:
            if not self._up.is_set():
                first = await line.get()  # Ready, or Stopped if it is cancelled before
                if isinstance(first, messages.Stopped):
                    last = True
                    yield first
                    return
            try:
                await self._supervisor.send(command)
            except EngineDied as died:
                raise Interrupted(blamed=False) from died
            while not last:
                report = await line.get()
                if isinstance(report, Interrupted):
                    last = True
                    raise report
                last = isinstance(report, LAST)
                yield report
        finally:
            if not last:  # whoever waited is gone: stop the work, too
                with suppress(EngineDied):
                    await self._supervisor.send(messages.Cancel(job_id))
            del self._lines[job_id]

    async def ask(self, job_id: str, wish: Wish, step: int) -> None:
        """Tell the engine what the member wants of a training, and how far that was when they wished it.

        No error if it is not there: it is said again.
        """
        if job_id in self._lines and self._up.is_set():
            with suppress(EngineDied):
                await self._supervisor.send(messages.Ask(job_id, wish, step))

    async def cancel(self, job_id: str) -> None:
        """Ask the engine to stop a job, and kill it if it does not within its grace. No error if it is not there."""
        if job_id not in self._lines:
            return
        if not self._up.is_set():  # nobody is there who would have to obey
            self._route(messages.Stopped(job_id))
            return
        with suppress(EngineDied):
            await self._supervisor.send(messages.Cancel(job_id))
        await asyncio.sleep(self._cancel_grace_s)
        if job_id in self._lines and self._up.is_set():
            log.warning("engine.killed", job=job_id)
            self._killed_for = job_id
            self._supervisor.kill()
