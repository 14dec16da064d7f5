"""Short days of jobs in bad weather, from fixed seeds: nothing is lost, nothing shown twice, every result is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.audit import are_promises_kept
from tests.chaos.play import Plan


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_short_day_with_kills_is_green(seed: int, tmp_path: Path) -> None:
    figures = await run(Plan(jobs=8, seed=seed, pace=5.0), tmp_path)
    # how much is worked twice is for the long form: with seven plugs a single frozen worker decides on it
    assert are_promises_kept(figures), figures
    assert figures["kills"] > 3
    assert figures["adapters"] == 2
