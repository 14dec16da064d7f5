"""What is measured. Both sides build their stepper from the same case: same base, photos, batch, adapter, precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.benchmarks.bases import SD_WIDTH, Modules, emoji_with_kl, load_modules, sd15_shape
from tests.benchmarks.measure import Stepper
from tests.benchmarks.reference import (
    ATTENTION,
    ReferenceDreamBooth,
    ReferenceInversion,
    ReferenceLora,
    Watch,
    untimed,
)
from trainer.contract.requests import Recipe
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.training.recipes import ResolvedRecipe, resolve_recipe

PHOTOS = tuple(sorted((Path(__file__).parents[2] / "sandbox" / "photos").glob("*.jpg"))) * 2
"""Six photos twice: three whole batches of four, so that no epoch of the reference's ends in a smaller one."""


def _emoji_recipe() -> ResolvedRecipe:
    """emoji-64's own recipe, as a member gets it who leaves all open."""
    defaults = read_base(EMBEDDED_FOLDER, embedded=True).defaults.recipe
    return resolve_recipe(Recipe(), defaults, len(PHOTOS), "subject")


@dataclass(frozen=True)
class Case:
    """One comparison: a base, a method and what both sides have to agree on."""

    name: str
    method: str  # lora | dreambooth | textual_inversion
    make_modules: Callable[[], Modules]
    batch: int
    rank: int = 16
    lora_alpha: float = 16
    target_modules: tuple[str, ...] = ATTENTION
    learning_rate: float = 1e-4
    num_vectors: int = 4
    photos: tuple[Path, ...] = PHOTOS
    instance_prompt: str = "a photo of thnos face"
    class_word: str = "face"
    threads: int = 1
    seed: int = 0


_EMOJI = _emoji_recipe()


def _emoji_lora(name: str, make_modules: Callable[[], Modules]) -> Case:
    return Case(
        name,
        "lora",
        make_modules,
        batch=_EMOJI.batch,
        rank=_EMOJI.rank,
        lora_alpha=_EMOJI.lora_alpha,
        target_modules=_EMOJI.target_modules,
        learning_rate=_EMOJI.learning_rate,
    )


CASES = {
    case.name: case
    for case in (
        _emoji_lora("lora", load_modules),
        _emoji_lora("lora_kl", emoji_with_kl),
        _emoji_lora("lora_kl_wide", lambda: emoji_with_kl(SD_WIDTH)),
        Case("lora_sd15", "lora", sd15_shape, batch=1, threads=2),
        Case(
            "inversion",
            "textual_inversion",
            load_modules,
            batch=_EMOJI.batch,
            learning_rate=_EMOJI.inversion_learning_rate,
        ),
        Case("inversion_sd15", "textual_inversion", sd15_shape, batch=1, learning_rate=5e-4, threads=2),
        Case("dreambooth", "dreambooth", load_modules, batch=_EMOJI.batch, learning_rate=5e-6),
    )
}


def make_reference(
    case: Case, modules: Modules, watch: Watch = untimed
) -> ReferenceLora | ReferenceDreamBooth | ReferenceInversion:
    """The reference's stepper for a case; ``modules`` are trained in place."""
    common = {"learning_rate": case.learning_rate, "batch": case.batch, "seed": case.seed, "watch": watch}
    if case.method == "textual_inversion":
        return ReferenceInversion(
            modules, case.photos, initializer_token=case.class_word, num_vectors=case.num_vectors, **common
        )
    if case.method == "dreambooth":
        return ReferenceDreamBooth(modules, case.photos, instance_prompt=case.instance_prompt, **common)
    return ReferenceLora(
        modules,
        case.photos,
        instance_prompt=case.instance_prompt,
        rank=case.rank,
        lora_alpha=case.lora_alpha,
        target_modules=case.target_modules,
        **common,
    )


def make_stepper(which: str, case: Case, folder: Path | None = None, *, lean: bool = False) -> Stepper:
    """The stepper of a side, from its base: the reference's, or ours, ``lean`` as a worker that trains alone.

    Ours is ``make_ours(case, folder)`` of ``tests/benchmarks/ours.py``.
    """
    if which == "reference":
        return make_reference(case, load_modules(folder) if folder else case.make_modules())
    return import_module("tests.benchmarks.ours").make_ours(case, folder, lean=lean)
