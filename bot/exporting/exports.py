"""Accepting exports, and what their owner is told of the file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

import structlog

from bot import checks, entries
from bot.adapters import Adapters
from bot.admission import Admission, enter
from bot.errors import UserError, quoted
from bot.exporting.links import Links
from bot.lifecycle import EXPORT_KEPT_S
from bot.merging.parents import parent_of
from bot.orders import Order, Origin
from bot.store import adapters, jobs, lineage, members
from bot.store.database import Database
from bot.store.records import Adapter, Job, MergeSpec
from trainer.contract import looks
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.drawings import AdapterUse
from trainer.contract.events import Outcome, decode_outcome
from trainer.contract.merges import ExportFile, FileForm, Precision
from trainer.contract.names import outcome_path

log = structlog.get_logger(__name__)

MOST_RANK = 320
_READ_BY: dict[FileForm, str] = {"kohya": "A1111, Forge and ComfyUI", "diffusers": "diffusers and ComfyUI"}


class ExportOrder(Order, frozen=True):
    """``/adapter export``."""

    origin: Origin
    name: str
    form: FileForm = "kohya"
    rank: int | None = None
    precision: Precision = "float16"


@dataclass(frozen=True)
class Handover:
    """What an owner is told of an exported file, and the file itself where it can be attached."""

    text: str
    filename: str | None = None
    data: bytes = b""


class Exports:
    """The service behind ``/adapter export``. Its owner alone may take an adapter away, and nothing of others in it."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        adapters: Adapters,
        *,
        admission: Admission,
        links: Links | None = None,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``links``: what makes links to files that are too large for Discord; None: there are none."""
        self._database, self._blobs, self._adapters, self._admission = database, blobs, adapters, admission
        self._links, self._on_change, self._clock = links, on_change, clock

    async def submit(self, order: ExportOrder) -> Job:
        """Accept an export; one that was made a moment ago, of the same adapter, is found again, and is over already.

        Raises UserError: unknown, somebody else's, made of what belongs to others, a rank or precision that is none.
        """
        origin = order.origin
        adapter = await self._own(order)
        _check(order, adapter)

        def accept(tx: Connection) -> Job:
            if (known := jobs.get(tx, origin.job_id)) is not None:
                return known
            if foreign := lineage.foreign_parents(tx, adapter.id, adapter.owner_id):
                raise UserError(
                    f"{quoted(adapter.name)} is made of {foreign[0]}, which is not yours to take away: ask its"
                    " owner, or merge without it."
                )
            base = self._admission.base(tx, adapter.base or None)
            spec = _spec(order, adapter)
            if (made := jobs.newest_like(tx, origin.member_id, base, spec)) is not None and self._is_kept(made):
                return made
            self._admission.check_room(tx, origin, "merge")
            members.remember(tx, origin.member_id, origin.member_name, self._clock())
            return enter(tx, entries.new_job(origin, "merge", base, spec, self._clock()))

        job = await self._database.write(accept)
        log.info("job.accepted", job=job.id, lane=job.lane, base=job.base, member=job.owner_id)
        self._on_change()
        return job

    async def hand_over(self, job: Job) -> Handover:
        """The file of an export that is done: attached, or by a link, or what to do where neither is possible."""
        outcome = await self.outcome(job)
        file = None if outcome is None else outcome.export
        if outcome is None or file is None:
            return _deleted(job)
        text = f"{_describe(job.merge)}, {looks.size(file.size_bytes)}. {outcome.report}".strip()
        if file.size_bytes <= job.upload_limit_bytes:
            try:
                return Handover(text, file.filename, await self._blobs.read(file.blob))
            except BlobMissing:
                return _deleted(job)
        if self._links is not None:
            return Handover(f"{text}\n{self._links.make(job)}\n{self._links.words}")
        return Handover(f"{text}\n{_way_out(job, file.size_bytes)}")

    async def outcome(self, job: Job) -> Outcome | None:
        """What the export made; None: it is deleted by now."""
        try:
            return decode_outcome(await self._blobs.read(outcome_path(job.id)))
        except BlobMissing:
            return None

    async def is_allowed(self, job: Job, member_id: int) -> bool:
        """Whether a member may still have this file: the adapter is there, theirs, and made of nobody else's."""

        def look(tx: Connection) -> bool:
            return all(
                (adapter := adapters.get(tx, parent.adapter_id)) is not None
                and adapter.owner_id == member_id
                and not lineage.foreign_parents(tx, adapter.id, member_id)
                for parent in job.merge.parents
            )

        return job.is_export and job.owner_id == member_id and await self._database.read(look)

    async def _own(self, order: ExportOrder) -> Adapter:
        origin = order.origin
        adapter = await self._adapters.resolve(order.name, viewer_id=origin.member_id, guild_id=origin.guild_id)
        if adapter.owner_id != origin.member_id:
            raise UserError(
                f"{quoted(adapter.name)} belongs to {adapter.owner_name}: only they can take its file away."
            )
        return adapter

    def _is_kept(self, job: Job) -> bool:
        return self._clock() - (job.finished_at or 0.0) < EXPORT_KEPT_S


def _deleted(job: Job) -> Handover:
    return Handover(f"The file of `{job.merge.name}` is deleted by now: use `/adapter export` again.")


def _check(order: ExportOrder, adapter: Adapter) -> None:
    if order.rank is not None and adapter.kind != "lora":
        raise UserError(f"{quoted(adapter.name)} has no rank: leave `rank` out.")
    checks.within("rank", order.rank, 1, MOST_RANK)
    if order.rank is not None and adapter.rank and order.rank > adapter.rank:
        raise UserError(
            f"{quoted(adapter.name)} has rank {adapter.rank}, and more holds no more: choose a lower `rank`, or"
            " leave it out."
        )
    if adapter.kind == "lora" and order.form == "diffusers" and order.precision == "float8_e4m3fn":
        raise UserError("float8 has a place in kohya's form alone: choose another `dtype`, or leave `form` out.")
    if adapter.kind == "checkpoint" and order.form == "diffusers":
        raise UserError(
            f"{quoted(adapter.name)} is a whole model, which is one file in the original layout: leave `form` out."
        )


def _spec(order: ExportOrder, adapter: Adapter) -> MergeSpec:
    use = AdapterUse(
        name=adapter.name, blob=adapter.blob, weight=1.0, kind=adapter.kind, trigger=adapter.trigger
    )  # fmt: skip
    work = ExportFile(use, order.form, order.rank, order.precision)
    return MergeSpec(
        work=work, name=adapter.name, parents=(parent_of(adapter),), method=adapter.method, trigger=adapter.trigger
    )


def _describe(spec: MergeSpec) -> str:
    work = spec.work
    if not isinstance(work, ExportFile):
        raise TypeError(f"{spec.name} is no export")
    if work.adapter.kind == "checkpoint":
        return f"`{spec.name}` as one file in the original layout, for A1111, Forge and ComfyUI, {work.precision}"
    rank = f" of rank {work.rank}" if work.rank is not None else ""
    precision = "" if work.adapter.kind == "textual_inversion" else f", {work.precision}"  # vectors stay as they are
    return f"`{spec.name}`{rank} for {_READ_BY[work.form]}{precision}"


def _way_out(job: Job, size_bytes: int) -> str:
    limit = f"That is above the {job.upload_limit_bytes // 2**20} MiB that can be sent here"
    operator = "or ask whoever runs this bot to set up downloads"
    work = job.merge.work
    if not isinstance(work, ExportFile) or work.adapter.kind != "lora":
        return f"{limit}: {operator.removeprefix('or ')}."
    return f"{limit}: choose a lower `rank`, `dtype:float8`, {operator}."
