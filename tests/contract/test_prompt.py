"""The prompt language, as members type it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.prompt import (
    MAX_EMPHASIS,
    MAX_PROMPT,
    MAX_WEIGHT,
    Network,
    PromptError,
    Segment,
    emphasise,
    find_words,
    parse,
    place_triggers,
    read_emphasis,
)

THNOS = {"thnos": ("thnos", "monster"), "ada/thnos": ("thnos", "monster")}


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("<lora:thnos:0.8> in a suit", "thnos monster in a suit"),
        ("thnos in a suit <lora:thnos:0.8>", "thnos in a suit"),
        ("a portrait of <lora:thnos>, at the beach", "a portrait of thnos monster, at the beach"),
        ("<lora:ada/thnos:1> smiling", "thnos monster smiling"),
        ("Thnos dancing<lora:thnos:1>", "Thnos dancing"),
        ("thnosaurus <lora:thnos:1>", "thnosaurus thnos monster"),
        ("<lora:thnos:0.5> and <lora:thnos:0.5>", "thnos monster and"),
        ("<lora:other:1> a fox", "a fox"),
        ("a fox, <lora:other:1>, sitting", "a fox, sitting"),
    ],
)
def test_the_trigger_takes_the_place_of_its_tag_where_it_is_missing(written: str, used: str) -> None:
    assert place_triggers(parse(written), THNOS) == used


def test_strict_leaves_the_words_as_they_are() -> None:
    assert place_triggers(parse("<lora:thnos:0.8> in a suit"), THNOS, strict=True) == "in a suit"


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("<lora:moss:0.8> in a suit", "(moss:0.8) in a suit"),
        ("a photo of <ti:moss>, smiling", "a photo of moss, smiling"),
        ("(<TI:moss:-0.25>, a suit)", "( (moss:-0.25), a suit)"),
        ("<lora:thnos:0.5> and <lora:moss:0.5>", "thnos monster and (moss:0.5)"),
        ("<lora:moss> (moss:1.2) in a suit", "(moss:1.2) in a suit"),
        ("<lora:moss:0.5> moss in a suit", "(moss:0.5) moss in a suit"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_the_tag_of_a_textual_inversion_is_its_trigger_with_a_weight(written: str, used: str, strict: bool) -> None:
    used = used.replace("thnos monster ", "") if strict else used
    assert place_triggers(parse(written), THNOS, {"moss": "moss"}, strict=strict) == used


def test_tags_are_read_with_one_weight_two_or_none() -> None:
    networks = parse("<lora:a> <LORA:b:0.5> <lora:c:-1:0.25> <Ti:d>").networks
    assert networks[:2] == (Network("lora", "a", 1.0), Network("lora", "b", 0.5))
    assert networks[2:] == (Network("lora", "c", -1.0, 0.25), Network("ti", "d", 1.0))


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 3_000, "3,000 characters"),
        ("<lora:x:NaN>", "the weight NaN"),
        ("<lora:x:1e9>", "the weight 1e9"),
        ("<lora:x:inf>", "the weight inf"),
        ("<lora:x:>", "the weight nothing"),
        ("<lora:x:much>", "the weight much"),
        ("<lora::1>", "names no adapter"),
        ("<lora:x:1:1:1>", "3 weights"),
        ("<lora:x:1>" * 9, "at most 8"),
        ("a (fox:1000)", "`fox` the weight 1,000; at most 100"),
        (f"(fox:{'9' * 400})", "`fox` the weight inf"),
        ("(" * 1000 + "fox", "`fox` the weight 2.47e"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_way_out(prompt: str, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        parse(prompt)


@given(st.text(alphabet="ab<>:lora/0.8, ()[]@\\\\\n", max_size=80) | st.text(max_size=80))
def test_no_prompt_does_worse_than_be_refused(text: str) -> None:
    try:
        prompt = parse(text)
    except PromptError:
        return
    assert all(abs(network.weight) <= MAX_WEIGHT for network in prompt.networks)
    assert len(place_triggers(prompt, {})) <= MAX_PROMPT


@given(st.floats(-5, 5), st.sampled_from(["thnos", "ada/thnos", "my adapter"]))
def test_a_written_tag_reads_back(weight: float, name: str) -> None:
    assert parse(f"x <lora:{name}:{weight}>").networks == (Network("lora", name, weight),)


# -- emphasis ---------------------------------------------------------------------------------------------------------

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


def test_words_that_may_be_triggers() -> None:
    text = r"Thnos (my-dog:1.3), thnos's [a_b] müller\(x\) ((1.5"
    assert find_words(text) == ["thnos", "my-dog", "s", "a_b", "müller", "x", "1", "5"]
