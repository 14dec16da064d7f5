"""The words of a report: short, round, and with a way out where something is amiss."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainer.choosing.choose import WEIGHTS, recommend_weights
from trainer.choosing.report import describe_choice, describe_proposal, percent
from trainer.choosing.scores import Scores


def report(*row: Scores, kind: str = "subject", steps: tuple[int, ...] = (100, 200), index: int = 1) -> str:
    return describe_choice(steps, index, recommend_weights([s.total for s in row]), row, kind)  # type: ignore[arg-type]


def test_a_good_one() -> None:
    words = report(Scores(0.7, 1.0), Scores(0.9, 0.97), Scores(0.94, 0.9))
    assert words == (
        "Step 200 at weight 0.8 was chosen. Likeness about 90 %: 0 % is a picture without the adapter, 100 % is as like"
        " your photos as they are to each other. Obedience about 95 %: how much of the prompt is shown, where 100 % is"
        " what the model shows without the adapter. Weights from 0.8 to 1.0 work well: more makes it more like your"
        " photos, less follows the prompt better."
    )


def test_one_that_is_hardly_alike_says_what_to_do() -> None:
    assert "more steps, `preset: detailed`" in report(*[Scores(0.3, 1.0)] * 3)


def test_one_that_learned_by_heart_says_what_to_do() -> None:
    assert "Choose an earlier step in the grid, or train with fewer steps" in report(*[Scores(0.9, 0.4)] * 3)


def test_a_style_is_not_called_unlike() -> None:
    words = report(*[Scores(0.3, 1.0, 0.3)] * 3, kind="style")
    assert "trust your eyes more" in words
    assert "The likeness is low" not in words


def test_figures_are_no_more_exact_than_what_was_looked_at() -> None:
    assert [percent(share) for share in (0, 0.02, 0.03, 0.934, 1)] == [0, 0, 5, 95, 100]


shares = st.floats(0, 1)


@given(st.lists(st.tuples(shares, shares), min_size=3, max_size=3), st.sampled_from(["subject", "face", "style"]))
def test_it_is_short_and_whole_whatever_was_measured(pairs: list[tuple[float, float]], kind: str) -> None:
    words = report(*(Scores(*pair) for pair in pairs), kind=kind, steps=(99_999, 100_000), index=0)
    assert len(words) <= 700
    assert ": ." not in words
    assert words.endswith(".")


def test_the_proposal_is_short() -> None:
    assert len(describe_proposal(100_000, (WEIGHTS[0], 0.8, WEIGHTS[-1]))) <= 700
