"""Captions, and what is read out of them again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.models.emoji64 import grammar


def named(scene: grammar.Scene) -> dict[str, str]:
    """What a full caption of this scene says beside the head."""
    parts = {"outfit": scene.outfit, "accessory": scene.accessory, "background": scene.background}
    return {kind: value for kind, value in parts.items() if value not in (grammar.NO_OUTFIT, grammar.NO_ACCESSORY)}


@given(st.randoms(use_true_random=False))
def test_a_plain_caption_says_what_its_scene_shows(rng: random.Random) -> None:
    scene = grammar.draw_scene(rng)
    assert grammar.read_attributes(grammar.plain_caption(scene)) == named(scene)


@given(st.randoms(use_true_random=False))
def test_whatever_its_wording_a_caption_says_nothing_else(rng: random.Random) -> None:
    scene = grammar.draw_scene(rng)
    assert grammar.read_attributes(grammar.caption(scene, rng)).items() <= named(scene).items()


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("thnos monster in a space suit in space", {"outfit": "space suit", "background": "space"}),
        ("THNOS, wearing a crown, at a fancy dinner", {"accessory": "crown", "background": "dinner"}),
        ("a red uniform on a sky blue background", {"outfit": "red uniform", "background": "sky blue"}),
        ("a caped crusader in suits", {}),
        ("", {}),
    ],
)
def test_words_that_look_alike_are_told_apart(text: str, attributes: dict[str, str]) -> None:
    assert grammar.read_attributes(text) == attributes
