"""Deleting what is not needed any more: photos and checkpoints of trainings that are over, and files nobody names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from bot.store import consents, garbage, jobs
from bot.store.database import Database
from trainer.contract.blobs import Blobs
from trainer.contract.names import checkpoint_prefix, photos_prefix

log = structlog.get_logger(__name__)

EVERY_S = 3600.0
KEPT_AFTER_FAILURE_S = 24 * 3600.0  # long enough to try the training again
ORPHANED_AFTER_S = 3600.0  # a submission takes minutes; photos without a job after an hour never get one


class Sweeper:
    """Sweeps at start, hourly, and when woken because a training was delivered."""

    def __init__(self, database: Database, blobs: Blobs, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now for photos that are due."""
        self._woken.set()

    async def run(self) -> None:
        """Sweep until cancelled; what fails is tried again at the next round."""
        last_full = float("-inf")
        while True:
            self._woken.clear()
            try:
                await self.delete_due_photos()
                if time.monotonic() - last_full >= EVERY_S:
                    await self.delete_orphaned_photos()
                    await self.collect_garbage()
                    last_full = time.monotonic()
            except Exception:
                log.exception("sweep.failed")
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def delete_due_photos(self) -> list[str]:
        """Delete photos and checkpoints of trainings that succeeded, or ended otherwise a day ago; their job ids."""
        before = self._clock() - KEPT_AFTER_FAILURE_S
        due = await self._database.read(lambda tx: jobs.with_photos_to_delete(tx, before))
        for job_id in due:
            await self._blobs.delete_all(photos_prefix(job_id))
            await self._blobs.delete_all(checkpoint_prefix(job_id))
            await self._database.write(partial(jobs.set_photos_deleted, job_id=job_id, now=self._clock()))
        if due:
            log.info("photos.deleted", jobs=due)
        return due

    async def delete_orphaned_photos(self) -> list[str]:
        """Delete photos of submissions that never became a job (the bot died in between); their job ids."""
        job_ids = sorted({path.split("/")[1] for path in await self._blobs.list("photos/")})
        orphaned: list[str] = []
        for job_id in job_ids:
            if await self._database.read(partial(jobs.get, job_id=job_id)) is not None:
                continue
            consent = await self._database.read(partial(consents.get, job_id=job_id))
            if consent is None or consent.given_at < self._clock() - ORPHANED_AFTER_S:
                await self._blobs.delete_all(photos_prefix(job_id))
                orphaned.append(job_id)
        return orphaned

    async def collect_garbage(self) -> list[str]:
        """Delete files that no adapter, picture or unfinished job names any more; their paths."""
        paths = await self._database.write(garbage.collectable)
        for path in paths:
            await self._blobs.delete(path)
        await self._database.write(lambda tx: garbage.forget(tx, paths))
        return paths
