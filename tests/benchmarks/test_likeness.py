"""The likeness benchmark: its arithmetic, what it keeps, and a few steps of each side; the rest is run by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.benchmarks import likeness, studio
from tests.benchmarks.arrivals import (
    FIRST_LOOK,
    GOAL,
    LEAST_GAP,
    Arrival,
    Moment,
    arrive,
    compare,
    interpolate,
    next_look,
    our_arrival,
    our_options,
    script_arrival,
    summarise_races,
)
from tests.benchmarks.cases import PHOTOS
from tests.benchmarks.likeness import State, read_pictures, write_picture
from tests.benchmarks.methods import METHODS, Trial, draw_sheet, tell_story, try_method
from tests.benchmarks.studio import Studio, Subject, open_studio


class Training:
    """Takes a second a step; a measurement takes a hundred, and finds a thousandth more a step."""

    def __init__(self, a_step: float = 0.001) -> None:
        self.now, self.steps, self.a_step = 0.0, 0, a_step

    def step(self) -> None:
        self.now, self.steps = self.now + 1, self.steps + 1

    def measure(self) -> float:
        self.now += 100
        return self.steps * self.a_step

    def arrive(self, begun: Moment | None = None, longest: int = 1500) -> Arrival:
        start = begun or Moment(0, 0.0, 0.0)
        return arrive(self.step, self.measure, start, longest=longest, clock=lambda: self.now)


# -- time to likeness -------------------------------------------------------------------------------------------------


def test_the_clock_stands_still_while_it_is_measured() -> None:
    training = Training()
    arrival = training.arrive()
    assert arrival.reached
    assert (arrival.steps, arrival.seconds) == (pytest.approx(800), pytest.approx(800))
    assert training.now > 2000


def test_preparation_counts_and_so_does_a_step_that_was_taken_in_it() -> None:
    training = Training()
    training.steps = 1
    arrival = training.arrive(Moment(1, 30.0, 0.0))
    assert (arrival.steps, arrival.seconds) == (pytest.approx(800), pytest.approx(829))


def test_who_never_arrives_counts_with_what_was_spent() -> None:
    arrival = Training(0.0001).arrive(longest=333)
    assert arrival == Arrival(False, 333, 333.0, pytest.approx(0.0333))


@given(st.integers(0, 5000))
def test_measurements_are_a_tenth_apart_or_five_steps(steps: int) -> None:
    gap = next_look(steps) - steps
    assert 0 < gap <= max(LEAST_GAP, steps / 10, FIRST_LOOK - steps)


@given(st.floats(-1, GOAL - 0.01), st.floats(GOAL, 2))
def test_the_goal_is_met_between_two_measurements(low: float, high: float) -> None:
    there = interpolate(Moment(20, 5.0, low), Moment(30, 8.0, high), GOAL)
    assert 20 <= there.steps <= 30.0001
    assert there.seconds == pytest.approx(5 + 0.3 * (there.steps - 20))


def _arrival(seconds: float, reached: bool = True) -> dict[str, Any]:
    return {"reached": reached, "steps": seconds * 8, "seconds": seconds, "closure": 0.8}


@pytest.mark.parametrize(
    ("ours", "other", "ratio"),
    [
        (_arrival(5), _arrival(20), 4.0),
        (_arrival(5), _arrival(100, reached=False), 20.0),
        (_arrival(100, reached=False), _arrival(20), 0.0),
        (_arrival(100, reached=False), _arrival(100, reached=False), None),
    ],
)
def test_a_ratio_is_never_better_than_what_was_seen(ours: Any, other: Any, ratio: float | None) -> None:
    assert compare(ours, other, "seconds") == ratio


def test_ratios_are_taken_race_by_race() -> None:
    rows = [
        {"ours": _arrival(ours), "script_same_recipe": _arrival(same), "script": _arrival(script, reached)}
        for ours, same, script, reached in ((5, 6, 20, True), (10, 10, 30, True), (4, 4, 40, False))
    ]
    figures = summarise_races(rows)
    assert figures["time_to_likeness_ratio"] == 4
    assert figures["time_to_likeness_ratio_spread"] == {"median": 4, "low": 3.5, "high": 7, "least": 3, "most": 10}
    assert figures["time_to_likeness_same_recipe_ratio"] == 1
    assert (figures["script_not_reached"], figures["ours_not_reached"], figures["races"]) == (1, 0, 3)


def test_nobody_arrived() -> None:
    lost = _arrival(9, reached=False)
    figures = summarise_races([{"ours": lost, "script_same_recipe": lost, "script": lost}])
    assert figures["time_to_likeness_ratio"] is None
    assert figures["ours_not_reached"] == 1


# -- the methods ------------------------------------------------------------------------------------------------------


def _rows(**identities: list[float]) -> dict[str, dict[str, dict[str, float]]]:
    """By method one identity a character; sizes in the order that they are named in, the largest first."""
    return {
        method: {
            f"character {number}": {"identity": identity, "closure": identity / 0.8, "kilobytes": 100.0 / (place + 1)}
            for number, identity in enumerate(found)
        }
        for place, (method, found) in enumerate(identities.items())
    }


def test_the_story_comes_out() -> None:
    rows = _rows(dreambooth=[0.8, 0.7], lora=[0.7, 0.7], textual_inversion=[0.4, 0.5])
    assert tell_story(rows) == {"comes_out": True, "note": ""}


def test_a_tie_is_said() -> None:
    story = tell_story(_rows(dreambooth=[0.8, 0.7], lora=[0.79, 0.72], textual_inversion=[0.4, 0.5]))
    assert not story["comes_out"]
    assert story["note"] == (
        "dreambooth is 0.005 less like than lora (cosine, mean of 2 characters), less than two standard errors (0.030);"
        " both are at the ceiling of real pictures, above which the score tells nothing."
    )


def test_the_other_way_is_said() -> None:
    story = tell_story(_rows(textual_inversion=[0.6, 0.7], lora=[0.4, 0.5], dreambooth=[0.8, 0.8]))
    assert not story["comes_out"]
    assert "lora is 0.200 less like than textual_inversion" in story["note"]
    assert "more than two standard errors" in story["note"]
    assert "The file of dreambooth is smaller than that of lora." in story["note"]


def test_a_story_needs_all_methods() -> None:
    assert tell_story(_rows(lora=[0.8], textual_inversion=[0.5])) == {
        "comes_out": False,
        "note": "Not all methods are done.",
    }


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    State.open(path).do("races", "imp/1", lambda: {"seconds": 5})
    done: list[str] = []
    again = State.open(path)
    again.do("races", "imp/1", lambda: done.append("imp/1"))
    again.do("races", "imp/2", lambda: done.append("imp/2"))
    assert done == ["imp/2"]
    assert json.loads(path.read_text()) == {"races": {"imp/1": {"seconds": 5}, "imp/2": None}}
    assert list(tmp_path.iterdir()) == [path]


def test_what_ends_in_a_fault_is_not_kept(tmp_path: Path) -> None:
    state = State.open(tmp_path / "state.json")

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        state.do("races", "imp/1", fail)
    assert State.open(tmp_path / "state.json").rows("races") == {}


# -- with the base ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_studio(monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr(studio, "LOOK_STEPS", 1)
    return open_studio(None)


@pytest.fixture
def imp(small_studio: Studio) -> Subject:
    return small_studio.know("imp", 1, 2, [Image.open(path) for path in PHOTOS[:6]])


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(our_arrival, id="ours"),
        pytest.param(lambda s, i, longest: script_arrival(s, i, {}, longest), id="script"),
        pytest.param(lambda s, i, longest: script_arrival(s, i, our_options(s), longest), id="script, our recipe"),
    ],
)
def test_both_sides_train_and_are_measured(run: Callable[..., Arrival], small_studio: Studio, imp: Subject) -> None:
    bare = small_studio.likeness(small_studio.draw_bare(imp), imp)
    arrival = run(small_studio, imp, longest=2)
    assert (arrival.reached, arrival.steps) == (False, 2)
    assert arrival.seconds > 0
    assert arrival.closure != bare  # what was learned is drawn with


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_tried(name: str, small_studio: Studio, imp: Subject) -> None:
    trial = try_method(small_studio, imp, name, steps=4)
    assert len(trial.images) == 2
    assert 0 <= trial.figures["obedience"] <= 1
    assert trial.figures["kilobytes"] > 1


def test_the_sheet_has_a_row_a_scene(
    tmp_path: Path, small_studio: Studio, imp: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Studio, "meet", lambda self, head, seed, scenes: imp)
    drawn = [write_picture(image.resize((64, 64))) for image in imp.photos[:2]]
    pictures = partial(read_pictures, State(done={"pictures": {f"{method}/imp": drawn for method in METHODS}}))
    draw_sheet(small_studio, ["imp"], pictures, tmp_path / "one.png")
    draw_sheet(small_studio, ["imp", "imp"], pictures, tmp_path / "two.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert one.width == two.width > 8 * 240
        assert two.height - one.height > 2 * 240


def test_the_command_goes_on_from_its_state(
    tmp_path: Path,
    small_studio: Studio,
    imp: Subject,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[str] = []

    def race(studio: Studio, head: str, seed: int) -> dict[str, Any]:
        done.append(f"{head}/{seed}")
        return {"ours": _arrival(5), "script_same_recipe": _arrival(6), "script": _arrival(20)}

    def try_method(studio: Studio, subject: Subject, name: str) -> Trial:
        done.append(name)
        figures = {"identity": 0.5, "closure": 0.5, "kilobytes": 1.0}
        return Trial(figures, [Image.new("RGB", (64, 64), "red")] * 12)

    monkeypatch.setattr(likeness, "open_studio", lambda work: small_studio)
    monkeypatch.setattr(likeness, "race", race)
    monkeypatch.setattr(likeness, "try_method", try_method)
    monkeypatch.setattr(Studio, "meet", lambda self, head, seed, scenes: imp)
    state, sheet = tmp_path / "state.json", tmp_path / "sheet.png"
    call = ["likeness", "--json", "--quick", f"--work={tmp_path}", f"--state={state}", f"--sheet={sheet}"]
    monkeypatch.setattr(sys, "argv", call)
    likeness.main()
    first = capsys.readouterr().out
    assert done == ["imp/1", *METHODS]
    assert json.loads(first)["time_to_likeness_ratio"] == 4
    assert set(json.loads(first)["methods"]) == set(METHODS)
    with Image.open(sheet) as image:
        assert image.convert("RGB").getpixel((image.width - 130, 200)) == (255, 0, 0)
    sheet.unlink()
    likeness.main()
    assert capsys.readouterr().out == first
    assert len(done) == 1 + len(METHODS)  # nothing was done again
    assert sheet.exists()
