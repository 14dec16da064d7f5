"""The prompt language, as members type it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.prompt import MAX_PROMPT, MAX_WEIGHT, Network, PromptError, parse, place_triggers

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


def test_tags_are_read_with_one_weight_two_or_none() -> None:
    networks = parse("<lora:a> <LORA:b:0.5> <lora:c:-1:0.25>").networks
    assert networks == (Network("lora", "a", 1.0), Network("lora", "b", 0.5), Network("lora", "c", -1.0, 0.25))


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
    ],
)
def test_what_cannot_be_used_is_named_with_the_way_out(prompt: str, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        parse(prompt)


@given(st.text(alphabet="ab<>:lora/0.8, ()[]@\n", max_size=80) | st.text(max_size=80))
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
