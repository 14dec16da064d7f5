"""Tags: which adapters a prompt brings in, how strongly, and what is said about the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.prompt import MAX_PROMPT, MAX_WEIGHT, Network, PromptError, compose, parse, place_triggers


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
        ("<LoRA:>", "names no adapter"),
        ("<lora:x:1:1:1>", "3 weights"),
        ("<lora:x:1>" * 9, "at most 8"),
        (
            " ".join(f"<lora:x{index}:1>" for index in range(60)),
            "60 adapters in one prompt; at most 8, so take some out",
        ),
        ("<lora:x:3> <lora:x:3>", "`x` add up to the weight 6; at most 5"),
        ("<lora:x:te=1:te=0.5:unet=9>", "the weight 9"),
        ("<lora:x:te=>", "the weight nothing"),
        ("a fox :101", "the weight 101"),
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


@pytest.mark.parametrize(
    ("tag", "weights"),
    [
        ("<lora:x>", (1.0, None)),
        ("<lora:x:0.5>", (0.5, None)),
        ("<lora: x : 0.5 >", (0.5, None)),
        ("<lora:x:0.8:0.5>", (0.8, 0.5)),
        ("<lora:x:te=0.5:unet=0.8>", (0.8, 0.5)),
        ("<lora:x:unet=0.8>", (0.8, 1.0)),
        ("<lora:x:te=0.5>", (0.5, None)),
        ("<lora:x:0.7:unet=0.8>", (0.8, 0.7)),
        ("<lora:x:0.7:te=0.5>", (0.5, None)),
        ("<lora:x:0.7:te=0.5:unet=0.8>", (0.8, 0.5)),
        ("<lora:x:0.8:0.5:te=0>", (0.8, 0.0)),
        ("<lyco:x:0.5:dyn=4>", (0.5, None)),
    ],
)
def test_weights_with_and_without_names(tag: str, weights: tuple[float, float | None]) -> None:
    assert parse(tag).networks == (Network("lora", "x", *weights),)


def test_the_last_weight_counts_as_often_as_the_tag_stands_there() -> None:
    prompt = parse("<lora:x:0.3:0.1> <lora:y> <lora:x:0.5:0.2> <ti:z:0.5> <ti:z:0.7>")
    assert prompt.networks == (Network("lora", "x", 1.0, 0.4), Network("lora", "y", 1.0), Network("ti", "z", 0.7))
    assert prompt.ignored == ("`x` stands there 2 times, so its last weight counts 2 times: 1.",)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a <lora:x:1> fox", "a fox"),
        ("a <hypernet:x:1> fox<b:c>", "a fox"),
        ("a <3 <:smile:123> fox <x:>", "a <3 <:smile:123> fox <x:>"),
        ("# first\na fox # red\n#last", "a fox"),
        ("<lora:#x:1> a fox", "<lora:"),
    ],
)
def test_the_text_has_neither_tags_nor_comments(written: str, text: str) -> None:
    assert parse(written).text == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a (fox:1.3) [b:c:5] BREAK (d)", []),
        ("a fox # red", ["What stands behind `#` is a comment."]),
        ("a <hypernet:x:1> fox", ["`<hypernet:x:1>` was ignored: adapters are brought in by <lora:name:0.8>."]),
        ("a fox <lora:x:1:dyn=4>", ["`dyn=4` in `<lora:x:1:dyn=4>` was ignored."]),
        ("a (fox", ["`(` is never closed, so it reaches to the end; write `)`, or `\\(`."]),
        ("a fox)", ["`)` was never opened, so it is text; `\\)` says so."]),
        ("a (fox:1.2.3)", ["`:1.2.3)` is no weight, so it is text; write `:1.3)`."]),
        (
            "(a BREAK b)",
            ["BREAK inside of brackets is a word like any other; take it out of them to begin a new chunk."],
        ),
        ("at 10:30", ["The number at the end weighs the whole prompt 30 times; end with a comma to keep it text."]),
        (
            "a|b [c:d:5]",
            ["Steps and turns in `a|b [c:d:5]` were not read: a `|` stands outside of `[a|b]`, or a `\\` at the end."],
        ),
    ],
)
def test_the_card_can_say_what_was_ignored(written: str, said: list[str]) -> None:
    assert list(parse(written).ignored) == said


def test_a_prompt_is_composed_of_its_text() -> None:
    prompt = parse("a cat <lora:x:1> AND a dog :0.7")
    assert prompt.subprompts == compose("a cat AND a dog :0.7")
