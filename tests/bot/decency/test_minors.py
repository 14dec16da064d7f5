from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.decency.minors import check_words, sexual_word
from bot.decency.reading import read
from bot.errors import UserError

LISTS = Path(__file__).parent
FALSE_ALARMS = {  # what docs/decency.md counts
    "XXX olympiad opening ceremony, children with flags",
    "R18 Audi race car and a kid in ear defenders",
    "topless mountain, kids hiking above the clouds",
    "a topless jeep, family with kids",
    "a baby's bare bottom of a boat hull",
    "naked oak in winter, swing without a child",
    "middle-sex county fair, kids on ponies",
}


def _lines(name: str) -> list[str]:
    return (LISTS / f"{name}.txt").read_text("utf-8").splitlines()


def _is_refused(wanted: str, unwanted: str = "") -> bool:
    try:
        check_words([wanted], [unwanted])
    except UserError:
        return True
    return False


def test_every_evasion_of_the_list_is_refused() -> None:
    assert [line for line in _lines("evasions") if not _is_refused(line)] == []


def test_the_harmless_prompts_pass_but_for_the_false_alarms_that_the_docs_count() -> None:
    harmless = _lines("harmless")
    assert len(harmless) >= 200
    assert {line for line in harmless if _is_refused(line)} == FALSE_ALARMS


def test_what_words_cannot_see_is_not_seen() -> None:
    """The docs say so; whoever teaches it one of these moves the line into evasions.txt."""
    assert [line for line in _lines("unseen") if _is_refused(line)] == []


def test_the_docs_state_the_rates_of_the_lists() -> None:
    docs = (LISTS.parents[2] / "docs" / "decency.md").read_text("utf-8")
    evasions, harmless, unseen = (len(_lines(name)) for name in ("evasions", "harmless", "unseen"))
    assert f"{evasions} of {evasions} evasions" in docs
    assert f"{len(FALSE_ALARMS)} of {harmless} harmless prompts" in docs
    assert f"{unseen} of {unseen} that words can't tell pass" in docs


@pytest.mark.parametrize("line", ["nude woman", "two men, erotic art", "naked 30 year old", "a 21yo model, nude"])
def test_adults_are_not_refused_by_words(line: str) -> None:
    assert not _is_refused(line)


def test_texts_count_together() -> None:
    with pytest.raises(UserError, match="`kid` together with `nude`"):
        check_words(["nude, sunset", "kid-lora"])


def test_what_stands_plainly_in_a_negative_prompt_protects() -> None:
    assert not _is_refused("a child on a swing", "nsfw, nude, lowres")
    assert not _is_refused("nude woman", "child, loli, underage")


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        ("a child on a swing", "(nude:-1.5)"),  # a weight below zero wants it
        ("nude woman", "(child:-1)"),
        ("a child on a swing", "clothes"),
        ("a child, (clothes:-1.2)", ""),
        ("nude body", "adult, mature"),
        ("nude body, (adult:-2)", ""),
        ("a cat", "(lolicon:-1)"),
    ],
)
def test_what_is_turned_round_is_refused(wanted: str, unwanted: str) -> None:
    assert _is_refused(wanted, unwanted)


def test_the_refusal_names_the_words_and_the_way_out() -> None:
    with pytest.raises(UserError, match=r"`12 year old` together with `naked`.*write `woman` or `man`"):
        check_words(["a naked 12-year-old"])


def test_words_for_nudity_are_told_by_themselves() -> None:
    assert sexual_word(["a n-u-d-e statue"]) == "nude"
    assert sexual_word(["a statue in a park"]) is None


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    reading = read(text)
    assert all(word for line in reading.lines for word in line)
    _is_refused(text)


@given(
    st.lists(
        st.sampled_from(["nude", "child", "ch", " ", "\u200b", "(", ")", ":1.2", ".", "1", "\u0301", "ｎ"]), max_size=30
    )
)
def test_reading_twice_finds_the_same(parts: list[str]) -> None:
    text = "".join(parts)
    assert _is_refused(text) == _is_refused(text)
