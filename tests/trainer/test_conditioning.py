"""Conditioning against a plain re-implementation of A1111's rules, for one text encoder and for SDXL's two."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.wording import (
    INVERSIONS,
    LONG,
    ONE,
    PROMPTS,
    TWO,
    VOCABULARY,
    reference,
    reference_chunks,
)
from trainer.contract.prompt import Segment
from trainer.generation.conditioning import condition, split
from trainer.models.loading import Base
from trainer.models.text import TextTower, encode_tokens, tokenize, weigh

BOTH = pytest.mark.parametrize("towers", [ONE, TWO], ids=["one", "two"])


@BOTH
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_it_is_what_a1111_makes_of_it(towers: tuple[TextTower, ...], prompt: str) -> None:
    made = condition(towers, [prompt], INVERSIONS)
    count = len(reference_chunks(towers[0], prompt))
    expected = reference(towers, prompt, count)
    assert made.embeddings.shape == (1, 77 * count, sum(tower.width for tower in towers))
    torch.testing.assert_close(made.embeddings, expected.embeddings, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(made.pooled, expected.pooled, atol=1e-5, rtol=1e-5)


@BOTH
def test_prompts_of_other_lengths_get_empty_chunks(towers: tuple[TextTower, ...]) -> None:
    prompts = ["", f"{LONG}, a (hat:1.3)", "thnos"]
    made = condition(towers, prompts, INVERSIONS)
    for row, prompt in enumerate(prompts):
        expected = reference(towers, prompt, 2)
        torch.testing.assert_close(made.embeddings[row : row + 1], expected.embeddings, atol=1e-5, rtol=1e-5)
        if made.pooled is not None:
            torch.testing.assert_close(made.pooled[row : row + 1], expected.pooled, atol=1e-5, rtol=1e-5)


@BOTH
@pytest.mark.parametrize("prompts", [["a fox"], ["rain, fog", "a fox in a suit"], ["", "thnos in a suit"]])
def test_a_plain_prompt_is_encoded_as_ever_to_the_bit(towers: tuple[TextTower, ...], prompts: list[str]) -> None:
    plain = encode_tokens(towers, tokenize(towers, prompts, INVERSIONS), INVERSIONS)
    made = condition(towers, prompts, INVERSIONS)
    assert torch.equal(made.embeddings, plain.embeddings)
    assert made.pooled is plain.pooled is None or torch.equal(made.pooled, plain.pooled)


def test_emphasis_on_one_prompt_leaves_the_other_to_the_bit(base: Base) -> None:
    plain = base.encode_prompts(["rain, fog", "a fox in a suit"])
    made = condition(base.towers, ["rain, fog", "a (fox:1.3) in a suit"])
    assert torch.equal(made.embeddings[0], plain.embeddings[0])
    assert not torch.equal(made.embeddings[1], plain.embeddings[1])


def test_escaped_brackets_are_words(base: Base) -> None:
    made = condition(base.towers, [r"a fox \(in a suit\)"])
    assert torch.equal(made.embeddings, base.encode_prompts(["a fox (in a suit)"]).embeddings)


def test_another_weight_on_the_trigger_is_another_conditioning() -> None:
    made = condition(ONE, ["thnos in a suit", "(thnos:1.1) in a suit", "(thnos:1.2) in a suit"], INVERSIONS)
    one, other, third = made.embeddings
    assert not torch.equal(one, other)
    assert not torch.equal(other, third)


def test_a_mean_of_zero_restores_nothing() -> None:
    states = torch.tensor([[[1.0, -1.0], [2.0, -2.0]]])
    assert torch.equal(weigh(states, torch.tensor([[1.0, 2.0]])), torch.tensor([[[1.0, -1.0], [4.0, -4.0]]]))


# -- chunks ------------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(["a", "fox", ",", "suit", "thnos", "moss", "zebra"])
SEGMENTS = st.lists(
    st.tuples(st.lists(WORDS, max_size=40).map(" ".join), st.sampled_from([0.5, 1.0, 1.3])), min_size=1, max_size=5
)


@given(SEGMENTS)
def test_chunks_hold_every_token_once_and_no_inversion_in_two(written: list[tuple[str, float]]) -> None:
    segments = [Segment(text, weight) for text, weight in written]
    chunks = list(split(ONE[0], segments, INVERSIONS))
    assert all(1 <= len(chunk) <= 75 for chunk in chunks) or [len(chunk) for chunk in chunks] == [0]
    assert all(len(chunk.ids) == len(chunk.weights) for chunk in chunks)
    rows = list(range(VOCABULARY, VOCABULARY + 4))
    for chunk in chunks:
        starts = [place for place, token in enumerate(chunk.ids) if token == rows[0]]
        assert all(chunk.ids[place : place + 4] == rows for place in starts)
        assert 4 * len(starts) == sum(token in rows for token in chunk.ids)
    tokens = [(token, weight) for chunk in chunks for token, weight in zip(chunk.ids, chunk.weights, strict=True)]
    alone = [list(split(ONE[0], [segment], INVERSIONS)) for segment in segments]
    assert tokens == [pair for each in alone for chunk in each for pair in zip(chunk.ids, chunk.weights, strict=True)]
