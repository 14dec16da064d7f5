"""Samplers are found by what four programs call them, and what is not found is told with what comes nearest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.samplers import (
    AUTOMATIC,
    AUTOMATIC_SCHEDULERS,
    OWN_TIMESTEPS,
    SAMPLERS,
    SCHEDULERS,
    find_sampler,
    find_scheduler,
    name_sampler,
    suggest_samplers,
)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("Euler a", ("Euler a", AUTOMATIC)),
        ("euler_ancestral", ("Euler a", AUTOMATIC)),
        ("EulerAncestralDiscreteScheduler", ("Euler a", AUTOMATIC)),
        (" EULER  A ", ("Euler a", AUTOMATIC)),
        ("Euler", ("Euler", AUTOMATIC)),
        ("DPM++ 2M Karras", ("DPM++ 2M", "Karras")),
        ("dpmpp_2m + karras", ("DPM++ 2M", "Karras")),
        ("dpmpp_2m_k", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Exponential", ("DPM++ 2M SDE", "Exponential")),
        ("DPM++ 2M SGM Uniform", ("DPM++ 2M", "SGM Uniform")),
        ("dpmpp_2m normal", ("DPM++ 2M", "Uniform")),
        ("DPM++ 2S a Karras", ("DPM++ 2S a", "Karras")),
        ("dpm_2_ancestral", ("DPM2 a", AUTOMATIC)),
        ("DPM++ SDE", ("DPM++ SDE", AUTOMATIC)),
        ("uni_pc", ("UniPC", AUTOMATIC)),
        ("pndm", ("PLMS", AUTOMATIC)),
        ("DDIM Karras", ("DDIM", AUTOMATIC)),
    ],
)
def test_a_sampler_is_found(written: str, found: tuple[str, str]) -> None:
    assert find_sampler(written) == found


def test_the_schedule_type_stands_beside_the_sampler_since_a1111_1_9() -> None:
    assert find_sampler("DPM++ 2M", "Karras") == find_sampler("DPM++ 2M Karras")
    assert find_sampler("DPM++ 2M", "automatic") == ("DPM++ 2M", AUTOMATIC)
    assert find_sampler("DPM++ 2M Karras", "Uniform") == ("DPM++ 2M", "Karras")


def test_what_is_unknown_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^there is no sampler called Eular a; the nearest are Euler a") as told:
        find_sampler("Eular a")
    assert "\n" not in str(told.value)
    with pytest.raises(ValueError, match="there is no scheduler called Karas; the nearest are Karras"):
        find_sampler("Euler", "Karas")
    with pytest.raises(ValueError, match="there is no sampler called nothing"):
        find_sampler("  ")


@given(st.text(max_size=300))
def test_anything_may_be_written(written: str) -> None:
    told = ""
    try:
        sampler, scheduler = find_sampler(written)
        assert (sampler in SAMPLERS, scheduler in SCHEDULERS) == (True, True)
    except ValueError as error:
        told = str(error)
    assert len(told) < 200


@given(st.sampled_from(sorted(SAMPLERS)), st.sampled_from(sorted(SCHEDULERS)))
def test_a_name_is_read_back(sampler: str, scheduler: str) -> None:
    found = find_sampler(name_sampler(sampler, scheduler))
    assert found == (sampler, AUTOMATIC if sampler in OWN_TIMESTEPS else scheduler)


def test_no_name_means_two_things() -> None:
    for name, aliases in SAMPLERS.items():
        assert {find_sampler(alias)[0] for alias in (name, *aliases)} == {name}
    for name, aliases in SCHEDULERS.items():
        assert {find_scheduler(alias) for alias in (name, *aliases)} == {name}
    assert set(AUTOMATIC_SCHEDULERS) <= set(SAMPLERS)
    assert set(AUTOMATIC_SCHEDULERS.values()) <= set(SCHEDULERS)


def test_suggestions_begin_with_what_was_typed() -> None:
    assert suggest_samplers("")[0] == "Euler"
    assert suggest_samplers("dpm++ 2m")[:3] == ["DPM++ 2M", "DPM++ 2M SDE", "DPM++ 2M Uniform"]
    assert len(suggest_samplers("")) == 25
    assert all(find_sampler(name) for name in suggest_samplers("", limit=1000))
    assert suggest_samplers("nothing such") == []


def test_every_sampler_and_scheduler_is_documented() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "prompting.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    samplers = {row[0]: row for row in rows if len(row) == 6 and row[0] != "sampler"}
    assert list(samplers) == list(SAMPLERS)
    for name, row in samplers.items():
        usual = "its own" if name in OWN_TIMESTEPS else AUTOMATIC_SCHEDULERS.get(name, "Uniform")
        assert row[4] == usual
        assert {find_sampler(alias)[0] for alias in re.findall("`(.+?)`", row[1])} == {name}
    assert [row[0] for row in rows if len(row) == 3 and row[0] != "scheduler"] == list(SCHEDULERS)
