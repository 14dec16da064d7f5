"""The arithmetic of the likeness benchmark; what it measures is run by hand."""

from __future__ import annotations

import pytest

from tests.benchmarks import likeness
from tests.benchmarks.likeness import arrive, interpolate, summarise


def test_the_goal_is_met_between_two_measurements() -> None:
    assert interpolate((25, 10.0, 0.6), (50, 20.0, 1.0), 0.8) == pytest.approx((37.5, 15.0))


def test_steps_are_taken_until_the_goal_is_reached() -> None:
    taken: list[int] = []
    closures = iter([0.2, 0.4, 0.9])
    arrival = arrive(lambda: taken.append(1), lambda: next(closures), 100.0)
    assert arrival.reached
    assert len(taken) == 3 * likeness.EVERY
    assert arrival.steps == pytest.approx(likeness.EVERY * 2.8)
    assert arrival.seconds >= 100


def test_who_never_arrives_is_told_apart() -> None:
    arrival = arrive(lambda: None, lambda: 0.5)
    assert not arrival.reached
    assert arrival.steps == likeness.LONGEST
    assert arrival.closure == 0.5


def race(ours: float, same: float, script: float, *, reached: bool = True) -> dict[str, dict[str, object]]:
    def arrival(seconds: float, arrived: bool = True) -> dict[str, object]:
        return {"reached": arrived, "steps": seconds * 8, "seconds": seconds, "closure": 0.8}

    return {"ours": arrival(ours), "script_same_recipe": arrival(same), "script": arrival(script, reached)}


def test_ratios_are_taken_race_by_race() -> None:
    races = {"a": race(5, 6, 20), "b": race(10, 10, 30), "c": race(4, 4, 40, reached=False)}
    figures = summarise({"races": races, "methods": {}})
    assert figures["time_to_likeness_ratio"] == 4
    assert figures["time_to_likeness_same_recipe_ratio"] == 1
    assert figures["script_not_reached"] == 1
    assert figures["races"] == 3


def test_the_table_has_the_means_over_the_characters() -> None:
    rows = {"lora/imp": {"identity": 0.7, "seconds": 40.0}, "lora/boar": {"identity": 0.8, "seconds": 50.0}}
    [(method, means)] = summarise({"races": {}, "methods": rows})["methods"].items()
    assert (method, means) == ("lora", {"characters": 2, "identity": 0.75, "seconds": 45.0})
