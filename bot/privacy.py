"""What Darkroom has of a member: handed over as a zip, or deleted so that nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import structlog

from bot.errors import QueueDown, UserError
from bot.jobs import Jobs
from bot.packing import Packer
from bot.queue import Queue
from bot.store import erasures, garbage
from bot.store.database import Database
from bot.store.records import Erasure
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.names import checkpoint_prefix, photos_prefix

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0  # while jobs of somebody who goes are still in workers' hands
IDLE_S = 3600.0
_HIDDEN = {"token"}  # of an interaction: it would let whoever has the file answer it


class Messages(Protocol):
    """The bot's face, as far as deleting goes."""

    async def delete_message(self, channel_id: int, message_id: int) -> None:
        """Delete a message of the bot's own; one that is gone, or out of reach, is no error."""


class Privacy:
    """The service behind ``/privacy``. What was asked for is done in the background, also after a restart."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        blobs: Blobs,
        jobs_service: Jobs,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._queue, self._blobs, self._jobs = database, queue, blobs, jobs_service
        self._clock = clock
        self._woken = asyncio.Event()

    # -- handing over -------------------------------------------------------------------------------------------------

    async def hand_over(self, member_id: int, part_bytes: int) -> tuple[list[bytes], list[str]]:
        """Everything of a member as zips of at most ``part_bytes``, and what did not fit, each a file's name.

        The rows come first, as one JSON file a table; then pictures, adapters and the photos that are kept.
        """
        rows, named = await self._database.read(
            lambda tx: (erasures.rows_of(tx, member_id), erasures.blobs_of(tx, member_id))
        )
        packer = Packer(part_bytes)
        for table, found in rows.items():
            if found:
                shown = [{key: value for key, value in row.items() if key not in _HIDDEN} for row in found]
                text = json.dumps(shown, indent=1, ensure_ascii=False, default=str)
                packer.add(f"{table}.json", text.encode(), compress=True)
        async for name, data in self._files(named, [str(row["id"]) for row in rows["jobs"]]):
            packer.add(name, data)
        return packer.close(), packer.left_out

    async def _files(self, named: list[str], job_ids: list[str]) -> AsyncIterator[tuple[str, bytes]]:
        photos = [path for job_id in job_ids for path in await self._blobs.list(photos_prefix(job_id))]
        for path in [*named, *photos]:
            try:
                yield path, await self._blobs.read(path)
            except BlobMissing:  # deleted meanwhile
                continue

    # -- deleting -----------------------------------------------------------------------------------------------------

    async def ask_erasure(self, member_id: int) -> int:
        """Delete everything of a member as soon as none of their jobs is in a worker's hands; how many still are.

        They are stopped. Asking twice changes nothing.
        """
        await self._database.write(lambda tx: erasures.ask(tx, member_id, self._clock()))
        active = await self._jobs.of_member(member_id, limit=1000)
        for job in active:
            try:
                await self._jobs.cancel(job.id, member_id)
            except UserError:  # it ended meanwhile
                continue
        self._woken.set()
        return len(await self._jobs.of_member(member_id, limit=1000))

    async def run(self, face: Messages) -> None:
        """Do what was asked for, until cancelled."""
        while True:
            self._woken.clear()
            left = await self.erase_due(face)
            try:
                async with asyncio.timeout(LOOK_EVERY_S if left else IDLE_S):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def erase_due(self, face: Messages) -> int:
        """Delete what can be deleted now; how many members wait."""
        for erasure in await self._database.read(erasures.all_open):
            try:
                await self._erase(erasure, face)
            except (QueueDown, OSError) as error:
                log.warning("erasure.interrupted", error=str(error))  # what is left is written down
        return len(await self._database.read(erasures.all_open))

    async def _erase(self, erasure: Erasure, face: Messages) -> None:
        member_id = erasure.member_id
        if erasure.erased_at is None:
            if await self._jobs.of_member(member_id, limit=1):
                return  # a worker has still to let go of it
            erased = await self._database.write(lambda tx: erasures.erase(tx, member_id, self._clock()))
            if erased is None:
                return
            erasure = erased
        for job_id in erasure.jobs:
            await self._blobs.delete_all(photos_prefix(job_id))
            await self._blobs.delete_all(checkpoint_prefix(job_id))
            await self._queue.forget(job_id)
        for path in await self._database.read(lambda tx: garbage.unnamed(tx, erasure.blobs, self._clock())):
            await self._blobs.delete(path)
        await self._queue.rewrite()
        await self._delete_messages(erasure, face)
        await self._database.write(lambda tx: erasures.finish(tx, member_id))
        await self._database.truncate_log()
        log.info("member.erased", jobs=len(erasure.jobs), files=len(erasure.blobs), messages=len(erasure.messages))

    async def _delete_messages(self, erasure: Erasure, face: Messages) -> None:
        left = list(erasure.messages)
        while left:
            await face.delete_message(*left.pop(0))
            await self._database.write(lambda tx: erasures.set_messages(tx, erasure.member_id, tuple(left)))
