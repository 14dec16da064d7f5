"""One step's gradients are those of the diffusers scripts: every method on every family, with every loss.

In float64, so that what differs is arithmetic and not rounding.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.gradients import METHODS, Loss, Sides, compare, load_sides, make_tiny_bases
from tests.trainer.bases import FAMILIES

LIMIT = 1e-5  # of the largest gradient of its part


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_tiny_bases(tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module", params=["emoji-64", *FAMILIES])
def sides(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Sides:
    return load_sides(folders[request.param])


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("sides", FAMILIES, indirect=True)
def test_gradients_equal_the_reference_with_prior_and_min_snr(sides: Sides, name: str) -> None:
    [error] = compare(sides, METHODS[name], (Loss(prior=True, snr_gamma=5.0),)).values()
    assert error <= LIMIT


def test_gradients_equal_the_reference_with_each_loss_and_the_other_prediction(sides: Sides) -> None:
    errors = compare(sides, METHODS["lora"])
    assert errors.keys() == {"plain", "prior", "min_snr", "other_prediction_prior_min_snr"}
    assert max(errors.values()) <= LIMIT
