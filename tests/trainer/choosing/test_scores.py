"""Scores: what they are measured against, and when a training has stopped getting better."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from tests.trainer.choosing.stand_ins import BARE, LOOK, PHOTOS, ColourJudge, paint
from tests.trainer.training.conftest import run
from trainer.choosing.scores import (
    Scores,
    Yardstick,
    draw_look,
    has_stopped_improving,
    judge_checkpoint,
    make_yardstick,
    plan_look,
)
from trainer.models.registry import BaseFile


def yardstick(photos: list[Image.Image] = PHOTOS, judge: ColourJudge | None = None) -> Yardstick:
    made: Yardstick = run(make_yardstick(LOOK, photos, BARE, judge or ColourJudge()))
    return made


def score(measure: Yardstick, likeness: float, obedience: float) -> Scores:
    scores: Scores = run(judge_checkpoint(measure, paint(lambda w: likeness, lambda w: obedience)))
    return scores


def test_pictures_without_adapter_are_not_like_the_photos_and_obey() -> None:
    assert score(yardstick(), 0.0, 1.0) == Scores(0.0, 1.0)


def test_pictures_may_be_more_like_the_photos_than_these_are_to_each_other() -> None:
    red = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (255, 128)]  # alike by 0.5: an angle of 60°
    assert score(yardstick(red), 1.0, 0.5).identity == 1.25
    assert score(yardstick(red), 0.5, 0.5).identity == 1.25
    assert score(yardstick(PHOTOS), 0.5, 0.5) == Scores(pytest.approx(0.5, abs=0.01), pytest.approx(0.5, abs=0.01))


def test_obedience_is_what_the_model_alone_shows_and_not_what_nobody_could() -> None:
    dull = run(make_yardstick(LOOK, PHOTOS, paint(lambda w: 0.0, lambda w: 0.4), ColourJudge()))
    assert score(dull, 1.0, 0.4).obedience == 1.0
    assert score(dull, 1.0, 0.2).obedience == pytest.approx(0.5, abs=0.01)


def test_a_single_photo_is_held_against_its_own_views() -> None:
    photo = Image.new("RGB", (64, 64), (255, 0, 0))
    ImageDraw.Draw(photo).rectangle((0, 0, 4, 63), fill=(128, 0, 0))  # mirrored and cropped it begins in another red
    alone = yardstick([photo])
    assert alone.identity_span[1] == pytest.approx(0.5, abs=0.01)


def test_neither_score_lifts_the_total_alone() -> None:
    assert Scores(0.0, 1.0).total == 0
    assert Scores(1.0, 0.1).total < Scores(0.5, 0.5).total < Scores(0.8, 0.8).total
    assert Scores(0.5, 1.0, 0.3).total > Scores(0.5, 1.0).total


@pytest.mark.parametrize(
    ("totals", "stopped"),
    [
        ([], False),
        ([0.5, 0.5], False),  # too few to say
        ([0.5, 0.6, 0.7], False),
        ([0.5, 0.7, 0.6, 0.8], False),
        ([0.5, 0.8, 0.7, 0.75], True),
        ([0.5, 0.8, 0.8, 0.81], True),  # a change that small is chance
    ],
)
def test_a_training_that_gets_no_better_is_seen(totals: list[float], stopped: bool) -> None:
    assert has_stopped_improving([Scores(total, total) for total in totals], patience=2) is stopped


def test_every_checkpoint_draws_the_same_prompts_from_the_same_seeds() -> None:
    defaults = BaseFile(example_prompts=("in a suit", "at the beach"))
    subject = plan_look(defaults, "thnos", "monster", "subject")
    assert subject.prompts == ("thnos monster in a suit", "thnos monster at the beach")
    assert subject.shown == ("monster in a suit", "monster at the beach")
    assert plan_look(defaults, "thnos", "monster", "face", "textual_inversion").prompts[0] == "thnos in a suit"
    style = plan_look(defaults, "inky", "drawing", "style")
    assert style.prompts == ("a cat in a suit in inky style", "a person at the beach in inky style")
    assert style.shown == ("a cat in a suit", "a person at the beach")
    assert plan_look(BaseFile(example_prompts=()), "thnos", "", "subject").prompts == ("thnos",)


def test_a_look_is_drawn_prompt_by_prompt() -> None:
    images = run(draw_look(LOOK, paint(lambda w: w, lambda w: 1.0), 0.5))
    assert [image.getpixel((0, 0))[0] for image in images] == [128, 128]
    assert len({image.getpixel((0, 0))[2] for image in images}) == 2
