"""Choices and the server's lists, as sd-dynamic-prompts documents them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.prompt import MAX_CHOICES, MAX_PROMPT, PromptError, check_lists, find_lists, resolve

LISTS = {
    "season": ["summer", "{autumn|fall}", "", "# not this one", "winter # cold", "spring"],
    "world/africa": ["Namibian", "Basotho"],
    "world/asia": ["Thai"],
    "world": ["__world/africa__", "__world/asia__"],
    "empty": ["", "# nothing"],
    "hair_colour": ["red", "black"],
}
SEASONS = {"summer", "autumn", "fall", "winter", "spring"}


def outcomes(prompt: str, throws: int = 300) -> set[str]:
    return {resolve(prompt, LISTS, Random(seed)).text for seed in range(throws)}


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a fox", {"a fox"}),
        ("a {red|blue} fox", {"a red fox", "a blue fox"}),
        ("a {red |}fox", {"a red fox", "a fox"}),
        ("{a}", {"a"}),
        ("{}", {""}),
        ("{a|{b|c} d}", {"a", "b d", "c d"}),
        ("{2$$a|b|c}", {f"{one}, {other}" for one, other in itertools.permutations("abc", 2)}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{2$$$$a|b}", {"ab", "ba"}),
        ("{1-2$$ and $$a|b}", {"a", "b", "a and b", "b and a"}),
        ("{-2$$a|b}", {"a", "b", "a, b", "b, a"}),
        ("{2-$$a|b}", {"a, b", "b, a"}),
        ("{0-1$$a|b}", {"", "a", "b"}),
        ("{4$$a|b}", {"a, b", "b, a"}),
        ("{2-1$$a|b}", {"a", "b"}),
        ("{0::a|1::b|0.5::c}", {"b", "c"}),
        ("{[a::0.5]|b}", {"[a::0.5]", "b"}),
        ("__season__", SEASONS),
        ("{2$$__world/africa__}", {"Namibian, Basotho", "Basotho, Namibian"}),
        ("{2$$__world/asia__|__world/asia__}", {"Thai, Thai"}),
        ("__world__", {"Namibian", "Basotho", "Thai"}),
        ("__world/*__", {"Namibian", "Basotho", "Thai"}),
        ("__SEASON__ __hair_colour__", {f"{one} {other}" for one in SEASONS for other in ("red", "black")}),
        ("<lora:{a|b}:0.8>", {"<lora:a:0.8>", "<lora:b:0.8>"}),
        (r"\{a\|b\} {c\|d|e}", {r"\{a\|b\} c\|d", r"\{a\|b\} e"}),
        ("a } b | c", {"a } b | c"}),
        ("a {b|{c|d}", {"a {b|c", "a {b|d"}),
        ("snake_case__ and __", {"snake_case__ and __"}),
        ("a # {b|c}\n{d}", {"a \nd"}),
    ],
)  # fmt: skip
def test_what_may_be_chosen(prompt: str, texts: set[str]) -> None:
    assert outcomes(prompt) == texts


def test_a_list_that_there_is_not_is_text_and_said() -> None:
    read = resolve("a __nothing__ fox in __empty__ and __nothing__", LISTS, Random(1))
    assert read.text == "a __nothing__ fox in __empty__ and __nothing__"
    assert read.ignored == (
        "There is no list `__nothing__`, so it is text.",
        "There is no list `__empty__`, so it is text.",
    )


def test_the_same_seed_chooses_the_same_on_every_machine() -> None:
    prompt = "{a|b|c} {2$$d|e|f} __season__ {1-3$$ $$g|h|i} __world/*__ {3::j|k}"
    assert resolve(prompt, LISTS, Random(7)).text == "a d, f summer h g Basotho j"


def test_weights_are_relative() -> None:
    counts = Counter(resolve("{3::a|b|.5::c}", {}, Random(seed)).text for seed in range(900))
    assert counts["a"] == pytest.approx(600, abs=60)
    assert counts["b"] == pytest.approx(200, abs=50)
    assert counts["c"] == pytest.approx(100, abs=40)


def grown(name: str, depth: int, times: int) -> dict[str, list[str]]:
    return {f"{name}{level}": [f"__{name}{level + 1}__" * times] for level in range(depth)} | {f"{name}{depth}": ["x"]}


@pytest.mark.parametrize(
    ("prompt", "lists", "words"),
    [
        ("__a__", {"a": ["x", "__a__"]}, "`__a__` calls itself: `__a__` → `__a__`; take"),
        (
            "a __start__",
            {"start": ["__a__"], "a": ["__b__"], "b": ["x", "{y|__A__}"]},
            "`__a__` calls itself: `__a__` → `__b__` → `__a__`; take",
        ),
        ("__a/b__", {"a/b": ["__a/*__"]}, "`__a/b__` calls itself"),
        ("__n0__", grown("n", 40, 1), "`__n0__` calls others, more than 20 deep"),
        ("__n0__", grown("n", 18, 2), f"more than {MAX_CHOICES} choices"),
        ("__n0__", {"n0": ["x" * 1_500 + "__n1__"], "n1": ["y" * 1_500]}, "more than 2,000 characters"),
        ("{400$$" + ", " * 20 + "$$__n__}", {"n": [str(n) for n in range(400)]}, "more than 2,000 characters"),
        ("{" * 30 + "a" + "}" * 30, {}, "more than 20 deep"),
        ("{0::a|0::b}", {}, "all weights are 0"),
        ("a" * 3_000, {}, "3,000 characters"),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence(prompt: str, lists: dict[str, list[str]], words: str) -> None:
    with pytest.raises(PromptError, match=re.escape(words)) as caught:
        resolve(prompt, lists, Random(0))
    assert ". " not in str(caught.value)


def test_a_cycle_is_found_whatever_the_dice_say_but_only_where_it_is_called() -> None:
    lists = {"a": ["x"] * 99 + ["__a__"], "b": ["y"]}
    for seed in range(20):
        with pytest.raises(PromptError, match="calls itself"):
            resolve("__a__", lists, Random(seed))
    assert resolve("__b__", lists, Random(0)).text == "y"
    with pytest.raises(PromptError, match="calls itself"):
        check_lists(lists)
    check_lists(LISTS)


def test_the_lists_that_a_prompt_calls() -> None:
    assert find_lists(r"__a__ {__b/c__|__a__} \__d__ __e_f__ __g") == ["a", "b/c", "e_f"]


ODD = st.text(alphabet="ab{}|$_:.-12\\# \n", max_size=60)


@given(ODD | st.text(max_size=60), st.dictionaries(st.sampled_from("ab"), st.lists(ODD, max_size=3)), st.integers(0, 9))
def test_nothing_but_a_prompt_error_comes_of_any_prompt(prompt: str, lists: dict[str, list[str]], seed: int) -> None:
    try:
        read = resolve(prompt, lists, Random(seed))
    except PromptError:
        return
    assert read == resolve(prompt, lists, Random(seed))
    assert len(read.text) <= MAX_PROMPT


@given(st.text(alphabet="ab ,()[]:.<>", max_size=60), st.integers(0, 9))
def test_a_prompt_without_choices_stays_as_it_is(prompt: str, seed: int) -> None:
    assert resolve(prompt, LISTS, Random(seed)).text == prompt


@given(st.lists(st.text("abc ", max_size=5), min_size=1, max_size=6), st.integers(0, 6), st.integers(0, 99))
def test_none_is_chosen_twice(options: list[str], count: int, seed: int) -> None:
    numbered = [f"{index}{option}" for index, option in enumerate(options)]
    text = resolve("{" + f"{count}$$;$$" + "|".join(numbered) + "}", {}, Random(seed)).text
    chosen = text.split(";") if text else []
    assert len(chosen) == len(set(chosen)) == min(count, len(numbered))
    assert set(chosen) <= set(numbered)


def test_a_name_of_many_stars_is_none() -> None:
    """With each star, finding out that a name does not match takes a power of its length longer."""
    read = resolve("__" + "*a" * 20 + "b__ __**/*ed__", {"a" * 60: ["x"], "a/bed": ["y"]}, Random(0))
    assert read.text == "__" + "*a" * 20 + "b__ y"
