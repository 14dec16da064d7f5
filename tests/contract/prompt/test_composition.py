"""AND, and the weights of what it joins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.prompt import MAX_EMPHASIS, PromptError, Subprompt, compose


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a cat AND a dog", [("a cat", 1.0), (" a dog", 1.0)]),
        ("a cat :1.2 AND a dog :0.7", [("a cat", 1.2), (" a dog", 0.7)]),
        ("a cat:1.2AND a dog", [("a cat:1.2AND a dog", 1.0)]),
        ("a cat:-.5 AND a dog: +2.", [("a cat", -0.5), (" a dog", 2.0)]),
        ("a cat AND AND a dog", [("a cat", 1.0), ("", 1.0), (" a dog", 1.0)]),
        ("SAND and LAND", [("SAND and LAND", 1.0)]),
        ("at 10:30", [("at 10", 30.0)]),
        ("(a:1.3)", [("(a:1.3)", 1.0)]),
        ("a :1e3", [("a :1e3", 1.0)]),
        ("a : b : 2", [("a : b", 2.0)]),
        ("a\nb :2\n", [("a\nb", 2.0)]),
        (":3", [("", 3.0)]),
        ("", [("", 1.0)]),
    ],
)
def test_and_is_read_as_a1111_reads_it(text: str, parts: list[tuple[str, float]]) -> None:
    assert compose(text) == tuple(Subprompt(*part) for part in parts)


def test_a_weight_of_thousands_is_named() -> None:
    with pytest.raises(PromptError, match=r"`in the year :1984` has the weight 1,984"):
        compose("a fox AND in the year :1984")


@given(st.lists(st.tuples(st.text("ab ,()[]", max_size=10), st.floats(-MAX_EMPHASIS, MAX_EMPHASIS)), min_size=1))
def test_what_is_written_reads_back(parts: list[tuple[str, float]]) -> None:
    read = compose(" AND ".join(f"{text} :{weight:f}" for text, weight in parts))
    assert [part.text.strip() for part in read] == [text.strip() for text, _ in parts]
    assert [part.weight for part in read] == pytest.approx([weight for _, weight in parts], abs=1e-6)
