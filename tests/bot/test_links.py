"""Links to exported files: what is forged, and what is too old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exporting.links import GOOD_FOR_S, Grant, LinkExpired, Links
from tests.bot.worlds import Clock

KEY = b"k" * 32


class FakeJob:
    """What a link is made of."""

    id, owner_id = "123456789012345678", 42


def make(clock: Clock, key: bytes = KEY) -> tuple[Links, str]:
    links = Links("https://darkroom.example/", key=key, clock=clock)
    return links, links.make(FakeJob()).removeprefix("https://darkroom.example/exports/")  # type: ignore[arg-type]


def test_a_link_says_what_it_grants_until_it_is_too_old(clock: Clock) -> None:
    links, token = make(clock)
    assert links.read(token) == Grant(FakeJob.id, 42, int(clock.now + GOOD_FOR_S))
    clock.now += GOOD_FOR_S - 1
    assert links.read(token) is not None
    clock.now += 1
    with pytest.raises(LinkExpired):
        links.read(token)


def test_a_link_of_another_life_of_the_bot_is_none(clock: Clock) -> None:
    _, token = make(clock)
    assert Links("https://darkroom.example", clock=clock).read(token) is None


def test_two_links_to_the_same_are_told_apart(clock: Clock) -> None:
    assert make(clock)[1] != make(clock)[1]


@given(place=st.integers(0, 200), character=st.characters())
def test_a_link_that_was_changed_anywhere_is_none(place: int, character: str) -> None:
    links, token = make(Clock())
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    assert changed == token or links.read(changed) is None


@given(st.text(max_size=300))
def test_what_nobody_made_is_none(token: str) -> None:
    assert make(Clock())[0].read(token) is None
