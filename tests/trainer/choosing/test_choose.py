"""Which checkpoint and weight is chosen, with scores that can be followed by hand."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.trainer.choosing.stand_ins import BARE, LOOK, PHOTOS, ColourJudge, checkpoint, paint
from tests.trainer.training.conftest import run
from trainer.adapters.bank import AdapterBank
from trainer.choosing.choose import WEIGHTS, Checkpoint, choose, recommend_weights, shortlist
from trainer.choosing.judges import open_judge
from trainer.choosing.scores import Scores, Yardstick, make_yardstick, plan_look
from trainer.contract.events import PROPOSED_WEIGHTS
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    measured: Yardstick = run(make_yardstick(LOOK, PHOTOS, BARE, ColourJudge()))
    return measured


def test_the_checkpoint_that_is_like_the_photos_and_obeys_is_chosen(yardstick: Yardstick) -> None:
    weak, good, learned_by_heart = checkpoint(100, 0.4, 1.0), checkpoint(200, 0.9, 0.8), checkpoint(300, 1.0, 0.1)
    choice = run(choose(yardstick, [weak, good, learned_by_heart]))
    assert choice.index == 1
    assert choice.weights == (0.9, 1.0, 1.0)
    assert [(verdict.step, verdict.weight) for verdict in choice.verdicts] == [(100, 1.0), (200, 1.0), (300, 0.6)]
    assert choice.verdicts[1].scores == Scores(pytest.approx(0.9, abs=0.01), pytest.approx(0.8, abs=0.01))
    assert "Step 200 at weight 1.0 was chosen. Likeness about 90 %" in choice.report
    assert "The steps after 200 were no better." in choice.report


def test_of_equally_good_ones_the_earlier_is_chosen(yardstick: Yardstick) -> None:
    assert run(choose(yardstick, [checkpoint(step, 0.9, 0.9) for step in (100, 200)])).index == 0


def test_an_adapter_that_is_too_strong_is_used_with_less_weight(yardstick: Yardstick) -> None:
    strong = Checkpoint(100, paint(lambda w: 0.9, lambda w: 1 if w < 0.7 else 1.3 - w))
    choice = run(choose(yardstick, [strong]))
    assert choice.weights == (0.6, 0.6, 0.6)
    assert "Stay near weight 0.6: more makes it follow the prompt less." in choice.report


def test_it_draws_one_step_a_turn(yardstick: Yardstick) -> None:
    turns = sum(1 for _ in choose(yardstick, [checkpoint(100, 0.9, 0.9)]))
    assert turns == 2 * len(LOOK.prompts) * len(WEIGHTS)


def test_without_a_judge_the_last_one_is_proposed_and_the_way_out_is_named() -> None:
    unmeasured = run(make_yardstick(LOOK, PHOTOS, BARE, None))
    choice = run(choose(unmeasured, [checkpoint(100, 0.9, 0.9), checkpoint(200, 0.1, 0.1)]))
    assert (choice.index, choice.weights) == (1, PROPOSED_WEIGHTS)
    assert [verdict.scores for verdict in choice.verdicts] == [None, None]
    assert "the last step (200) at weight 0.8" in choice.report
    assert "DARKROOM_JUDGES" in choice.report
    assert Image.open(io.BytesIO(choice.grid)).format == "PNG"


@pytest.mark.parametrize(
    ("totals", "weights"),
    [
        ((0.9, 0.9, 0.9), (0.6, 1.0, 1.0)),
        ((0.5, 0.9, 0.5), (0.8, 0.8, 0.8)),
        ((0.85, 0.9, 0.80), (0.7, 0.8, 0.8)),  # 0.855 is reached just above 0.6, and just below 0.9
        ((0.9, 0.88, 0.2), (0.6, 0.6, 0.8)),
        ((0.0, 0.0, 0.0), (0.6, 1.0, 1.0)),
    ],
)
def test_recommended_weights(totals: tuple[float, ...], weights: tuple[float, float, float]) -> None:
    assert recommend_weights(totals) == weights


@given(st.lists(st.floats(0, 1), min_size=len(WEIGHTS), max_size=len(WEIGHTS)))
def test_recommended_weights_lie_around_the_best(totals: list[float]) -> None:
    low, best, high = recommend_weights(totals)
    assert WEIGHTS[0] <= low <= best <= high <= WEIGHTS[-1]
    assert totals[WEIGHTS.index(best)] == max(totals)


def scored(*totals: float) -> list[Scores | None]:
    return [Scores(total, total) for total in totals]


def test_the_grid_shows_the_last_checkpoint_and_the_best_others() -> None:
    assert shortlist(scored(0.1, 0.9, 0.5)) == (0, 1, 2)
    assert shortlist(scored(0.1, 0.9, 0.2, 0.8, 0.7, 0.3)) == (1, 3, 4, 5)
    assert shortlist([None] * 9) == (1, 3, 6, 8)


def test_with_the_embedded_base_an_adapter_that_changes_nothing_is_not_like_the_photos(
    base: Base, photos: list[Image.Image]
) -> None:
    bank = AdapterBank(base.modules)
    look = replace(plan_look(base.spec.defaults, "thnos", "monster", "subject"), num_inference_steps=3)

    def draw(job: GenerationJob, weight: float):  # type: ignore[no-untyped-def]
        return generate(base, bank, job)

    measured = run(make_yardstick(look, photos, draw, open_judge(base, None)))
    choice = run(choose(measured, [Checkpoint(100, draw)]))
    [verdict] = choice.verdicts
    assert verdict.scores == Scores(pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-4))
    assert "The likeness is low: try more or clearer photos" in choice.report
