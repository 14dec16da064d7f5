"""From orders to the records that are entered in the books. Pure."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from bot import checks
from bot.likeness import stated
from bot.orders import CONSENT_STATEMENT, ImagineOrder, Origin, Shot, TrainOrder
from bot.photos import StoredPhotos
from bot.prompts import as_pasted
from bot.store.records import Adapter, AdapterPick, Consent, Hold, ImagineSpec, Job, Spec, TrainSpec
from trainer.contract.drawings import AdapterUse, Drawing
from trainer.contract.names import Lane


def consent_of(order: TrainOrder, name: str, now: float) -> Consent:
    """What the member has stated."""
    return Consent(
        job_id=order.origin.job_id,
        member_id=order.origin.member_id,
        guild_id=order.origin.guild_id,
        name=name,
        kind=order.kind,
        likeness=order.likeness or "none",
        statement=stated(CONSENT_STATEMENT, order.likeness or "none"),
        given_at=now,
    )


def train_spec(order: TrainOrder, stored: StoredPhotos, keep_photos_days: int | None = None) -> TrainSpec:
    """What a training is to do; the adapter has its id already, so that a repeat makes the same one."""
    return TrainSpec(
        adapter_id=uuid4().hex,
        name=order.name,
        trigger=order.name,
        class_word=order.class_word or "",
        kind=order.kind,
        likeness=order.likeness or "none",
        photos=stored.paths,
        captions=order.captions or stored.captions,
        focuses=stored.focuses,
        recipe=order.recipe,
        keep_photos_days=keep_photos_days,
    )


def with_kept_photos(spec: TrainSpec, old: TrainSpec, paths: tuple[str, ...]) -> TrainSpec:
    """The spec with photos of an ``old`` training behind its own, now at ``paths``; captions stay with theirs."""
    own, kept = (each.focuses or (None,) * len(each.photos) for each in (spec, old))
    return msgspec.structs.replace(
        spec, photos=spec.photos + paths, captions=spec.captions + old.captions, focuses=own + kept
    )


def imagine_spec(order: ImagineOrder, picks: tuple[AdapterPick, ...]) -> ImagineSpec:
    """What is to be drawn; the seed is drawn here where none was asked for, and the next pictures count up from it."""
    seed = checks.seed(order.seed)
    shots = _with_variation_seeds(order, seed)
    return ImagineSpec(
        prompt_written=order.prompt_written.strip(),
        negative_prompt=order.negative_prompt.strip(),
        adapters=picks,
        seed=seed,
        count=order.count,
        drawings=tuple(_drawing(shot, picks, seed + place) for place, shot in enumerate(shots)),
        settings=order.settings,
        source=order.source,
        grid=order.grid,
        exact=order.exact,
        strict=order.strict,
        ignored=order.ignored,
        writer_id=order.writer_id,
    )


def _with_variation_seeds(order: ImagineOrder, seed: int) -> tuple[Shot, ...]:
    """The pictures; where one is varied and no other seed was asked for, towards one that is drawn here.

    Of several, as in A1111, the other seed counts up and the seed stays.
    """
    drawn = checks.seed(None)
    shots = []
    for place, shot in enumerate(order.pictures):
        settings = shot.settings
        if settings.variation_strength:
            first = drawn if settings.variation_seed is None else settings.variation_seed
            settings = msgspec.structs.replace(settings, variation_seed=first if order.shots else first + place)
            shot = msgspec.structs.replace(shot, settings=settings, seed=seed if shot.seed is None else shot.seed)
        shots.append(shot)
    return tuple(shots)


def _drawing(shot: Shot, picks: tuple[AdapterPick, ...], seed: int) -> Drawing:
    """One picture with those of its adapters that are among the ``picks``, which are as they are now."""
    current = {pick.adapter_id: pick for pick in picks}
    uses = [(pick, current[pick.adapter_id]) for pick in shot.adapters if pick.adapter_id in current]
    return Drawing(
        prompt=shot.prompt.strip(),
        prompt_written=as_pasted(shot.prompt.strip(), shot.prompt_written.strip(), [pick for pick, _ in uses]),
        negative_prompt=shot.negative_prompt.strip(),
        seed=seed if shot.seed is None else shot.seed,
        adapters=tuple(_use(pick, now) for pick, now in uses),
        settings=shot.settings,
        source=shot.source,
        template=shot.template,
        negative_template=shot.negative_template,
    )


def _use(pick: AdapterPick, now: AdapterPick) -> AdapterUse:
    """An adapter in one prompt: the weights that this prompt gives it, and its file as it is ``now``."""
    return AdapterUse(
        name=pick.written, blob=now.blob, weight=pick.weight, kind=now.kind, trigger=now.trigger,
        te_weight=pick.te_weight,
    )  # fmt: skip


def current_pick(pick: AdapterPick, adapter: Adapter) -> AdapterPick:
    """What was picked, as the adapter is now."""
    words = adapter.trigger if adapter.kind == "lora" and not adapter.class_word else ""
    return msgspec.structs.replace(pick, blob=adapter.blob, kind=adapter.kind, trigger=adapter.trigger, words=words)


def new_job(
    origin: Origin, lane: Lane, base: str, spec: Spec, now: float, *, held: Hold | None = None,
    explicit_allowed: bool = False,
) -> Job:  # fmt: skip
    """A job that waits for its card, and, where it is ``held``, for a word of its member."""
    return Job(
        id=origin.job_id,
        lane=lane,
        state="queued",
        base=base,
        spec=spec,
        owner_id=origin.member_id,
        owner_name=origin.member_name,
        guild_id=origin.guild_id,
        channel_id=origin.channel_id,
        upload_limit_bytes=origin.upload_limit_bytes,
        token=origin.token,
        created_at=now,
        held=held,
        held_at=None if held is None else now,
        explicit_allowed=explicit_allowed,
    )
