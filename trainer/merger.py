"""The worker's side of merges: each in a child process of its own, beside the engine. Imports no torch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import structlog

from trainer import messages
from trainer.engine import Backend
from trainer.merging_child import run
from trainer.supervisor import CANCEL_GRACE_S, EngineDied, Supervisor
from trainer.switchboard import LAST, Interrupted

log = structlog.get_logger(__name__)


class Merger:
    """Starts a child for a merge, passes on what it says, and ends it."""

    def __init__(self, backend: Backend, *, cancel_grace_s: float = CANCEL_GRACE_S) -> None:
        self._backend = backend
        self._cancel_grace_s = cancel_grace_s
        self._children: dict[str, Supervisor] = {}  # by job
        self._cancelled: set[str] = set()

    async def work(self, command: messages.StartMerging) -> AsyncGenerator[messages.Report, None]:
        """Let a child do the job; what it reports, the last being one of ``LAST``.

        Raises :class:`Interrupted` when it ends before, such as for want of memory.
        """
        job_id = command.request.job_id
        child = self._children[job_id] = Supervisor(self._backend, run)
        try:
            await child.spawn()
            await child.send(command)
            async for report in child.reports():
                yield report
                if isinstance(report, LAST):
                    return
        except EngineDied as died:
            if job_id in self._cancelled:
                yield messages.Stopped(job_id)
                return
            log.error("merge.died", job=job_id, exit_code=died.exit_code)
            raise Interrupted(blamed=True) from died
        finally:
            del self._children[job_id]
            self._cancelled.discard(job_id)
            await child.stop()

    async def cancel(self, job_id: str) -> None:
        """Ask the child to stop between two tensors, and kill it if it does not within its grace."""
        child = self._children.get(job_id)
        if child is None:
            return
        self._cancelled.add(job_id)
        with suppress(EngineDied):
            await child.send(messages.Cancel(job_id))
        await asyncio.sleep(self._cancel_grace_s)
        if self._children.get(job_id) is child:
            log.warning("merge.killed", job=job_id)
            child.kill()
