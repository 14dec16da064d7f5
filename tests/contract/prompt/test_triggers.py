"""The words that adapters answer to, and where they are put."""

from __future__ import annotations

import pytest

from trainer.contract.prompt import find_words, parse, place_triggers

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


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("a fox, , sitting,", "a fox, , sitting,"),
        ("a fox, <lora:other:1>, <lora:more:1>, sitting", "a fox, sitting"),
        ("a fox, <lora:other:1>", "a fox"),
        ("<lora:other:1>, a fox", "a fox"),
        ("a fox,\n<hypernet:x:1>\nsitting", "a fox, sitting"),
        ("a fox # <lora:thnos:1>", "a fox"),
        ("a fox <lyco:thnos:1>", "a fox thnos monster"),
        ("(a fox:1.2<lora:other:1>)", "(a fox:1.2 )"),
    ],
)
def test_only_where_a_tag_stood_is_tidied_up(written: str, used: str) -> None:
    assert place_triggers(parse(written), THNOS) == used


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("a fox, <lora:other:1>, sitting, ", "a fox, , sitting,"),
        ("fox<lora:other:1>girl", "foxgirl"),
        ("(a fox:1.2<lora:thnos:1>)", "(a fox:1.2)"),
        ("a <hypernet:x:1>fox # red", "a fox"),
    ],
)
def test_strict_is_a1111s_text_to_the_comma(written: str, used: str) -> None:
    assert place_triggers(parse(written), THNOS, strict=True) == used == parse(written).text


def test_words_that_may_be_triggers() -> None:
    text = r"Thnos (my-dog:1.3), thnos's [a_b] müller\(x\) ((1.5"
    assert find_words(text) == ["thnos", "my-dog", "s", "a_b", "müller", "x", "1", "5"]
