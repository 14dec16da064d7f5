"""Prompt editing by steps, as A1111 reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.prompt import index_at, schedule
from trainer.contract.prompt import schedules as module

STEPS = 10

# what A1111's documentation of its function says, in ten steps; then what its grammar makes of the odd ones
A1111 = {
    "test": [(10, "test")],
    "a [b:3]": [(3, "a "), (10, "a b")],
    "a [b: 3]": [(3, "a "), (10, "a b")],
    "a [[[b]]:2]": [(2, "a "), (10, "a [[b]]")],
    "[(a:2):3]": [(3, ""), (10, "(a:2)")],
    "a [b : c : 1] d": [(1, "a b  d"), (10, "a  c  d")],
    "a[b:[c:d:2]:1]e": [(1, "abe"), (2, "ace"), (10, "ade")],
    "a [unbalanced": [(10, "a [unbalanced")],
    "a [b:.5] c": [(5, "a  c"), (10, "a b c")],
    "a [{b|d{:.5] c": [(10, "a [{b|d{:.5] c")],  # the documentation says otherwise, its own grammar this
    "((a][:b:c [d:3]": [(3, "((a][:b:c "), (10, "((a][:b:c d")],
    "[a|(b:1.1)]": [(step, "a" if step % 2 else "(b:1.1)") for step in range(1, 11)],
    "[fe|]male": [(step, "female" if step % 2 else "male") for step in range(1, 11)],
    "[fe|||]male": [(step, "female" if step % 4 == 1 else "male") for step in range(1, 11)],
    "": [(10, "")],
    "[a:b:0.35]": [(3, "a"), (10, "b")],
    "[a::7]": [(7, "a"), (10, "")],
    "[:b:7]": [(7, ""), (10, "b")],
    "[::7]": [(7, ""), (10, "")],
    "[a:b:99]": [(10, "a")],
    "[a:b:0]": [(10, "b")],
    "[a:b:-1]": [(10, "b")],
    "[a:b:-.5]": [(10, "b")],
    "[a:b:1.0]": [(10, "a")],
    "[a:b:1]": [(1, "a"), (10, "b")],
    "[a:b:+2 ]": [(2, "a"), (10, "b")],
    "[a:b:2e0]": [(2, "a"), (10, "b")],
    "[a:b:1e999]": [(10, "a")],
    "[a:b:1e-1]": [(10, "b")],
    "[a:b:3x]": [(10, "[a:b:3x]")],
    "[a:b:c:3]": [(10, "[a:b:c:3]")],
    "[a:b]": [(10, "[a:b]")],
    "[x:[a:b]:3]": [(10, "[x:[a:b]:3]")],
    "(a:b:[c:3])": [(3, "(a:b:)"), (10, "(a:b:c)")],
    "[a (b:3] [c:3]": [(3, "[a (b:3] "), (10, "[a (b:3] c")],
    r"[a\:b:c:3]": [(3, r"a\:b"), (10, "c")],
    r"\[a:b:3]": [(10, r"\[a:b:3]")],
    "a|b [c:3]": [(10, "a|b [c:3]")],  # a bar that stands alone makes all of it text
    "(a|b) [c:3]": [(10, "(a|b) [c:3]")],
    "[c:3] [a|b": [(10, "[c:3] [a|b")],
    "[c:3]\\": [(10, "[c:3]\\")],
    "[[a|b]:c:2]": [(1, "a"), (2, "b"), *((step, "c") for step in range(3, 11))],
    "[a|[b:c:4]]": [(step, "a" if step % 2 else "b" if step <= 4 else "c") for step in range(1, 11)],
}  # fmt: skip


@pytest.mark.parametrize("text", A1111)
def test_a_prompt_is_edited_as_a1111_edits_it(text: str) -> None:
    assert schedule(text, STEPS) == A1111[text]


@pytest.mark.parametrize(
    ("text", "second_pass"),
    [
        ("a [b:.5] c", [(6, "a b c")]),
        ("a [b:1.5] c", [(3, "a  c"), (6, "a b c")]),
        ("a [b:12] c", [(2, "a  c"), (6, "a b c")]),
        ("a [b:3] c", [(6, "a b c")]),
        ("a [b:99] c", [(6, "a  c")]),
        ("[a|b]", [(step, "ab"[1 - step % 2]) for step in range(1, 7)]),
        ("a|b [c:3]", [(6, "a|b [c:3]")]),
    ],
)
def test_the_second_pass_counts_on(text: str, second_pass: list[tuple[int, str]]) -> None:
    assert schedule(text, STEPS, 6) == second_pass


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("[a:b:.5]", [(5, "a"), (10, "b")]),
        ("[a:b:1.5]", [(1, "a"), (10, "b")]),
        ("[a:b:7]", [(7, "a"), (10, "b")]),
        ("[a:b:2.9]", [(2, "a"), (10, "b")]),
    ],
)
@pytest.mark.parametrize("hires_steps", [None, 6])
def test_old_pictures_are_scheduled_as_they_were(
    text: str, texts: list[tuple[int, str]], hires_steps: int | None
) -> None:
    assert schedule(text, STEPS, hires_steps, use_old_scheduling=True) == texts


def test_the_first_text_has_one_call_more_as_in_a1111() -> None:
    ends = [end for end, _ in schedule("[a:b:3]", 5)]
    assert [index_at(ends, call) for call in range(7)] == [0, 0, 0, 0, 1, 1, 1]


def prompts(brackets: bool) -> st.SearchStrategy[str]:
    words = st.sampled_from(["a", "b c", "fox, ", " ", r"\(", r"\[x\]"])
    when = st.sampled_from(["3", ".5", " 0.25 ", "7", "1.5", "0"])

    def around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        kinds = [
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner, when).map(lambda each: "[{}:{}:{}]".format(*each)),
            st.tuples(inner, when).map(lambda each: "[{}:{}]".format(*each)),
            st.lists(inner, min_size=2, max_size=4).map(lambda options: "[" + "|".join(options) + "]"),
        ]
        emphasis = [inner.map("({})".format), inner.map("({}:1.2)".format)]
        return st.one_of(*kinds, *(emphasis if brackets else []))

    return st.recursive(words, around, max_leaves=12)


@given(prompts(brackets=False), st.integers(1, 40))
def test_no_brackets_of_steps_are_left(text: str, steps: int) -> None:
    for _, drawn in schedule(text, steps):
        assert not set(drawn.replace(r"\[x\]", "")) & set("[]:|")


@given(
    prompts(brackets=True) | st.text(alphabet="ab [](:|)\\.35", max_size=60) | st.text(max_size=60), st.integers(1, 40)
)
def test_the_texts_reach_to_the_last_step_in_order(text: str, steps: int) -> None:
    ends = [end for end, _ in schedule(text, steps)]
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == steps


@given(prompts(brackets=True), st.integers(1, 12))
def test_what_is_drawn_is_not_edited_again(text: str, steps: int) -> None:
    for _, drawn in schedule(text, steps):
        assert schedule(drawn, steps) == [(steps, drawn)]


@given(st.text(alphabet="ab ,()", max_size=60), st.integers(1, 40))
def test_a_prompt_without_steps_is_drawn_as_it_is(text: str, steps: int) -> None:
    assert schedule(text, steps) == [(steps, text)]


@pytest.mark.parametrize("text", ["[" * 1_000 + "]" * 1_000, "[(" * 1_000, "[a:" * 400 + ":3]" * 400, "[a|b]" * 400])
def test_every_piece_is_looked_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    class Counting:
        def finditer(self, text: str) -> object:
            nonlocal looked
            for match in pattern.finditer(text):
                looked += 1
                yield match

    pattern = module._PIECE
    monkeypatch.setattr(module, "_PIECE", Counting())
    nodes = list(module._walk(module._read(text)))
    assert looked <= len(text)
    assert len(nodes) <= 2 * len(text)


def test_brackets_may_be_nested_deeper_than_python_calls() -> None:
    assert schedule("[" * 1_000 + ":a:3" + "]" * 1_000, 5)[-1][0] == 5
    nested = "[" * 600 + "a" + ":3]" * 600
    assert schedule(nested, 5) == [(3, ""), (5, "a")]
