"""Aspect buckets: no distortion, little lost, nothing out of the picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.buckets import LONGEST_TO_SHORTEST, buckets, choose_bucket, crop_box

SIDES = st.integers(min_value=16, max_value=8000)
SHARES = st.floats(min_value=0, max_value=1)


def test_those_of_sd15_are_the_ones_that_everybody_uses() -> None:
    found = buckets(512, 64)
    assert found[0] == (512, 512)
    assert {(640, 384), (384, 640), (576, 448), (704, 320)} & set(found) == {(640, 384), (384, 640), (576, 448)}


@given(st.integers(min_value=1, max_value=24), st.sampled_from([8, 16, 64]))
def test_they_are_of_whole_steps_and_no_larger_than_the_square(count: int, step: int) -> None:
    for width, height in buckets(count * step, step):
        assert width % step == height % step == 0
        assert width * height <= (count * step) ** 2
        assert max(width, height) <= LONGEST_TO_SHORTEST * min(width, height)


@given(SIDES, SIDES)
def test_the_chosen_one_loses_least(width: int, height: int) -> None:
    def kept(size: tuple[int, int]) -> float:
        left, top, right, bottom = crop_box(width, height, size)
        return (right - left) * (bottom - top) / (width * height)

    sizes = buckets(512, 64)
    assert kept(choose_bucket(width, height, sizes)) >= max(map(kept, sizes)) - 1e-5


@given(SIDES, SIDES, st.sampled_from(buckets(512, 64)), st.none() | st.tuples(SHARES, SHARES))
def test_a_crop_stays_inside_and_keeps_its_shape(
    width: int, height: int, size: tuple[int, int], focus: tuple[float, float] | None
) -> None:
    left, top, right, bottom = crop_box(width, height, size, focus)
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=1e-6)


def test_a_crop_goes_where_the_focus_is() -> None:
    assert crop_box(1000, 500, (64, 64), (0.9, 0.5)) == (500, 0, 1000, 500)
    assert crop_box(1000, 500, (64, 64), (0.3, 0.5)) == (50, 0, 550, 500)
    assert crop_box(1000, 500, (64, 64)) == (250, 0, 750, 500)
