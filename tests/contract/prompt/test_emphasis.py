"""Emphasis and BREAK, as A1111 reads them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.prompt import (
    BREAK,
    MAX_EMPHASIS,
    PromptError,
    Segment,
    emphasise,
    find_words,
    parse,
    read_emphasis,
)

# the examples in A1111's documentation of parse_prompt_attention, then what its rules make of the odd ones
A1111 = {
    "normal text": [("normal text", 1.0)],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)],
    r"\(literal\]": [("(literal]", 1.0)],
    "(unnecessary)(parens)": [("unnecessaryparens", 1.1)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1.0), ("house", 1.1 * 1.1 * 1.3), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55),
        (", sun, ", 1.1), ("sky", 1.1**4), (".", 1.1),
    ],
    "": [("", 1.0)],
    "[less]": [("less", 1 / 1.1)],
    "[[less": [("less", 1 / 1.1 / 1.1)],
    "(thnos:1.1)": [("thnos", 1.1)],
    "(thnos: .5 )": [("thnos", 0.5)],
    "(thnos:-1)": [("thnos", -1.0)],
    "(a:b:2)": [("a:b", 2.0)],
    "a) b] c:1.3)": [("a) b] c:1.3)", 1.0)],
    "[a:1.3)": [("a:1.3)", 1 / 1.1)],
    "(a [b) c]": [("a ", 1.1), ("b", 1.0), (" c", 1 / 1.1)],
    r"(a\):1.5)": [("a)", 1.5)],
    r"(a\\)": [("a\\", 1.1)],
    r"fox\girl": [("foxgirl", 1.0)],
    "())": [(")", 1.0)],
    "time 10:30": [("time 10:30", 1.0)],
    "(a:0)(b:-0)": [("ab", 0.0)],
    "a BREAK b": [("a", 1.0), ("BREAK", -1.0), ("b", 1.0)],
    "aBREAK BREAKb": [("aBREAK BREAKb", 1.0)],
    "BREAK, (a) BREAK": [("", 1.0), ("BREAK", -1.0), (", ", 1.0), ("a", 1.1), ("", 1.0), ("BREAK", -1.0), ("", 1.0)],
    "a BREAK BREAK": [("a", 1.0), ("BREAK", -1.0), ("", 1.0), ("BREAK", -1.0), ("", 1.0)],
    "(a BREAK b:1.2)": [("a", 1.2), ("BREAK", -1.2), ("b", 1.2)],
    "((a BREAK b:-1):-1)": [("a", 1.0), ("BREAK", -1.0), ("b", 1.0)],
    "(a BREAK b:0)": [("aBREAKb", 0.0)],
    "(a:1.2.3)": [("a:1.2.3", 1.1)],  # where A1111 stops with an error
}  # fmt: skip


@pytest.mark.parametrize("text", A1111)
def test_emphasis_is_read_as_a1111_reads_it(text: str) -> None:
    read = read_emphasis(text)
    assert [segment.text for segment in read] == [text for text, _ in A1111[text]]
    assert [segment.weight for segment in read] == pytest.approx([weight for _, weight in A1111[text]], rel=1e-12)


def test_a_prompts_segments_are_those_of_its_text() -> None:
    assert parse("a (fox:1.3) <lora:x:1>").segments == (Segment("a "), Segment("fox", 1.3))


@given(st.text(max_size=40))
def test_what_is_escaped_is_read_as_it_was(text: str) -> None:
    assert read_emphasis(emphasise(text, 1)) == (Segment(text),)


@given(st.text(min_size=1, max_size=40), st.floats(-5, 5).filter(lambda weight: weight != 1))
def test_an_emphasised_text_reads_back(text: str, weight: float) -> None:
    [segment] = read_emphasis(emphasise(text, weight))
    assert segment.text == text
    assert segment.weight == pytest.approx(weight, abs=1e-6)


@given(st.text(alphabet="ab ,()[]", max_size=80))
def test_brackets_take_no_words_away_and_neighbours_differ_in_weight(text: str) -> None:
    def words(of: str) -> str:
        return of.translate(dict.fromkeys(map(ord, "()[]")))

    read = read_emphasis(text)
    assert words("".join(segment.text for segment in read)) == words(text)
    assert all(one.weight != other.weight for one, other in itertools.pairwise(read))
    assert all(0 < segment.weight <= MAX_EMPHASIS for segment in read)


@given(st.text(alphabet="ab ", max_size=10), st.text(alphabet="ab ", max_size=10))
def test_round_and_square_undo_each_other(inner: str, outer: str) -> None:
    assert all(segment.weight == pytest.approx(1) for segment in read_emphasis(f"{outer}([{inner}]){outer}"))


def test_a_prompts_breaks_are_places_among_its_segments() -> None:
    prompt = parse("a (fox:1.2) BREAK a hat BREAK (BREAK)")
    assert prompt.breaks == (3, 5)
    assert [prompt.segments[place] for place in prompt.breaks] == [BREAK, BREAK]
    assert find_words(prompt.text) == ["a", "fox", "hat", "break"]


@given(st.text(alphabet="ab ,BREAK", max_size=40))
def test_segments_without_brackets_are_the_text(text: str) -> None:
    assert "".join(segment.text for segment in read_emphasis(text)).split() == text.split()


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("[(" * 1_000, Segment("")),
        ("()" * 1_000, Segment("")),
        ("(a:1.01)" * 250, Segment("a" * 250, 1.01)),
        ("(" * 40 + "a" + ")" * 1_040, Segment("a", 1.1**40)),
    ],
)
def test_walls_of_brackets_are_read(text: str, segment: Segment) -> None:
    read = read_emphasis(text)[0]
    assert read.text == segment.text
    assert read.weight == pytest.approx(segment.weight)


def test_a_wall_that_weighs_too_much_is_refused() -> None:
    with pytest.raises(PromptError, match=r"`a` the weight 1\.79.*at most 100"):
        read_emphasis("(" * 900 + "a" + ")" * 900)
