"""Adapters that draw in a few steps bring their settings along."""

from __future__ import annotations

import pytest

from trainer.contract.drawings import Drawing, DrawingSettings
from trainer.generation.distilled import Distillation, adjust, find_distillation

LIGHTNING = Distillation("Euler", "SGM Uniform", 4, 1.0)


@pytest.mark.parametrize(
    ("name", "metadata", "found"),
    [
        ("lcm-lora-sdv1-5", {}, Distillation("LCM", None, 6, 1.5)),
        ("speed", {"modelspec.title": "sdxl_lightning_8step_lora"}, Distillation("Euler", "SGM Uniform", 8, 1.0)),
        ("speed", {"ss_output_name": "Hyper-SD15-12steps-CFG-lora"}, Distillation("Euler", "SGM Uniform", 12, 1.0)),
        ("dmd2", {}, Distillation("LCM", None, 4, 1.0)),
        ("lightning", {}, LIGHTNING),
        ("thnos", {"ss_output_name": "thnos", "ss_steps": "400"}, None),
        ("calcmod", {}, None),
        ("enlightninged", {}, None),
    ],
)
def test_they_are_told_by_their_files_or_names(name: str, metadata: dict[str, str], found: Distillation | None) -> None:
    assert find_distillation(name, metadata) == found


def test_what_a_member_chose_stays() -> None:
    plain = Drawing("a fox", "a fox", "", 1)
    assert adjust(plain, [None]) == plain
    settings = adjust(plain, [None, LIGHTNING]).settings
    assert settings == DrawingSettings(
        sampler="Euler", scheduler="SGM Uniform", num_inference_steps=4, guidance_scale=1.0
    )  # fmt: skip
    chosen = DrawingSettings(sampler="DDIM", num_inference_steps=8, guidance_scale=2.0)
    assert adjust(Drawing("a fox", "a fox", "", 1, settings=chosen), [LIGHTNING]).settings == chosen
