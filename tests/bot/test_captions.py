"""Captions from a form: a line a photo, and nothing is put under a photo that is not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.captions import captions_form, check_form, read_captions
from bot.errors import UserError
from bot.orders import Origin, TrainOrder, Upload
from trainer.contract.requests import CaptionSource, Recipe

FILES = ("IMG_1.jpg", "cat (2): asleep.jpg", "x" * 200 + ".png")


def test_the_form_lists_the_photos_and_reads_as_no_caption() -> None:
    form = captions_form(FILES)
    assert form.splitlines()[:2] == ["1 (IMG_1.jpg): ", "2 (cat (2): asleep.jpg): "]
    assert max(map(len, form.splitlines())) < 50
    assert read_captions(form, FILES) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "captions"),
    [
        ("1: at the beach\n3: asleep", ("at the beach", None, "asleep")),
        ("3 (renamed): b\n\n  1.  a ", ("a", None, "b")),
        ("2 (cat (2): asleep.jpg): in a hat: red", (None, "in a hat: red", None)),
        ("2) (smiling) in a hat", (None, "(smiling) in a hat", None)),
        ("1: 2 cats", ("2 cats", None, None)),
        ("2", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_lines_become_captions(text: str, captions: tuple[str | None, ...]) -> None:
    assert read_captions(text, FILES) == captions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12: in the garden", "There is no photo 12 to put `in the garden` under: 3 photos were attached, so use the"),
        ("0: in the garden", "There is no photo 0 to put"),
        ("999999999: x", "`999999999: x` says no photo"),
        ("in the garden", "`in the garden` says no photo: begin each line with a number, as in `1: at the beach`."),
        ("1 in the garden", "`1 in the garden` has no colon: write it as in `1: at the beach`."),
        ("1: a\n1: b", "Photo 1 has two captions: leave one out."),
        (f"1: {'x' * 301}", "The caption of photo 1 has 301 characters, and 300 are the most: shorten it."),
    ],
)
def test_a_line_that_fits_no_photo_is_named(text: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        read_captions(text, FILES)
    assert words in error.value.message
    assert len(error.value.message) <= 300


CAPTION = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30).map(lambda text: f"a{text}")


@given(st.lists(st.text(max_size=60), min_size=1, max_size=10), st.data())
def test_what_is_written_behind_the_prefilled_lines_is_read(filenames: list[str], data: st.DataObject) -> None:
    lines = captions_form(filenames).splitlines()
    written = [data.draw(st.none() | CAPTION) for _ in filenames]
    text = "\n".join(line + (caption or "") for line, caption in zip(lines, written, strict=True))
    assert read_captions(text, filenames) == tuple(written)


@given(st.text())
def test_any_text_is_captions_or_one_sentence(text: str) -> None:
    try:
        captions = read_captions(text, FILES)
    except UserError as error:
        words = error.message
    else:
        assert len(captions) == len(FILES)
        return
    assert "\n" not in words
    assert len(words) <= 300


@pytest.mark.parametrize("source", [None, "photo", "captioner"])
def test_the_form_goes_with_sources_that_leave_room_for_it(source: CaptionSource | None) -> None:
    check_form(order(source))


@pytest.mark.parametrize("source", ["none", "template"])
def test_the_form_is_refused_where_nothing_would_read_it(source: CaptionSource) -> None:
    with pytest.raises(UserError, match=f"does nothing where `advanced` says `captions: {source}`: leave one out"):
        check_form(order(source))


def order(source: CaptionSource | None) -> TrainOrder:
    origin = Origin(interaction_id=1, token="t", member_id=2, member_name="ada", guild_id=None, channel_id=3)
    uploads = (Upload(filename="cat.jpg", url="http://cdn/cat.jpg", size_bytes=6),) * 3
    return TrainOrder(origin=origin, name="thnos", uploads=uploads, consent=True, recipe=Recipe(captions=source))
