"""Weights that makers recommend, as they write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.addresses.weights import recommended_weights


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("Recommended weight: 0.6 - 0.8", (0.6, 0.7, 0.8)),
        ("<p>use at <b>strength</b> of&nbsp;0.7</p>", (0.5, 0.7, 0.9)),
        ("Weight: 0.5~1", (0.5, 0.75, 1.0)),
        ("weights between .4 and .9 do well", (0.4, 0.65, 0.9)),
        ("LoRA weight 1", (0.8, 1.0, 1.2)),
        ("Strength 0,8", (0.6, 0.8, 1.0)),
        ("weight from 1.0 to 0.6", (0.6, 0.8, 1.0)),
        ("denoising strength is a matter of taste. Weight 0.8", (0.6, 0.8, 1.0)),
        ("weight 512, steps 20", None),
        ("a strength of 80%", None),
        ("weight: 10", None),
        ("it was trained for 0.8 epochs", None),
        ("", None),
    ],
)
def test_the_first_that_is_told_counts(text: str, weights: tuple[float, float, float] | None) -> None:
    assert recommended_weights(text) == weights


@given(st.text(alphabet="weightsr <>&;.,-0123456789\n", max_size=400))
def test_whatever_is_written_there_is_a_sane_range_or_none(text: str) -> None:
    weights = recommended_weights(text)
    assert weights is None or 0 < weights[0] <= weights[1] <= weights[2] <= 2
