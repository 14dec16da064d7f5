"""Adapters that make a base draw in a few steps, and the settings that they need: LCM, Lightning, Hyper-SD, Turbo.

They are told by what their files say of themselves (``modelspec.title``, ``ss_output_name``) or by their name. What the
member has chosen is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from trainer.contract.drawings import Drawing

_TITLES = ("modelspec.title", "ss_output_name", "modelspec.description")
_STEPS = re.compile(r"(?<!\d)([1-9]\d?)[ _-]?steps?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Distillation:
    """How to draw with one: sampler and scheduler by A1111's names."""

    sampler: str
    scheduler: str | None
    num_inference_steps: int
    guidance_scale: float


# the makers' own advice: Luo et al. 2023 (LCM-LoRA), §4; Yin et al. 2024 (DMD2); the cards of SDXL-Lightning, Hyper-SD
_KINDS: tuple[tuple[re.Pattern[str], Distillation], ...] = tuple(
    (re.compile(rf"(?<![a-z]){word}(?![a-z])", re.IGNORECASE), distillation)
    for word, distillation in (
        ("lcm", Distillation("LCM", None, 6, 1.5)),
        ("lightning", Distillation("Euler", "SGM Uniform", 4, 1.0)),
        ("hyper[ _-]?sd(?:xl)?(?:15)?", Distillation("Euler", "SGM Uniform", 8, 1.0)),
        ("dmd2?", Distillation("LCM", None, 4, 1.0)),
        ("turbo", Distillation("Euler a", "SGM Uniform", 4, 1.0)),
    )
)


def find_distillation(name: str, metadata: Mapping[str, str]) -> Distillation | None:
    """What an adapter of this name and with these metadata in its header needs; None: nothing of the kind."""
    for text in (*(metadata.get(key, "") for key in _TITLES), name):
        for pattern, distillation in _KINDS:
            if pattern.search(text):
                steps = _STEPS.search(text)
                return replace(distillation, num_inference_steps=int(steps[1])) if steps else distillation
    return None


def adjust(drawing: Drawing, distillations: Iterable[Distillation | None]) -> Drawing:
    """The drawing with what the first distilled adapter needs, wherever its member chose nothing."""
    needed = next((each for each in distillations if each is not None), None)
    if needed is None:
        return drawing
    chosen = drawing.settings
    settings = msgspec.structs.replace(
        chosen,
        sampler=chosen.sampler or needed.sampler,
        scheduler=chosen.scheduler or (None if chosen.sampler else needed.scheduler),
        num_inference_steps=chosen.num_inference_steps or needed.num_inference_steps,
        guidance_scale=needed.guidance_scale if chosen.guidance_scale is None else chosen.guidance_scale,
    )
    return msgspec.structs.replace(drawing, settings=settings)
