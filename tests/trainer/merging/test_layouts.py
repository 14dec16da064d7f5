"""Adapters of every program can be merged, exported and baked: what they do to a layer is what counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.trainer.adapters import foreign
from tests.trainer.adapters.foreign import ALGORITHMS, SPELLINGS, Written, write
from tests.trainer.adapters.tiny import FAMILIES
from tests.trainer.merging.test_adapters import deltas, relative
from trainer.adapters.files import read_lora
from trainer.merging import AdapterFile, AdapterPlan, ExportPlan, export_adapter, merge_adapters


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)
def test_every_algorithm_is_merged_and_exported_by_what_it_does(algorithm: Callable[..., Written], tmp_path: Path):
    assert_merged("sd1", foreign.kohya, algorithm, tmp_path)


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_spelling_is_merged_and_exported(family: str, spelling: Callable[..., str], tmp_path: Path) -> None:
    assert_merged(family, spelling, foreign.lora, tmp_path)


def assert_merged(family: str, spelling: Callable[..., str], algorithm: Callable[..., Written], tmp_path: Path) -> None:
    one, changes = write(family, spelling, algorithm)
    other, more = write(family, foreign.diffusers, foreign.lora)
    files = [AdapterFile(tmp_path / f"{name}.safetensors", name, w) for name, w in (("one", 0.6), ("other", -0.3))]
    for file, data in zip(files, (one, other), strict=True):
        file.path.write_bytes(data)
    merged = merge_adapters(AdapterPlan(dtype="float32"), files, tmp_path / "out.safetensors")
    found = deltas(read_lora(merged.path.read_bytes()).weights)
    wanted = {
        key: 0.6 * change.double().flatten(1) - 0.3 * more[key].double().flatten(1) for key, change in changes.items()
    }
    assert found.keys() == wanted.keys()
    assert relative(found, wanted) < 1e-5
    assert merged.error < 1e-5
    assert merged.left_out == ()
    exported = export_adapter(
        ExportPlan("kohya", dtype="float32", sdxl=family == "sdxl"), files[0], tmp_path / "kohya.safetensors"
    )
    found = deltas(read_lora(exported.path.read_bytes()).weights)
    assert relative(found, {key: change.double().flatten(1) for key, change in changes.items()}) < 1e-5
    assert torch.tensor(exported.error) < 1e-5
