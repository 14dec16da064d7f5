"""Accepting, stopping and looking up jobs: what the cogs call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from sqlite3 import Connection

import structlog

from bot import checks, entries, fitting, lifecycle, reviews, sizes, vaes
from bot.adapters import require_visible
from bot.admission import Admission, enter, info_of
from bot.decency.minors import look_at_all
from bot.decency.orders import check_drawing, texts_of_drawing
from bot.errors import QueueDown, UserError
from bot.findings import Report, Scale, scale_of
from bot.orders import ImagineOrder, Origin
from bot.outbox import Outbox
from bot.queue import Queue
from bot.rules import allows_explicit, check_explicit, check_explicit_words, check_texts
from bot.store import bases, jobs, members, turns
from bot.store.database import Database
from bot.store.records import AdapterPick, Job, Place
from trainer.contract.blobs import Blobs
from trainer.contract.events import BaseInfo, Heartbeat, Progress
from trainer.contract.names import LANES

log = structlog.get_logger(__name__)


PROGRESS_PATIENCE_S = 1.0  # of the 3 s in which Discord wants an answer


class Jobs:
    """The service behind ``/imagine``, ``/jobs``, ``/cancel`` and every job's card."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        blobs: Blobs,
        outbox: Outbox,
        *,
        admission: Admission,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._queue = queue
        self._blobs = blobs
        self._outbox = outbox
        self._admission = admission
        self._on_change = on_change
        self._clock = clock

    # -- accepting ----------------------------------------------------------------------------------------------------

    async def submit_imagine(self, order: ImagineOrder) -> Job:
        """Check the order against the base's limits and accept it. Repeating an order returns the same job.

        Raises UserError: empty prompt, steps, guidance, size or count out of range, adapters of another base,
        too many waiting jobs, an unknown base. A VAE that is not there is told on the card.
        """
        checks.count(order)
        for shot in (order, *order.shots):
            checks.prompts(shot)
            checks.numbers(shot)
            checks.sampler(shot)

        await asyncio.to_thread(look_at_all, texts_of_drawing(order, ()))  # so that no transaction waits for it

        def accept(tx: Connection) -> Job:
            known = jobs.get(tx, order.origin.job_id)
            if known is not None:
                return known
            picks, base, explicit = self._check_adapters(tx, order)
            info = info_of(tx, base)
            settled = vaes.settle(sizes.settle(order, info), info)
            for shot in settled.pictures:
                checks.size(shot, info)
                checks.high_res(shot, info)
            self._admission.check_room(tx, order.origin, "imagine", pictures=len(order.pictures))
            members.remember(tx, order.origin.member_id, order.origin.member_name, self._clock())
            spec = entries.imagine_spec(settled, picks)
            job = entries.new_job(order.origin, "imagine", base, spec, self._clock(), explicit_allowed=explicit)
            return enter(tx, job)

        return self._accepted(await self._database.write(accept))

    def _accepted(self, job: Job) -> Job:
        log.info("job.accepted", job=job.id, lane=job.lane, base=job.base, member=job.owner_id)
        self._on_change()
        return job

    def _check_adapters(self, tx: Connection, order: ImagineOrder) -> tuple[tuple[AdapterPick, ...], str, bool]:
        """The order's adapters as they are now, the base to draw with, and whether the result may be explicit.

        Raises UserError.

        Tags decide on the base, then the member's own trigger words; a bare word means nothing on another base.
        """
        origin = order.origin
        found = [
            (pick, require_visible(tx, pick.adapter_id, origin.member_id, origin.guild_id))
            for pick in order.all_adapters
        ]
        tagged = [(pick, adapter) for pick, adapter in found if pick.tagged]
        own = [(pick, adapter) for pick, adapter in found if adapter.owner_id == origin.member_id]
        leading = [adapter for _, adapter in tagged or own]
        known = bases.known(tx)
        base = self._admission.base(tx, order.base or fitting.base_for(leading, known))
        fitting.check(tagged, base, known)
        for shot in order.pictures:
            checks.one_checkpoint([(pick, adapter) for pick, adapter in found if pick in shot.adapters])
        for pick in order.all_adapters:
            checks.weight(pick)
        check_drawing(order, found)
        check_texts(tx, origin.guild_id, texts_of_drawing(order, found))
        check_explicit_words(
            tx, origin, [text for shot in order.pictures for text in (shot.prompt, shot.prompt_written)]
        )
        explicit = check_explicit(tx, origin, [adapter for _, adapter in found])
        acting = [(pick, adapter) for pick, adapter in found if fitting.suits(adapter, base, known)]
        return tuple(entries.current_pick(pick, adapter) for pick, adapter in acting), base, explicit

    async def allows_explicit(self, origin: Origin) -> bool:
        """Whether what is explicit may be sent and shown where an order comes from."""
        return await self._database.read(lambda tx: allows_explicit(tx, origin))

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

    async def places(self) -> list[Place]:
        """All that wait, each with its place in its lane's queue by fair shares, 1 being next."""
        return await self._database.read(lambda tx: [place for lane in LANES for place in turns.places(tx, lane)])

    async def position(self, job: Job) -> int | None:
        """Its place in its lane's queue, 1 being next; None when it does not wait."""
        return await self._database.read(lambda tx: turns.place_of(tx, job.id))

    async def positions(self, some: Sequence[Job]) -> dict[str, int]:
        """The places of those of them that wait, by job id."""
        found = await self._database.read(lambda tx: [(job.id, turns.place_of(tx, job.id)) for job in some])
        return {job_id: place for job_id, place in found if place is not None}

    async def progress(self, job: Job) -> Progress | None:
        """How far a running job is, if a worker said so lately. None too when Redis is down, or hangs for a second."""
        try:
            async with asyncio.timeout(PROGRESS_PATIENCE_S):
                progress = await self._queue.progress(job.id)
        except (QueueDown, TimeoutError):
            return None
        return progress if progress is not None and progress.attempt == job.attempt else None

    async def progress_of(self, running: Sequence[Job]) -> dict[str, Progress | None]:
        """How far these are, by job id."""
        found = await asyncio.gather(*(self.progress(job) for job in running))
        return {job.id: progress for job, progress in zip(running, found, strict=True)}

    async def workers_for(self, job: Job) -> list[Heartbeat] | None:
        """The workers that are alive and can do the job; None when Redis can't be asked."""
        try:
            beats = await self._queue.heartbeats()
        except QueueDown:
            return None
        return [beat for beat in beats if beat.serves(job.lane, job.base)]

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
        return await self._database.read(lambda tx: scale_of(info_of(tx, self._admission.base(tx, base)), resolution))

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
