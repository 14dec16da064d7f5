"""Accepting trainings: from an order and its photos to a job, anew, once more, or on from an adapter."""

from __future__ import annotations

import time
from collections.abc import Callable
from sqlite3 import Connection
from uuid import uuid4

import msgspec
import structlog

from bot import checks, entries, reviews
from bot.adapters import check_name, check_trainable
from bot.admission import Admission, enter, info_of, makes_checkpoint
from bot.continuing import Continuation, find_again, read_continuation
from bot.decency.orders import check_training, texts_of_training
from bot.errors import DarkroomError, UserError
from bot.findings import scale_of
from bot.likeness import read_likeness
from bot.orders import Origin, TrainOrder
from bot.photos import Photos, StoredPhotos, check_uploads, is_zip
from bot.recipes import check_for_base, check_recipe
from bot.rules import allows_explicit, check_explicit_words, check_texts
from bot.store import adapters, consents, jobs, members
from bot.store.database import Database
from bot.store.records import Consent, Hold, Job, Likeness, TrainSpec
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.names import photo_path, photos_prefix
from trainer.contract.requests import Kind, Recipe

log = structlog.get_logger(__name__)

PHOTOS_GONE = "The photos of this training are gone, for they are kept a day: send them again with `/train`."
MOST_PHOTOS = 100  # also together with those that were kept


class Trainings:
    """The service behind ``/train`` and Try again."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        photos: Photos,
        *,
        admission: Admission,
        keep_photos_days: int = 30,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``keep_photos_days``: how long photos are kept after success, where a member wants it."""
        self._database = database
        self._blobs = blobs
        self._photos = photos
        self._admission = admission
        self._keep_photos_days = keep_photos_days
        self._on_change = on_change
        self._clock = clock

    async def submit(self, order: TrainOrder) -> Job:
        """Check the order, store consent, fetch and store the photos, and accept the training.

        Takes seconds: acknowledge the interaction first. Repeating an order returns the same job.
        Raises UserError: no consent, a bad or taken name, bad photos, too many waiting jobs, an unknown base, an
        adapter that can't go on learning.
        """
        if (known := await self._known(order.origin)) is not None:
            return known
        order, going = await self._complete(order)
        if order.uploads and not is_zip(order.uploads[0]):
            checks.captions(order, order.captions)  # a zip may bring some
        consent = entries.consent_of(order, order.name, self._clock())
        base = await self._agree(order.origin, consent, order.base, order.recipe, _continued(going))
        stored = await self._collect(order, base)
        try:
            spec = await self._specify(order, going, stored)
        except UserError:
            await self._blobs.delete_all(photos_prefix(order.origin.job_id))
            raise
        return await self._accept(order.origin, base, spec, held="review" if stored.flagged else None)

    async def check(self, order: TrainOrder) -> None:
        """Check all of an order that can be checked before there are photos, and keep nothing.

        For whoever is to fill in a form first. Raises UserError, as :meth:`submit` would.
        """
        order, going = await self._complete(order)
        await self._database.read(
            lambda tx: self._check(tx, order.origin, order.name, order.base, order.recipe, _continued(going))
        )

    async def check_recipe(self, recipe: Recipe, base: str | None) -> None:
        """Check a recipe against a base, before anything else of the order is known. Raises UserError."""
        check_recipe(recipe)
        await self._database.read(lambda tx: self._check_recipe(tx, recipe, base))

    async def retry(self, job_id: str, origin: Origin) -> Job:
        """Train again from the photos of a training that failed or was cancelled; they are kept for a day.

        Raises UserError: somebody else's, not over, its photos are gone, its name is taken, too many waiting jobs.
        """
        if (known := await self._known(origin)) is not None:
            return known

        def find(tx: Connection) -> tuple[Job, Consent | None, TrainSpec]:
            job = jobs.get(tx, job_id)
            if job is None or job.lane != "train" or job.state not in {"failed", "cancelled"}:
                raise UserError("There is no training here to try again: start one with `/train`.")
            if job.owner_id != origin.member_id:
                raise UserError(f"This training belongs to {job.owner_name}: only they can try it again.")
            return job, consents.get(tx, job_id), find_again(tx, job.train, uuid4().hex)

        old, consent, spec = await self._database.read(find)
        if consent is None:
            raise UserError(PHOTOS_GONE)
        consent = msgspec.structs.replace(consent, job_id=origin.job_id)
        base = await self._agree(origin, consent, old.base, spec.recipe, spec.continues)
        spec = msgspec.structs.replace(spec, photos=await self._copy_photos(old, origin.job_id))
        held: Hold | None = "review" if await reviews.copy_report(self._blobs, job_id, origin.job_id) else None
        return await self._accept(origin, base, spec, held=held)

    async def _known(self, origin: Origin) -> Job | None:
        return await self._database.read(lambda tx: jobs.get(tx, origin.job_id))

    async def _complete(self, order: TrainOrder) -> tuple[TrainOrder, Continuation | None]:
        """The order with its words as they are stored, and what it goes on from. Raises UserError."""
        name, going = check_name(order.name), None
        if order.continue_from is None:
            class_word = checks.class_word(order.class_word, order.kind)
            likeness = read_likeness(order.likeness, order.kind)
            order = msgspec.structs.replace(order, name=name, class_word=class_word, likeness=likeness)
        check_recipe(order.recipe)
        checks.consent(order.consent)
        if order.keep_photos and not self._keep_photos_days:
            raise UserError("No photos are kept here after a training: leave `keep_photos` out.")
        if order.continue_from is None:
            check_uploads(order.uploads)
        else:
            going = await self._database.read(lambda tx: read_continuation(tx, order, name, self._clock()))
            order = going.order
        texts = texts_of_training(order.name, order.class_word, order.captions, order.recipe)
        person = _is_person(order.kind, order.likeness or "none")
        await self._database.read(lambda tx: _check_texts(tx, order.origin, texts, person=person))
        return order, going

    async def _collect(self, order: TrainOrder, base: str) -> StoredPhotos:
        if not order.uploads:
            return StoredPhotos((), ())
        scale = await self._database.read(lambda tx: scale_of(info_of(tx, base), order.recipe.resolution))
        explicit = await self._database.read(
            lambda tx: _may_be_explicit(tx, order.origin, order.kind, order.likeness or "none")
        )
        return await self._photos.collect(order.origin.job_id, order.uploads, scale, explicit_allowed=explicit)

    async def _specify(self, order: TrainOrder, going: Continuation | None, stored: StoredPhotos) -> TrainSpec:
        """What the training is to do, with the photos that were kept behind those that were sent. Raises UserError."""
        spec = entries.train_spec(order, stored, self._keep_photos_days if order.keep_photos else None)
        if going is not None:
            if going.kept is not None:
                paths = await self._copy_photos(going.kept, order.origin.job_id, behind=len(spec.photos))
                spec = entries.with_kept_photos(spec, going.kept.train, paths)
            if len(spec.photos) > MOST_PHOTOS:
                raise UserError(
                    f"{len(spec.photos)} photos, with those that were kept, are too many: {MOST_PHOTOS} are the most,"
                    " so send fewer."
                )
            spec = going.complete(spec)
        checks.captions(order, spec.captions)
        return spec

    async def _agree(
        self, origin: Origin, consent: Consent, base: str | None, recipe: Recipe, continues: str | None
    ) -> str:
        """Check what can be checked before there are photos, and store the consent; the base to use."""

        def agree(tx: Connection) -> str:
            chosen = self._check(tx, origin, consent.name, base, recipe, continues)
            members.remember(tx, origin.member_id, origin.member_name, self._clock())
            consents.add(tx, consent)
            return chosen

        return await self._database.write(agree)

    def _check(
        self, tx: Connection, origin: Origin, name: str, base: str | None, recipe: Recipe, continues: str | None
    ) -> str:
        chosen = self._check_recipe(tx, recipe, base)
        self._admission.check_room(tx, origin, "train")
        check_trainable(tx, origin.member_id, name, continues=continues)
        if recipe.output == "checkpoint":
            self._admission.check_checkpoints(tx, origin)
        return chosen

    def _check_recipe(self, tx: Connection, recipe: Recipe, base: str | None) -> str:
        chosen = self._admission.base(tx, base)
        check_for_base(recipe, info_of(tx, chosen))
        return chosen

    async def _accept(self, origin: Origin, base: str, spec: TrainSpec, *, held: Hold | None) -> Job:
        """Enter the job, whose photos are stored; where that fails they are deleted."""

        def accept(tx: Connection) -> Job:
            if jobs.get(tx, origin.job_id) is None:
                texts = texts_of_training(spec.name, spec.class_word, spec.captions, spec.recipe)
                _check_texts(tx, origin, texts, person=_is_person(spec.kind, spec.likeness))
                check_trainable(tx, origin.member_id, spec.name, continues=spec.continues)
                self._admission.check_room(tx, origin, "train")
                if makes_checkpoint(spec):
                    self._admission.check_checkpoints(tx, origin)
            known = adapters.own(tx, origin.member_id, spec.name)
            made = spec if known is None else msgspec.structs.replace(spec, adapter_id=known.id)  # its next version
            job = entries.new_job(
                origin, "train", base, made, self._clock(), held=held,
                explicit_allowed=_may_be_explicit(tx, origin, spec.kind, spec.likeness),
            )  # fmt: skip
            return enter(tx, job)

        try:
            job = await self._database.write(accept)
        except DarkroomError:
            await self._blobs.delete_all(photos_prefix(origin.job_id))
            raise
        log.info("job.accepted", job=job.id, lane=job.lane, base=job.base, member=job.owner_id)
        self._on_change()
        return job

    async def _copy_photos(self, old: Job, job_id: str, *, behind: int = 0) -> tuple[str, ...]:
        """Photos are never shared between jobs, so that deleting one's is certain. Raises UserError: they are gone."""
        paths = tuple(photo_path(job_id, behind + index) for index in range(len(old.train.photos)))
        try:
            for source, path in zip(old.train.photos, paths, strict=True):
                await self._blobs.write(path, await self._blobs.read(source))
        except BlobMissing as error:
            await self._blobs.delete_all(photos_prefix(job_id))
            raise UserError(PHOTOS_GONE) from error
        return paths


def _is_person(kind: Kind, likeness: Likeness) -> bool:
    """Whether it is the likeness of a real person, or may be."""
    return kind == "face" or likeness != "none"


def _check_texts(tx: Connection, origin: Origin, texts: tuple[str, ...], *, person: bool) -> None:
    """What a training is called and what its captions say. Raises UserError."""
    check_training(texts, person=person)
    check_explicit_words(tx, origin, texts)
    check_texts(tx, origin.guild_id, texts)


def _may_be_explicit(tx: Connection, origin: Origin, kind: Kind, likeness: Likeness) -> bool:
    """Whether its photos and its examples may be: where the place allows it, and never of a real person."""
    return not _is_person(kind, likeness) and allows_explicit(tx, origin)


def _continued(going: Continuation | None) -> str | None:
    """The id of the adapter that goes on learning."""
    return None if going is None else going.adapter.id
