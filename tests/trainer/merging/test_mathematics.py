"""What must hold of the formulas whatever the numbers are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.merging.formulas import add_difference, slerp, weighted_sum
from trainer.merging.pairs import Losses, Pair, add_pairs, average_factors, distance, pair_energy, truncate
from trainer.merging.saying import say_share
from trainer.merging.sparse import dare, ties, trim

SEEDS = st.integers(0, 100_000)
SHARES = st.floats(0, 1)
WEIGHTS = st.floats(-2, 2)
SIDES = st.integers(1, 8)
few = settings(max_examples=60)


def random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(seed: int, out: int, inputs: int, rank: int, *, conv: bool = False) -> Pair:
    ends = (3, 3) if conv else ()
    down, up = random(seed, rank, inputs, *ends), random(seed + 1, out, rank)
    return Pair(down, up[:, :, None, None] if conv else up)


@few
@given(SEEDS, SHARES)
def test_weighted_sums_and_arcs_begin_at_a_and_end_at_b(seed: int, share: float) -> None:
    a, b = random(seed, 4, 5), random(seed + 1, 4, 5)
    for formula in (weighted_sum, slerp):
        assert torch.allclose(formula(a, b, 0.0), a, atol=1e-5)
        assert torch.allclose(formula(a, b, 1.0), b, atol=1e-5)
        assert torch.allclose(formula(a, b, share), formula(b, a, 1 - share), atol=1e-5)
    assert torch.allclose(add_difference(a, b - a, share), weighted_sum(a, b, share), atol=1e-5)


@few
@given(SEEDS, SHARES)
def test_an_arc_between_vectors_of_one_length_keeps_it(seed: int, share: float) -> None:
    a, b = (vector / vector.norm() for vector in (random(seed, 30), random(seed + 1, 30)))
    assert float(slerp(a, b, share).norm()) == pytest.approx(1, abs=1e-5)


@few
@given(SEEDS, SHARES, st.floats(1e-3, 3), st.booleans())
def test_on_one_line_an_arc_is_the_weighted_sum(seed: int, share: float, factor: float, against: bool) -> None:
    a = random(seed, 12)
    factor *= -1 if against else 1
    assert torch.allclose(slerp(a, factor * a, share), weighted_sum(a, factor * a, share), atol=1e-5)
    assert torch.equal(slerp(torch.zeros(12), a, share), weighted_sum(torch.zeros(12), a, share))


@few
@given(SEEDS, SIDES, SIDES, SIDES, SIDES, WEIGHTS, WEIGHTS, st.booleans())
def test_pairs_are_added_as_their_changes_are(
    seed: int, out: int, inputs: int, rank: int, other: int, w: float, v: float, conv: bool
) -> None:
    one, two = pair(seed, out, inputs, rank, conv=conv), pair(seed + 2, out, inputs, other, conv=conv)
    total = add_pairs([(w, one), (v, two)])
    wanted = w * one.delta() + v * two.delta()
    assert total.rank == rank + other
    assert total.shape == one.shape
    assert torch.allclose(total.delta(), wanted, atol=1e-4)
    assert pair_energy(total) == pytest.approx(float(wanted.double().square().sum()), rel=1e-4, abs=1e-6)
    assert distance(one, two) == pytest.approx(float((one.delta() - two.delta()).double().square().sum()), rel=1e-4)
    assert distance(one, one) <= 1e-12 * (1 + pair_energy(one))


@few
@given(SEEDS, SIDES, SIDES, SIDES, WEIGHTS, WEIGHTS)
def test_the_cross_terms_of_averaged_factors_are_what_is_said(
    seed: int, out: int, inputs: int, rank: int, w: float, v: float
) -> None:
    one, two = pair(seed, out, inputs, rank), pair(seed + 2, out, inputs, rank)
    root, sign = abs(w * v) ** 0.5, [1 if weight >= 0 else -1 for weight in (w, v)]
    cross = root * (sign[0] * one.up @ two.down + sign[1] * two.up @ one.down)
    wanted = w * one.delta() + v * two.delta() + cross
    assert torch.allclose(average_factors([(w, one), (v, two)]).delta(), wanted, atol=1e-4)


@few
@given(SEEDS, SIDES, SIDES, SIDES, st.floats(0.01, 1))
def test_the_least_rank_that_keeps_a_share_is_found(seed: int, out: int, inputs: int, rank: int, kept: float) -> None:
    whole = pair(seed, out, inputs, rank)
    cut = truncate(whole, kept=kept)
    norm = float(whole.delta().norm())
    assert float(cut.delta().norm()) >= kept * norm - 1e-4 * norm
    if cut.rank > 1:
        assert float(truncate(whole, rank=cut.rank - 1).delta().norm()) <= kept * norm + 1e-4 * norm


@few
@given(SEEDS, st.integers(1, 4), st.floats(0.05, 1))
def test_ties_asks_nobody_in_turn_and_stays_among_those_who_agree(seed: int, count: int, density: float) -> None:
    deltas = [random(seed + place, 5, 7) for place in range(count)]
    merged = ties(deltas, density)
    assert torch.allclose(merged, ties(deltas[::-1], density), atol=1e-6)
    trimmed = torch.stack([trim(delta, density) for delta in deltas])
    assert (merged <= trimmed.amax(0).clamp(min=0) + 1e-6).all()
    assert (merged >= trimmed.amin(0).clamp(max=0) - 1e-6).all()
    assert torch.allclose(ties([-delta for delta in deltas], density), -merged, atol=1e-6)
    assert torch.equal(ties([deltas[0]], density), trimmed[0])


@few
@given(SEEDS, st.floats(0.01, 1))
def test_the_greatest_stay_and_as_many_as_asked(seed: int, density: float) -> None:
    delta = random(seed, 6, 9)
    kept = trim(delta, density)
    assert int((kept != 0).sum()) == max(1, round(density * delta.numel()))
    dropped = delta[kept == 0].abs()
    assert not len(dropped) or dropped.max() <= kept[kept != 0].abs().min()


@few
@given(SEEDS, st.floats(0.01, 0.99))
def test_dare_keeps_entries_as_they_are_but_for_the_scale(seed: int, density: float) -> None:
    delta = random(seed, 20, 20)
    kept = dare(delta, density, seed, "x")
    acting = kept != 0
    assert torch.allclose(kept[acting], delta[acting] / density)


def test_losses_are_summed_in_squares_and_the_worst_is_named() -> None:
    losses = Losses()
    assert losses.error == 0
    losses.add("a", 1.0, 4.0)
    losses.add("b", 8.0, 12.0)
    losses.add("empty", 0.0, 0.0)
    assert losses.error == pytest.approx(0.75)
    assert losses.worst == (pytest.approx((2 / 3) ** 0.5), "b")


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "less than 0.0001 %"), (2e-6, "0.0002 %"), (0.0123, "1.2 %"), (0.0999, "10 %"), (0.6, "60 %"), (1, "100 %"),
     (1.5, "150 %")],
)  # fmt: skip
def test_shares_are_told_in_two_digits(share: float, words: str) -> None:
    assert say_share(share) == words
