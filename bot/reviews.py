"""What a member says to the report on their photos, before the GPU is used: train anyway, or leave some out.

The report and the crop sheet lie among the job's photos, so that they are deleted with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from sqlite3 import Connection

import msgspec
import structlog

from bot.admission import info_of
from bot.control import own_training
from bot.errors import UserError
from bot.findings import Report, Scale, scale_of
from bot.orders import Upload
from bot.outbox import Outbox
from bot.photos import LEAST_PHOTOS, Photos
from bot.store import jobs
from bot.store.database import Database
from bot.store.records import Job, TrainSpec
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.names import report_path, sheet_path

log = structlog.get_logger(__name__)

PHOTOS_DELETED = "The photos of this training are deleted by now: its card says how it stands."
ANSWERED = "This training waits for no answer any more: its card says how it stands."


class Reviews:
    """The service behind the buttons about a training's photos, and ``/photos check``."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        photos: Photos,
        outbox: Outbox,
        *,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._photos = photos
        self._outbox = outbox
        self._on_change = on_change
        self._checking: set[int] = set()  # members

    async def check(self, member_id: int, uploads: Sequence[Upload], scale: Scale) -> tuple[Report, bytes]:
        """Look through photos that are not to be learned yet, and keep nothing: the report, and the sheet as a JPEG.

        Raises UserError: bad photos, or a check of this member's is under way.
        """
        with self._once_at_a_time(member_id):
            return await self._photos.check(uploads, scale)

    async def look(self, job_id: str, member_id: int) -> tuple[Report, bytes]:
        """The report on a training's photos, and the sheet, as long as it is not over and they are there.

        Of one that waits for an answer both lie among the photos; of others they are made anew, and not kept.
        Raises UserError: somebody else's, over, or photos of this member's are being looked through.
        """

        def find(tx: Connection) -> tuple[Job, Scale]:
            job = own_training(tx, job_id, member_id, "see its photos")
            return job, scale_of(info_of(tx, job.base), job.train.recipe.resolution)

        job, scale = await self._database.read(find)
        try:
            if job.held == "review":
                return await _read_report(self._blobs, job_id), await self._blobs.read(sheet_path(job_id))
            with self._once_at_a_time(member_id):
                return await self._photos.look_again(job.train.photos, scale)
        except BlobMissing as error:
            raise UserError(ANSWERED if job.held == "review" else PHOTOS_DELETED) from error

    @contextmanager
    def _once_at_a_time(self, member_id: int) -> Iterator[None]:
        """Looking through photos takes seconds of a core. Raises UserError."""
        if member_id in self._checking:
            raise UserError("Other photos of yours are being looked through: wait until that is done.")
        self._checking.add(member_id)
        try:
            yield
        finally:
            self._checking.discard(member_id)

    async def train(self, job_id: str, member_id: int) -> Job:
        """Let it begin with all its photos. Raises UserError: somebody else's, or answered already."""

        def answer(tx: Connection) -> tuple[Job, Job]:
            before = _held(tx, job_id, member_id, "say how it goes on")
            return before, jobs.release(tx, job_id) or before

        return await self._answered(*await self._database.write(answer))

    async def drop(self, job_id: str, member_id: int) -> Job:
        """Let it begin without the photos that have findings, which are deleted; captions stay with their photos.

        Raises UserError: somebody else's, answered already, or too few would be left.
        """
        report = await report_of(self._blobs, job_id)

        def answer(tx: Connection) -> tuple[Job, Job]:
            before = _held(tx, job_id, member_id, "say how it goes on")
            if report is None:
                raise UserError(ANSWERED)
            if (obstacle := why_not_drop(report, before)) is not None:
                raise UserError(obstacle)
            jobs.set_spec(tx, job_id, _only(before.train, left_without(report, before)))
            return before, jobs.release(tx, job_id) or before

        before, after = await self._database.write(answer)
        for path in set(before.train.photos) - set(after.train.photos):
            await self._blobs.delete(path)
        return await self._answered(before, after)

    async def _answered(self, before: Job, after: Job) -> Job:
        log.info("review.answered", job=after.id, photos=len(after.train.photos), before=len(before.train.photos))
        for path in (report_path(after.id), sheet_path(after.id)):
            await self._blobs.delete(path)
        self._outbox.changed(before, after)
        self._on_change()
        return after


def _only(spec: TrainSpec, kept: Sequence[int]) -> TrainSpec:
    """The same training with these of its photos, and what belongs to them."""
    photos, captions, focuses = (
        tuple(values[index] for index in kept) for values in (spec.photos, spec.captions, spec.focuses)
    )
    return msgspec.structs.replace(spec, photos=photos, captions=captions, focuses=focuses)


def left_without(report: Report, job: Job) -> tuple[int, ...]:
    """The photos that are left without those that have findings, from 0.

    Behind the photos that were sent, which the report is about, may lie others that an earlier training has kept.
    """
    return (*report.kept(), *range(len(report.photos), len(job.train.photos)))


def why_not_drop(report: Report, job: Job) -> str | None:
    """Why the photos with findings can't be left out; None: they can."""
    count = len(left_without(report, job))
    if count >= LEAST_PHOTOS:
        return None
    left = {0: "none", 1: "one"}.get(count, str(count))
    return f"Without them {left} would be left, and {LEAST_PHOTOS} photos are the fewest to learn from."


def _held(tx: Connection, job_id: str, member_id: int, what: str) -> Job:
    """The member's training that waits for an answer. Raises UserError."""
    job = own_training(tx, job_id, member_id, what)
    if job.held != "review":
        raise UserError(ANSWERED)
    return job


async def _read_report(blobs: Blobs, job_id: str) -> Report:
    return msgspec.json.decode(await blobs.read(report_path(job_id)), type=Report)


async def report_of(blobs: Blobs, job_id: str) -> Report | None:
    """What was found in a training's photos; None: nothing, or it was answered, or they are deleted."""
    try:
        return await _read_report(blobs, job_id)
    except BlobMissing:
        return None


async def copy_report(blobs: Blobs, job_id: str, to_job_id: str) -> bool:
    """Carry a report that was not answered over to another try of the same training; whether there is one."""
    try:
        report, sheet = await blobs.read(report_path(job_id)), await blobs.read(sheet_path(job_id))
    except BlobMissing:
        return False
    await blobs.write(sheet_path(to_job_id), sheet)
    await blobs.write(report_path(to_job_id), report)
    return True
