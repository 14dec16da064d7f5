"""From what a member asked for to what the loop takes: photos with captions, the recipe, the method's own part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Kind, Recipe
from trainer.models.loading import Base
from trainer.training import captions, recipes
from trainer.training.continuing import Source
from trainer.training.dataset import Focus, TrainingPhoto
from trainer.training.dreambooth import DreamBoothLearner
from trainer.training.inversion import InversionLearner
from trainer.training.learner import Learner
from trainer.training.lora import LoraLearner
from trainer.training.pivotal import PivotalLearner


@dataclass(frozen=True)
class TrainingJob:
    """What to teach, and how."""

    trigger: str
    class_word: str
    kind: Kind
    recipe: Recipe


def prepare_photos(
    job: TrainingJob,
    images: Sequence[Image.Image],
    own_captions: Sequence[str | None] = (),
    focuses: Sequence[Focus | None] = (),
) -> list[TrainingPhoto]:
    """Photos with all captions that they may be shown with; ``own_captions`` were written for one photo each."""
    subject = captions.name_subject(job.trigger, job.class_word, job.kind, job.recipe.method)
    nothing = (None,) * len(images)
    return [
        TrainingPhoto(
            image,
            captions.captions_for(
                job.trigger, subject, job.kind, own, job.recipe.captions, job.recipe.caption_template
            ),
            focus,
        )
        for image, own, focus in zip(images, own_captions or nothing, focuses or nothing, strict=True)
    ]


def make_learner(base: Base, bank: AdapterBank, job: TrainingJob, recipe: recipes.ResolvedRecipe) -> Learner:
    """The method's own part."""
    match recipe.method:
        case "lora":
            return LoraLearner(base, bank, recipe)
        case "textual_inversion":
            return InversionLearner(base, bank, recipe, job.trigger, job.class_word)
        case "pivotal":
            return PivotalLearner(base, bank, recipe, job.trigger, job.class_word)
        case "dreambooth":
            return DreamBoothLearner(base, bank, recipe)


def resolve(base: Base, job: TrainingJob, photos: int, source: Source | None = None) -> recipes.ResolvedRecipe:
    """The recipe for this base and so many photos, with nothing left open; the layers are those of ``source``."""
    defaults = base.spec.defaults
    resolution = min(defaults.width, defaults.height)
    recipe = recipes.resolve_recipe(
        job.recipe, defaults.recipe, photos, job.kind, family=base.spec.family, resolution=resolution
    )
    return recipe if source is None else source.fit(recipe, defaults.recipe.text_encoder_learning_rate)
