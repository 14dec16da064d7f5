"""What `/imagine` says of a picture to draw from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.sources import read_margins


@pytest.mark.parametrize(
    ("written", "margins"),
    [
        (None, (0, 0, 0, 0)),
        (" ", (0, 0, 0, 0)),
        ("64", (64, 64, 64, 64)),
        ("left 64, top 32", (64, 32, 0, 0)),
        ("all 16; BOTTOM 8", (16, 16, 16, 8)),
    ],
)
def test_margins_are_read(written: str | None, margins: tuple[int, int, int, int]) -> None:
    assert read_margins(written) == margins


@pytest.mark.parametrize(
    ("written", "words"),
    [("a lot", "`a lot` is no margin"), ("left", "is no margin"), ("65", "got 65: take 64"), ("9999", "take 1024")],
)
def test_margins_that_cannot_be(written: str, words: str) -> None:
    with pytest.raises(UserError) as refused:
        read_margins(written)
    assert words in refused.value.message


@given(st.text(max_size=40))
def test_nothing_else_is_raised(written: str) -> None:
    try:
        assert all(margin % 8 == 0 for margin in read_margins(written))
    except UserError:
        return
