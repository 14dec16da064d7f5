"""Deleting what is not needed any more: photos and checkpoints of trainings that are over, and files nobody names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from bot import lifecycle, versions
from bot.outbox import Outbox
from bot.store import consents, garbage, jobs, pictures
from bot.store.database import Database
from bot.store.records import Hold, Job
from trainer.contract.blobs import Blobs
from trainer.contract.names import checkpoint_prefix, photos_prefix

log = structlog.get_logger(__name__)

EVERY_S = 3600.0
KEPT_AFTER_FAILURE_S = 24 * 3600.0  # long enough to try the training again
HELD_FOR_S: dict[Hold, float] = {"review": 24 * 3600.0, "paused": 7 * 24 * 3600.0}  # then it is cancelled
ORPHANED_AFTER_S = 3600.0  # a submission takes minutes; photos without a job after an hour never get one


class Sweeper:
    """Sweeps at start, hourly, and when woken because a training was delivered."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        outbox: Outbox,
        *,
        keep_versions: int = 5,
        keep_pictures_days: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``keep_versions``: of an adapter, besides the one in use; an adapter of SDXL has 20 to 200 MB.

        ``keep_pictures_days``: then pictures that nobody keeps are deleted; 0: never.
        """
        self._keep_versions = keep_versions
        self._keep_pictures_days = keep_pictures_days
        self._database = database
        self._blobs = blobs
        self._outbox = outbox
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
                    await self.end_expired_holds()
                    await self.delete_checkpoints()
                    await self.delete_orphaned_photos()
                    await self.delete_old_versions()
                    await self.delete_old_pictures()
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
        """Delete photos and checkpoints of trainings that succeeded or ended otherwise a day ago; their job ids.

        After a success photos stay as long as their member wanted.
        """
        now = self._clock()
        due = await self._database.read(lambda tx: jobs.with_photos_to_delete(tx, now, now - KEPT_AFTER_FAILURE_S))
        for job_id in due:
            await self._delete_photos(job_id)
        if due:
            log.info("photos.deleted", jobs=due)
        return due

    async def _delete_photos(self, job_id: str) -> None:
        await self._blobs.delete_all(photos_prefix(job_id))
        await self._blobs.delete_all(checkpoint_prefix(job_id))
        await self._database.write(partial(jobs.set_photos_deleted, job_id=job_id, now=self._clock()))

    async def end_expired_holds(self) -> list[str]:
        """Cancel trainings that nobody answered for a day, whose photos go at once, or went on with for a week."""
        ended: list[Job] = []
        for why, kept_s in HELD_FOR_S.items():
            ended += await self._database.write(partial(lifecycle.end_holds, why=why, kept_s=kept_s, now=self._clock()))
        for job in ended:
            log.info("hold.expired", job=job.id, held=job.held)
            if job.held == "review":
                await self._delete_photos(job.id)
        if ended:
            self._outbox.wake()
        return [job.id for job in ended]

    async def delete_checkpoints(self) -> None:
        """Delete checkpoints of trainings that succeeded, where their photos are kept longer."""
        for job_id in await self._database.read(jobs.with_kept_photos):
            await self._blobs.delete_all(checkpoint_prefix(job_id))

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

    async def delete_old_versions(self) -> None:
        """Delete the oldest versions of adapters that have more than are kept; their files go a day later."""
        gone = await self._database.write(lambda tx: versions.trim(tx, self._keep_versions, self._clock()))
        if gone:
            log.info("versions.deleted", versions=[f"{each.id}@{each.version}" for each in gone])

    async def delete_old_pictures(self) -> list[str]:
        """Delete pictures of long ago that are nobody's favourite and no adapter's cover; the ids of their jobs.

        The messages that show them stay, for they are Discord's; their buttons say that the pictures were deleted.
        """
        if not self._keep_pictures_days:
            return []
        now = self._clock()
        before = now - 86400.0 * self._keep_pictures_days
        old = await self._database.read(lambda tx: pictures.unkept_before(tx, before))
        for job_id in old:
            await self._database.write(partial(lifecycle.throw_away_pictures, job_id=job_id, now=now))
        return old

    async def collect_garbage(self) -> list[str]:
        """Delete files that no adapter, picture or unfinished job names any more; their paths."""
        paths = await self._database.write(lambda tx: garbage.collectable(tx, self._clock()))
        for path in paths:
            await self._blobs.delete(path)
        await self._database.write(lambda tx: garbage.forget(tx, paths))
        return paths
