"""Accepting, stopping and looking up jobs: what the cogs call."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from sqlite3 import Connection
from uuid import uuid4

import msgspec
import structlog

from bot import checks, entries, lifecycle, reviews
from bot.adapters import check_free, check_name, require_visible
from bot.errors import DarkroomError, QueueDown, UserError, quoted
from bot.fairness import fair_order
from bot.findings import Report, Scale, scale_of
from bot.orders import ImagineOrder, Order, Origin, TrainOrder
from bot.outbox import Outbox
from bot.photos import Photos, check_uploads, is_zip
from bot.queue import Queue
from bot.recipes import check_for_base, check_recipe
from bot.store import bases, consents, jobs, members
from bot.store.database import Database
from bot.store.records import AdapterPick, Consent, Hold, Job, TrainSpec
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.events import BaseInfo, Progress
from trainer.contract.names import LANES, Lane, photo_path, photos_prefix
from trainer.contract.requests import Recipe

log = structlog.get_logger(__name__)


PHOTOS_GONE = "The photos of this training are gone, for they are kept a day: send them again with `/train`."
PROGRESS_PATIENCE_S = 1.0  # of the 3 s in which Discord wants an answer


class Limits(Order, frozen=True):
    """How many jobs a member may have waiting and running at a time, by lane."""

    train: int = 3
    imagine: int = 10


class Jobs:
    """The service behind ``/train``, ``/imagine``, ``/jobs`` and ``/cancel``."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        blobs: Blobs,
        photos: Photos,
        outbox: Outbox,
        *,
        limits: Limits,
        fallback_base: str | None = None,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``fallback_base`` is the base of jobs that come before any worker has said what it offers."""
        self._database = database
        self._queue = queue
        self._blobs = blobs
        self._photos = photos
        self._outbox = outbox
        self._limits = limits
        self._fallback_base = fallback_base
        self._on_change = on_change
        self._clock = clock

    # -- accepting ----------------------------------------------------------------------------------------------------

    async def submit_train(self, order: TrainOrder) -> Job:
        """Check the order, store consent, fetch and store the photos, and accept the training.

        Takes seconds: acknowledge the interaction first. Repeating an order returns the same job.
        Raises UserError: no consent, a bad or taken name, bad photos, too many waiting jobs, an unknown base.
        """
        if (known := await self.get(order.origin.job_id)) is not None:
            return known
        name, class_word = _read_order(order)
        if not is_zip(order.uploads[0]):
            checks.captions(order, order.captions)  # a zip may bring some
        consent = entries.consent_of(order, name, self._clock())
        base = await self._agree(order.origin, consent, order.base, order.recipe)
        scale = await self.scale(base, order.recipe.resolution)
        stored = await self._photos.collect(order.origin.job_id, order.uploads, scale)
        spec = entries.train_spec(order, name, class_word, stored)
        try:
            checks.captions(order, spec.captions)
        except UserError:
            await self._blobs.delete_all(photos_prefix(order.origin.job_id))
            raise
        return await self._accept_training(order.origin, base, spec, held="review" if stored.flagged else None)

    async def check_train(self, order: TrainOrder) -> None:
        """Check all of an order that can be checked before there are photos, and keep nothing.

        For whoever is to fill in a form first. Raises UserError, as :meth:`submit_train` would.
        """
        name, _ = _read_order(order)
        await self._database.read(lambda tx: self._check_train(tx, order.origin, name, order.base, order.recipe))

    async def check_recipe(self, recipe: Recipe, base: str | None) -> None:
        """Check a recipe against a base, before anything else of the order is known. Raises UserError."""
        check_recipe(recipe)
        await self._database.read(lambda tx: self._check_recipe(tx, recipe, base))

    async def retry_train(self, job_id: str, origin: Origin) -> Job:
        """Train again from the photos of a training that failed or was cancelled; they are kept for a day.

        Raises UserError: somebody else's, not over, its photos are gone, its name is taken, too many waiting jobs.
        """
        if (known := await self.get(origin.job_id)) is not None:
            return known

        def find(tx: Connection) -> tuple[Job, Consent | None]:
            job = jobs.get(tx, job_id)
            if job is None or job.lane != "train" or job.state not in {"failed", "cancelled"}:
                raise UserError("There is no training here to try again: start one with `/train`.")
            if job.owner_id != origin.member_id:
                raise UserError(f"This training belongs to {job.owner_name}: only they can try it again.")
            return job, consents.get(tx, job_id)

        old, consent = await self._database.read(find)
        if consent is None:
            raise UserError(PHOTOS_GONE)
        consent = msgspec.structs.replace(consent, job_id=origin.job_id)
        base = await self._agree(origin, consent, old.base, old.train.recipe)
        photos = await self._copy_photos(old, origin.job_id)
        spec = msgspec.structs.replace(old.train, adapter_id=uuid4().hex, photos=photos)
        held: Hold | None = "review" if await reviews.copy_report(self._blobs, job_id, origin.job_id) else None
        return await self._accept_training(origin, base, spec, held=held)

    async def _agree(self, origin: Origin, consent: Consent, base: str | None, recipe: Recipe) -> str:
        """Check what can be checked before there are photos, and store the consent; the base to use."""

        def agree(tx: Connection) -> str:
            chosen = self._check_train(tx, origin, consent.name, base, recipe)
            self._remember_member(tx, origin)
            consents.add(tx, consent)
            return chosen

        return await self._database.write(agree)

    def _check_train(self, tx: Connection, origin: Origin, name: str, base: str | None, recipe: Recipe) -> str:
        chosen = self._check_recipe(tx, recipe, base)
        self._check_acceptable(tx, origin, "train")
        check_free(tx, origin.member_id, name)
        return chosen

    def _check_recipe(self, tx: Connection, recipe: Recipe, base: str | None) -> str:
        chosen = self._base(tx, base)
        check_for_base(recipe, _info(tx, chosen))
        return chosen

    async def _accept_training(self, origin: Origin, base: str, spec: TrainSpec, *, held: Hold | None = None) -> Job:
        """Enter the job, whose photos are stored; where that fails they are deleted."""

        def accept(tx: Connection) -> Job:
            if jobs.get(tx, origin.job_id) is None:
                check_free(tx, origin.member_id, spec.name)  # another of theirs may have been quicker
                self._check_acceptable(tx, origin, "train")
            return jobs.insert(tx, entries.new_job(origin, "train", base, spec, self._clock(), held=held))

        try:
            job = await self._database.write(accept)
        except DarkroomError:
            await self._blobs.delete_all(photos_prefix(origin.job_id))
            raise
        return self._accepted(job)

    async def _copy_photos(self, old: Job, job_id: str) -> tuple[str, ...]:
        """Photos are never shared between jobs, so that deleting one's is certain. Raises UserError: they are gone."""
        paths = tuple(photo_path(job_id, index) for index in range(len(old.train.photos)))
        try:
            for source, path in zip(old.train.photos, paths, strict=True):
                await self._blobs.write(path, await self._blobs.read(source))
        except BlobMissing as error:
            await self._blobs.delete_all(photos_prefix(job_id))
            raise UserError(PHOTOS_GONE) from error
        return paths

    async def submit_imagine(self, order: ImagineOrder) -> Job:
        """Check the order against the base's limits and accept it. Repeating an order returns the same job.

        Raises UserError: empty prompt, steps, guidance, size or count out of range, adapters of another base,
        too many waiting jobs, an unknown base.
        """
        checks.prompts(order)
        checks.numbers(order)

        def accept(tx: Connection) -> Job:
            known = jobs.get(tx, order.origin.job_id)
            if known is not None:
                return known
            picks, base = self._check_adapters(tx, order)
            checks.size(order, _info(tx, base))
            self._check_acceptable(tx, order.origin, "imagine")
            self._remember_member(tx, order.origin)
            spec = entries.imagine_spec(order, picks)
            return jobs.insert(tx, entries.new_job(order.origin, "imagine", base, spec, self._clock()))

        return self._accepted(await self._database.write(accept))

    def _accepted(self, job: Job) -> Job:
        log.info("job.accepted", job=job.id, lane=job.lane, base=job.base, member=job.owner_id)
        self._on_change()
        return job

    def _check_acceptable(self, tx: Connection, origin: Origin, lane: Lane) -> None:
        limit = self._limits.train if lane == "train" else self._limits.imagine
        count = jobs.count_active(tx, origin.member_id, lane)
        if count >= limit:
            what = "training" if lane == "train" else "picture"
            raise UserError(
                f"You have {count} {what}{'' if count == 1 else 's'} under way, and {limit} at a time is the most:"
                " wait for one to finish, or stop one with `/cancel`."
            )

    def _check_adapters(self, tx: Connection, order: ImagineOrder) -> tuple[tuple[AdapterPick, ...], str]:
        """The order's adapters as they are now, and the base to draw with. Raises UserError.

        Tags decide on the base, then the member's own trigger words; a bare word means nothing on another base.
        """
        origin = order.origin
        found = [
            (pick, require_visible(tx, pick.adapter_id, origin.member_id, origin.guild_id)) for pick in order.adapters
        ]
        tagged = [(pick, adapter) for pick, adapter in found if pick.tagged]
        own = [(pick, adapter) for pick, adapter in found if adapter.owner_id == origin.member_id]
        leading = next((adapter for _, adapter in tagged or own), None)
        base = self._base(tx, order.base or (leading.base if leading else None))
        checks.one_base(tagged, base)
        for pick, adapter in found:
            checks.weight(pick)
            checks.no_checkpoint(pick, adapter)
        return tuple(entries.current_pick(pick, adapter) for pick, adapter in found if adapter.base == base), base

    def _base(self, tx: Connection, wanted: str | None) -> str:
        """The base to use: the one that is wanted, else the default. Raises UserError."""
        known = [info.name for info in bases.known(tx)]
        if not known and self._fallback_base is not None:
            known = [self._fallback_base]
        if not known:
            raise UserError(
                "No worker has started yet, so there is no model to work with: try again in a minute, or tell whoever"
                " runs this bot."
            )
        if wanted is not None and wanted not in known:
            raise UserError(
                f"There is no model {quoted(wanted)}: choose one of {', '.join(f'`{name}`' for name in known[:10])}."
            )
        return wanted or known[0]

    def _remember_member(self, tx: Connection, origin: Origin) -> None:
        members.remember(tx, origin.member_id, origin.member_name, self._clock())

    # -- cards --------------------------------------------------------------------------------------------------------

    async def attach_card(self, job_id: str, message_id: int, *, private: bool = False) -> Job:
        """Remember the message that shows the job. Only now does the job go to a worker.

        ``private``: the card is ephemeral, so that the worker posts the result as a new message.
        """
        return await self._set_card(job_id, "private" if private else "posted", message_id)

    async def give_up_card(self, job_id: str) -> Job:
        """The card could not be posted: let the worker post the result as a new message."""
        return await self._set_card(job_id, "lost", None)

    async def _set_card(self, job_id: str, card: str, message_id: int | None) -> Job:
        def change(tx: Connection) -> Job:
            jobs.set_card(tx, job_id, card, message_id, self._clock())
            return jobs.require(tx, job_id)

        job = await self._database.write(change)
        self._on_change()
        return job

    async def without_card(self) -> list[Job]:
        """Jobs whose card was never attached: a bot that starts finishes these (``job.token`` holds for 15 minutes)."""
        return await self._database.read(jobs.without_card)

    # -- looking up ---------------------------------------------------------------------------------------------------

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        return await self._database.read(lambda tx: jobs.get(tx, job_id))

    async def of_member(self, member_id: int, *, active: bool = True, limit: int = 25) -> list[Job]:
        """A member's jobs, newest first; ``active``: only those that wait or run."""
        return await self._database.read(lambda tx: jobs.of_member(tx, member_id, active=active, limit=limit))

    async def places(self) -> list[tuple[Job, int]]:
        """All that wait, each with its place in its lane's queue by fair shares, 1 being next."""

        def find(tx: Connection) -> list[tuple[Job, int]]:
            active = jobs.active(tx)
            return [(job, place) for lane in LANES for place, job in enumerate(_queue_of(tx, active, lane), 1)]

        return await self._database.read(find)

    async def position(self, job: Job) -> int | None:
        """Its place in its lane's queue, 1 being next; None when it does not wait."""
        return next((place for other, place in await self.places() if other.id == job.id), None)

    async def progress(self, job: Job) -> Progress | None:
        """How far a running job is, if a worker said so lately. None too when Redis is down."""
        try:
            progress = await self._queue.progress(job.id)
        except QueueDown:
            return None
        return progress if progress is not None and progress.attempt == job.attempt else None

    async def progress_of(self, running: Sequence[Job]) -> dict[str, Progress | None]:
        """How far these are, by job id; empty when Redis hangs, for a member waits for the answer."""
        try:
            async with asyncio.timeout(PROGRESS_PATIENCE_S):
                found = await asyncio.gather(*(self.progress(job) for job in running))
        except TimeoutError:
            return {}
        return {job.id: progress for job, progress in zip(running, found, strict=True)}

    async def is_served(self, job: Job) -> bool | None:
        """Whether a worker is alive that can do the job; None when Redis can't be asked."""
        try:
            beats = await self._queue.heartbeats()
        except QueueDown:
            return None
        return any(beat.serves(job.lane, job.base) for beat in beats)

    async def example_prompts(self, job: Job) -> tuple[str, ...]:
        """What the base of a training proposes to draw with its adapter."""
        return next((base.example_prompts for base in await self.bases() if base.name == job.base), ())

    async def bases(self) -> list[BaseInfo]:
        """The bases that workers offer or have offered, default first; for autocomplete and /imagine's limits."""
        return await self._database.read(bases.known)

    async def report(self, job: Job) -> Report | None:
        """What is to be said of a training's photos before it begins; None: nothing, or it was answered."""
        return await reviews.report_of(self._blobs, job.id)

    async def scale(self, base: str | None, resolution: int | None = None) -> Scale:
        """What a base learns at; the default one unless another is named. Raises UserError: there is none."""
        return await self._database.read(lambda tx: scale_of(_info(tx, self._base(tx, base)), resolution))

    # -- stopping -----------------------------------------------------------------------------------------------------

    async def cancel(self, job_id: str, member_id: int, *, moderator: bool = False) -> Job:
        """Stop a job: at once if it waits (``state`` is then cancelled), else the worker stops and tells it.

        A job that waited is told by ``Listener.on_cancelled`` too. Stopping twice changes nothing.
        Raises UserError: unknown, somebody else's (unless ``moderator``), or over already.
        """

        def change(tx: Connection) -> Job:
            job = jobs.get(tx, job_id)
            if job is None:
                raise UserError("Darkroom knows of no such job: `/jobs` shows yours.")
            if job.owner_id != member_id and not moderator:
                raise UserError(f"This job belongs to {job.owner_name}: only they, or a moderator, can stop it.")
            if job.is_final:
                over = {"succeeded": "done", "failed": "over, it did not work", "cancelled": "stopped"}[job.state]
                raise UserError(f"This job is {over} already, so there is nothing to stop.")
            now = self._clock()
            if job.outstanding:
                return jobs.request_cancel(tx, job_id, now) or job
            return lifecycle.end(tx, job_id, "cancelled", now, card_written=False) or job

        job = await self._database.write(change)
        if job.state == "cancelled":
            self._outbox.wake()
        self._on_change()  # the dispatcher tells the worker; nobody waits here for a Redis that hangs
        return job


def _read_order(order: TrainOrder) -> tuple[str, str]:
    """The name and the class word, where nothing is wrong with the order on its own. Raises UserError."""
    name, class_word = check_name(order.name), checks.class_word(order.class_word, order.kind)
    check_recipe(order.recipe)
    checks.consent(order.consent)
    check_uploads(order.uploads)
    return name, class_word


def _info(tx: Connection, base: str) -> BaseInfo | None:
    return next((info for info in bases.known(tx) if info.name == base), None)


def _queue_of(tx: Connection, active: Sequence[Job], lane: Lane) -> list[Job]:
    """The lane's waiting jobs in the order in which they will be served."""
    waiting = [job for job in active if job.lane == lane and not job.outstanding and job.held is None]
    if not waiting:
        return []
    in_hands = Counter(job.owner_id for job in active if job.lane == lane and job.outstanding)
    return fair_order(waiting, in_hands, jobs.last_served(tx, lane, sorted({job.owner_id for job in waiting})))
