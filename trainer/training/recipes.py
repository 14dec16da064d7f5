"""Recipes: how an adapter is trained when nobody says otherwise, and the words of its captions."""

from __future__ import annotations

import random

import msgspec

from trainer.contract.requests import Kind, Recipe

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


class RecipeDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A base's own recipe; the defaults are those of the field for SD1.5 and SD2.

    Rank 16 at 1e-4 on attention is what the diffusers and kohya scripts converge on for ten photos; 100 steps a photo,
    at least 400, at most 1,500.
    """

    rank: int = 16
    lora_alpha: int = 16
    learning_rate: float = 1e-4
    batch: int = 1
    steps_per_photo: int = 100
    min_steps: int = 400
    max_steps: int = 1500
    target_modules: tuple[str, ...] = ATTENTION
    snr_gamma: float = 5.0  # Hang et al. 2023
    prior_weight: float = 0.0  # objects hardly need it; faces get FACE_PRIOR_WEIGHT
    caption_dropout: float = 0.05
    flip: bool = False


FACE_PRIOR_WEIGHT = 1.0

_TEMPLATES: dict[Kind, tuple[str, ...]] = {
    "subject": ("a photo of {}", "{}", "a picture of {}", "a portrait of {}"),
    "face": ("a photo of {}", "a portrait of {}", "{}"),
    "style": ("a picture in {} style", "{} style", "an image in {} style"),
}


class ResolvedRecipe(msgspec.Struct, frozen=True):
    """A recipe with nothing left open."""

    steps: int
    batch: int
    rank: int
    lora_alpha: int
    learning_rate: float
    target_modules: tuple[str, ...]
    snr_gamma: float
    prior_weight: float
    caption_dropout: float
    seed: int


def resolve_recipe(asked: Recipe, defaults: RecipeDefaults, photos: int, kind: Kind) -> ResolvedRecipe:
    """Fill what the member left open; steps are batch-1 equivalents and follow the number of photos."""
    wanted = asked.steps or min(max(defaults.steps_per_photo * photos, defaults.min_steps), defaults.max_steps)
    prior = defaults.prior_weight if kind == "subject" else FACE_PRIOR_WEIGHT if kind == "face" else 0.0
    rank = asked.rank or defaults.rank
    return ResolvedRecipe(
        steps=max(1, round(wanted / defaults.batch)),
        batch=defaults.batch,
        rank=rank,
        lora_alpha=rank if asked.rank else defaults.lora_alpha,
        learning_rate=asked.learning_rate or defaults.learning_rate,
        target_modules=defaults.target_modules,
        snr_gamma=defaults.snr_gamma,
        prior_weight=prior if asked.prior_weight is None else asked.prior_weight,
        caption_dropout=defaults.caption_dropout,
        seed=asked.seed if asked.seed is not None else 0,
    )


def captions_for(trigger: str, class_word: str, kind: Kind, own: str | None) -> tuple[str, ...]:
    """All captions that a photo may be shown with: its own, or the templates of its kind around the trigger."""
    if own:
        return (own if trigger in own else f"{trigger} {own}",)
    subject = trigger if kind == "style" else f"{trigger} {class_word}".strip()
    return tuple(template.format(subject) for template in _TEMPLATES[kind])


def choose(options: tuple[str, ...], seed: int, step: int, row: int) -> str:
    """One of ``options``, the same for the same step whatever came before."""
    return random.Random(f"{seed}/{step}/{row}").choice(options)
