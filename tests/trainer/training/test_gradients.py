"""One step's gradients are those of the diffusers scripts, for every method, with prior, min-SNR and v-prediction."""

from __future__ import annotations

import pytest

from tests.benchmarks.gradients import CASES, compare


@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_the_reference_to_1e_5_of_the_largest(name: str) -> None:
    assert compare(CASES[name]) <= 1e-5
