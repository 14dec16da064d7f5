"""Accepting merges: from what a member writes to a job of the lane ``merge``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from sqlite3 import Connection
from uuid import uuid4

import structlog

from bot import checks, entries
from bot.adapters import Adapters, check_free, check_name
from bot.admission import Admission, enter, makes_checkpoint
from bot.decency.minors import check_words
from bot.errors import UserError, quoted
from bot.merging.orders import ExtractOrder, MergeOrder, ModelsOrder
from bot.merging.parents import MOST_PARENTS, Found, find_vae, look_again, one_family, parent_of, use_of
from bot.orders import Origin
from bot.rules import check_texts
from bot.store import bases, jobs, members
from bot.store.database import Database
from bot.store.records import Adapter, Job, MergeSpec, Parent
from trainer.contract import looks
from trainer.contract.merge_blocks import parse_blocks
from trainer.contract.merges import (
    EXTRACTED_RANK,
    BakeAdapters,
    BlockWeights,
    ExtractAdapter,
    MergeAdapters,
    MergeModels,
)
from trainer.contract.prompt.errors import PromptError
from trainer.contract.prompt.tags import Network, read_tags, take_tags_out
from trainer.contract.requests import Method

log = structlog.get_logger(__name__)

MOST_RANK = 320
_DENSITY = 0.5
_ALPHA = {"weighted_sum": 0.5, "add_difference": 1.0, "slerp": 0.5}


class Merges:
    """The service behind ``/merge`` and ``/checkpoint``. A repeated order returns its job. All raise UserError."""

    def __init__(
        self,
        database: Database,
        adapters: Adapters,
        *,
        admission: Admission,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._adapters, self._admission = database, adapters, admission
        self._on_change, self._clock = on_change, clock

    async def merge_adapters(self, order: MergeOrder) -> Job:
        """The adapters of a prompt, into one or into a whole model."""
        name, origin = check_name(order.name), order.origin
        _check_method(order)
        networks = read_networks(order.prompt)
        found = [await self._adapter(network.name, origin) for network in networks]
        into = None if order.into is None else await self._model(order.into, origin)
        _check_kinds(found, into)
        if len(networks) == 1 and into is None:
            raise UserError(
                f"A merge takes two adapters at least, and there is one: add another, or say `into` which model"
                f" {quoted(networks[0].name)} is to be put."
            )

        def specify(tx: Connection) -> tuple[str, MergeSpec]:
            now = [look_again(tx, each, origin) for each in found]
            model = None if into is None else look_again(tx, into, origin)
            base = one_family(tx, now if model is None else [model, *now])
            pairs = [(each.adapter, network) for each, network in zip(now, networks, strict=True) if each.adapter]
            uses = tuple(use_of(adapter, network) for adapter, network in pairs)
            parents = tuple(parent_of(adapter, network.weight) for adapter, network in pairs)
            leading = max(pairs, key=lambda pair: abs(pair[1].weight))[0]
            others = [adapter for adapter, _ in pairs if adapter.id != leading.id]
            _check_ranks(order, [adapter for adapter, _ in pairs])
            if model is None:
                work = MergeAdapters(
                    uses, order.method, order.rank, _DENSITY if order.density is None else order.density,
                    checks.seed(order.seed) if order.method == "dare" else 0,
                )  # fmt: skip
                return base, _spec(work, name, parents, leading, others)
            if model.adapter is not None:
                parents = (parent_of(model.adapter), *parents)
            return base, _spec(BakeAdapters(model.model, uses), name, parents, leading, others)

        return await self._submit(origin, name, specify)

    async def merge_models(self, order: ModelsOrder) -> Job:
        """Two or three whole models, into one."""
        name, origin = check_name(order.name), order.origin
        blocks = _blocks(order.blocks)
        written = [order.a, order.b, *([] if order.c is None else [order.c])]
        needed = 3 if order.method == "add_difference" else 2
        if len(written) != needed:
            raise UserError(
                "`add_difference` takes A + (B − C): say in `c` what B was made of."
                if needed == 3
                else f"`{order.method}` takes A and B alone: leave `c` out, or choose `add_difference`."
            )
        found = [await self._model(each, origin) for each in written]
        alpha = _ALPHA[order.method] if order.alpha is None else order.alpha
        checks.within("alpha", alpha, 0.0, 2.0 if order.method == "add_difference" else 1.0)

        def specify(tx: Connection) -> tuple[str, MergeSpec]:
            now = [look_again(tx, each, origin) for each in found]
            base = one_family(tx, now)
            vae = None if order.vae is None else find_vae(tx, order.vae, base)
            work = MergeModels(tuple(each.model for each in now), order.method, alpha, blocks, vae)
            own = [each.adapter for each in now if each.adapter is not None]
            parents = tuple({adapter.id: parent_of(adapter) for adapter in own}.values())
            return base, _spec(work, name, parents, own[0] if own else None, own[1:])

        return await self._submit(origin, name, specify)

    async def extract(self, order: ExtractOrder) -> Job:
        """The LoRA in what changed from one whole model to another."""
        name, origin = check_name(order.name), order.origin
        checks.within("rank", order.rank, 1, MOST_RANK)
        tuned = await self._model(order.tuned, origin)
        original = await self._model(order.original or tuned.base, origin)
        if tuned.model == original.model:
            raise UserError(f"{quoted(order.tuned)} is the model itself: say in `tuned` what was made of it.")

        def specify(tx: Connection) -> tuple[str, MergeSpec]:
            now = [look_again(tx, each, origin) for each in (original, tuned)]
            base = one_family(tx, now)
            work = ExtractAdapter(now[0].model, now[1].model, order.rank or EXTRACTED_RANK)
            own = [each.adapter for each in reversed(now) if each.adapter is not None]
            parents = tuple(parent_of(adapter) for adapter in own)
            return base, _spec(work, name, parents, own[0] if own else None, own[1:])

        return await self._submit(origin, name, specify)

    async def models(self, typed: str, *, viewer_id: int, guild_id: int | None) -> list[str]:
        """For autocomplete: names of bases and of checkpoints that the viewer can use."""
        known = [info.name for info in await self._database.read(bases.known)]
        visible = await self._adapters.visible(viewer_id=viewer_id, guild_id=guild_id)
        names = [*known, *(each.name_for(viewer_id) for each in visible if each.kind == "checkpoint")]
        return [name for name in dict.fromkeys(names) if typed.strip().lower() in name.lower()]

    # -----------------------------------------------------------------------------------------------------------------

    async def _adapter(self, written: str, origin: Origin) -> Found:
        adapter = await self._adapters.resolve(written, viewer_id=origin.member_id, guild_id=origin.guild_id)
        return Found(written, adapter, adapter.base)

    async def _model(self, written: str, origin: Origin) -> Found:
        """A base by its whole name, else a checkpoint that the member can use."""
        written = written.strip()
        known = [info.name for info in await self._database.read(bases.known)]
        if written in known:
            return Found(written, None, written)
        found = await self._adapter(written, origin)
        if found.adapter is not None and found.adapter.kind != "checkpoint":
            raise UserError(
                f"{quoted(written)} is no whole model: choose a checkpoint, or one of"
                f" {', '.join(f'`{name}`' for name in known[:10])}."
            )
        return found

    async def _submit(self, origin: Origin, name: str, specify: Callable[[Connection], tuple[str, MergeSpec]]) -> Job:
        def accept(tx: Connection) -> Job:
            if (known := jobs.get(tx, origin.job_id)) is not None:
                return known
            check_free(tx, origin.member_id, name)
            check_words((name,))
            check_texts(tx, origin.guild_id, (name,))
            base, spec = specify(tx)
            self._admission.check_room(tx, origin, "merge")
            if makes_checkpoint(spec):
                self._admission.check_checkpoints(tx, origin)
            members.remember(tx, origin.member_id, origin.member_name, self._clock())
            return enter(tx, entries.new_job(origin, "merge", base, spec, self._clock()))

        job = await self._database.write(accept)
        log.info("job.accepted", job=job.id, lane=job.lane, base=job.base, member=job.owner_id)
        self._on_change()
        return job


def read_networks(prompt: str) -> tuple[Network, ...]:
    """The tags of a prompt that holds nothing else. Raises UserError."""
    try:
        networks, ignored = read_tags(prompt, MOST_PARENTS)
    except PromptError as error:
        raise UserError(looks.sentence(str(error))) from error
    if ignored:
        raise UserError(ignored[0])
    if text := " ".join(take_tags_out(prompt).split()):
        raise UserError(f"{quoted(text)} acts on nothing in a merge: write the tags alone.")
    if networks and not any(network.weight or network.te_weight for network in networks):
        raise UserError("At weights of 0 nothing is left of them: give one a weight, as in `<lora:a:0.6>`.")
    if not networks:
        raise UserError("There is nothing to merge: write tags as in a prompt, `<lora:a:0.6><lora:b:0.4>`.")
    return networks


def _check_kinds(found: Sequence[Found], into: Found | None) -> None:
    """A whole model is what others are put into."""
    whole = next((each for each in found if each.adapter is not None and each.adapter.kind == "checkpoint"), None)
    if whole is not None:
        raise UserError(
            f"{quoted(whole.written)} is a whole model: name it in `into` to put the others into it, or merge whole"
            " models with `/checkpoint merge`."
        )
    if into is not None and any(each.adapter is not None and each.adapter.kind != "lora" for each in found):
        raise UserError("The vectors of a textual inversion can't be put into a model: leave it out.")


def _check_method(order: MergeOrder) -> None:
    checks.within("rank", order.rank, 1, MOST_RANK)
    if order.density is not None and order.method not in ("ties", "dare"):
        raise UserError(
            f"density does nothing in a merge by `{order.method}`: choose `ties` or `dare`, or leave it out."
        )
    checks.within("density", order.density, 0.01, 1.0)
    if order.seed is not None and order.method != "dare":
        raise UserError(f"seed does nothing in a merge by `{order.method}`: choose `dare`, or leave it out.")
    if order.into is not None and (order.method != "exact" or order.rank is not None):
        raise UserError("What is put into a model is put there exactly: leave `method` and `rank` out.")


def _check_ranks(order: MergeOrder, parents: Sequence[Adapter]) -> None:
    odd = next((each for each in parents if each.rank != parents[0].rank), None)
    if order.method == "linear" and odd is not None:
        raise UserError(
            f"`linear` takes adapters of one rank, and {quoted(parents[0].name)} has {parents[0].rank},"
            f" {quoted(odd.name)} {odd.rank}: choose `exact`, or leave one out."
        )


def _blocks(written: str | None) -> BlockWeights | None:
    if written is None or not written.strip():
        return None
    try:
        return parse_blocks(written)
    except ValueError as error:
        raise UserError(looks.sentence(str(error))) from error


def _spec(
    work: MergeAdapters | MergeModels | BakeAdapters | ExtractAdapter,
    name: str,
    parents: tuple[Parent, ...],
    leading: Adapter | None,
    others: Sequence[Adapter],
) -> MergeSpec:
    """What is made answers to the words of the parent that weighs most; those of the others are offered."""
    everyone = [] if leading is None else [leading, *others]
    words = [word for adapter in everyone for word in (adapter.trigger, *adapter.trigger_words) if word]
    method = _method(work, everyone)
    trigger = "" if leading is None else leading.trigger
    if method == "textual_inversion":
        trigger = name  # a new word
    return MergeSpec(
        work=work, name=name, parents=parents, adapter_id=uuid4().hex, method=method,
        subject_kind="face" if any(each.subject_kind == "face" for each in everyone)
        else leading.subject_kind if leading is not None else "style",
        trigger=trigger, class_word="" if leading is None else leading.class_word,
        trigger_words=tuple(word for word in dict.fromkeys(words) if word != trigger),
    )  # fmt: skip


def _method(work: MergeAdapters | MergeModels | BakeAdapters | ExtractAdapter, parents: Sequence[Adapter]) -> Method:
    """How one would train what comes out like this, which says what its words mean."""
    if isinstance(work, MergeModels | BakeAdapters):
        return "dreambooth"
    if isinstance(work, ExtractAdapter):
        return "lora"
    kinds = {parent.kind for parent in parents}
    if kinds == {"textual_inversion"}:
        return "textual_inversion"
    brings_words = "textual_inversion" in kinds or any(parent.method == "pivotal" for parent in parents)
    return "pivotal" if brings_words else "lora"
