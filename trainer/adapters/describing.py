"""What an adapter's file says of itself: the house's own metadata, and kohya's, which other programs show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from trainer.adapters.files import TRAINER_VERSION
from trainer.adapters.kohya_metadata import Training as ForKohya
from trainer.adapters.kohya_metadata import describe_for_kohya, describe_model
from trainer.contract.requests import TrainRequest

if TYPE_CHECKING:
    from trainer.models.loading import Base
    from trainer.training.loop import Learned


def describe(base: Base, request: TrainRequest, learned: Learned, steps: int) -> dict[str, str]:
    """The metadata header; texts alone, as safetensors wants them. No captions, no paths, no names of people."""
    recipe, kind = learned.recipe, learned.learner.kind
    own = {
        "trigger": request.trigger, "class_word": request.class_word, "kind": request.kind, "method": recipe.method,
        "base": base.spec.name, "base_hash": base.spec.hash, "rank": recipe.written_rank, "steps": steps,
        "photos": len(request.photos), "trainer": TRAINER_VERSION,
    }  # fmt: skip
    whole = recipe.method == "dreambooth"  # whose LoRA is taken out of all layers; alpha is folded in everywhere
    prediction = base.make_scheduler().config.prediction_type
    training = ForKohya(
        base.spec.family, base.spec.name, request.trigger, request.class_word, recipe.resolution, recipe.resolution,
        cast(Literal["epsilon", "v_prediction"], prediction), recipe.written_rank,
        recipe.written_rank, len(request.photos), steps, recipe.learning_rate,
        recipe.dora, whole or "conv1" in recipe.target_modules,
    )  # fmt: skip
    if kind == "lora":
        others = describe_for_kohya(training)
    else:
        others = describe_model(training, "checkpoint" if kind == "checkpoint" else "textual-inversion")
    return {f"darkroom.{name}": str(value) for name, value in own.items()} | others
