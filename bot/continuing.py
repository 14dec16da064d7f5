"""Letting an adapter go on learning: what stays as it was, what may be said anew, and the photos that were kept."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection

import msgspec

from bot.errors import UserError, quoted
from bot.likeness import strictest
from bot.orders import TrainOrder
from bot.photos import check_uploads
from bot.store import adapters, jobs
from bot.store.records import Adapter, Job, TrainSpec
from trainer.contract.requests import Recipe

# what an adapter is made of
_STAYS = ("method", "preset", "rank", "lora_alpha", "target_modules", "text_encoder", "dora", "vectors", "output",
          "text_encoder_learning_rate")  # fmt: skip
_UNSAID = Recipe()


@dataclass(frozen=True)
class Continuation:
    """An order to go on learning, completed by what its adapter is. ``kept`` made it, if its photos are still there."""

    order: TrainOrder
    adapter: Adapter
    kept: Job | None

    @property
    def replaces(self) -> bool:
        """Whether the new version takes the adapter's place; under another name it becomes one of its own."""
        return self.order.name == self.adapter.name

    def complete(self, spec: TrainSpec) -> TrainSpec:
        """The spec of the order, from this adapter on, under the trigger that it has learned."""
        return msgspec.structs.replace(
            spec,
            adapter_id=self.adapter.id if self.replaces else spec.adapter_id,
            trigger=self.adapter.trigger,
            continues=self.adapter.id,
            continue_from=self.adapter.blob,
        )


def read_continuation(tx: Connection, order: TrainOrder, name: str, now: float) -> Continuation:
    """Find what the order goes on from. Raises UserError: no such adapter of theirs, one that can't, no photos."""
    written = (order.continue_from or "").strip().lower()
    adapter = adapters.own(tx, order.origin.member_id, written)
    if adapter is None:
        raise UserError(
            f"You have no adapter {quoted(written)} that could go on learning: `/adapter list` shows yours."
        )
    _check(adapter, order)
    made = jobs.require(tx, adapter.job_id)
    kept = made if adapter.photos_kept_until is not None and adapter.photos_kept_until > now else None
    _check_photos(order, adapter, kept)
    completed = msgspec.structs.replace(
        order,
        name=name,
        class_word=adapter.class_word,
        kind=adapter.subject_kind,
        likeness=strictest([adapter.likeness, order.likeness or "none"]),
        base=adapter.base,
        recipe=_recipe(order.recipe, made.train.recipe, adapter),
    )
    return Continuation(completed, adapter, kept)


def find_again(tx: Connection, spec: TrainSpec, fresh_id: str) -> TrainSpec:
    """The spec of a training that is tried again; one that went on from an adapter goes on from it as it is now.

    Raises UserError: that adapter is gone.
    """
    if spec.continues is None:
        return msgspec.structs.replace(spec, adapter_id=fresh_id)
    adapter = adapters.get(tx, spec.continues)
    if adapter is None:
        raise UserError("The adapter that this training went on from was deleted: start anew with `/train`.")
    adapter_id = adapter.id if spec.adapter_id == adapter.id else fresh_id
    likeness = strictest([adapter.likeness, spec.likeness])
    return msgspec.structs.replace(spec, adapter_id=adapter_id, continue_from=adapter.blob, likeness=likeness)


def _check(adapter: Adapter, order: TrainOrder) -> None:
    if adapter.origin != "trained":
        raise UserError(
            f"{quoted(adapter.name)} was {adapter.origin} and not trained here, so it can't go on learning: train one"
            " of your own with `/train`."
        )
    if adapter.method == "dreambooth":
        raise UserError(
            f"{quoted(adapter.name)} was learned by a whole model and can't go on learning: train it anew, with more"
            " photos or steps."
        )
    if order.base is not None and order.base != adapter.base:
        raise UserError(
            f"{quoted(adapter.name)} was trained on the model `{adapter.base}` and can't go on with"
            f" {quoted(order.base)}: leave `base` out."
        )


def _check_photos(order: TrainOrder, adapter: Adapter, kept: Job | None) -> None:
    if kept is None and not order.uploads:
        raise UserError(
            f"The photos of {quoted(adapter.name)} are not kept: attach photos again, and it goes on from what it has"
            " learned."
        )
    if kept is None:
        check_uploads(order.uploads)


def _recipe(asked: Recipe, made: Recipe, adapter: Adapter) -> Recipe:
    """What the adapter is made of stays; how it goes on may be said anew. Raises UserError."""
    standing = {name: getattr(made, name) for name in _STAYS}
    for name, value in standing.items():
        said = getattr(asked, name)
        if said not in {getattr(_UNSAID, name), value}:
            raise UserError(
                f"{quoted(adapter.name)} was made with another `{name}` than `{said}`, and that stays as long as it"
                f" learns: leave `{name}` out, or train a new one."
            )
    return msgspec.structs.replace(asked, **standing)
