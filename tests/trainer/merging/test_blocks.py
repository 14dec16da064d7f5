"""Block-weighted merges: each block of the UNet at its own weight, in every family's layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.merging.files import checkpoint_tensors, load_model, save_model
from trainer.contract.merge_blocks import expand_blocks
from trainer.errors import UserFault
from trainer.merging import BakePlan, CheckpointPlan, ModelFile, bake, merge_checkpoints
from trainer.models.registry import EMBEDDED_FOLDER

UNET = "model.diffusion_model."
SIDES = {"sd1": 12, "sd2": 12, "sdxl": 9}


def block(key: str, side: int) -> int | None:
    """Which of the values a tensor has, told by hand; None for the base's."""
    if not key.startswith(UNET):
        return None
    kind, number = key.removeprefix(UNET).split(".")[:2]
    ends = {"time_embed": 0, "label_emb": 0, "out": 2 * side, "middle_block": side}
    if kind in ends:
        return ends[kind]
    return int(number) + (0 if kind == "input_blocks" else side + 1)


@pytest.mark.parametrize("family", SIDES)
@pytest.mark.parametrize("given", ["values", "with the base's", "preset"])
def test_every_block_has_its_own_weight(family: str, given: str, tmp_path: Path) -> None:
    a, b = checkpoint_tensors(family, 0), checkpoint_tensors(family, 1)
    files = [save_model(tmp_path / f"{name}.safetensors", state) for name, state in (("a", a), ("b", b))]
    side = SIDES[family]
    values = tuple(place / 100 for place in range(2 * side + 1))
    blocks = {"values": values, "with the base's": (0.9, *values), "preset": "GRAD_V"}[given]
    base = 0.9 if given == "with the base's" else 0.4
    if given == "preset":
        values = expand_blocks("GRAD_V", 2 * side + 1)[1]
    out = tmp_path / "out.safetensors"
    merge_checkpoints(CheckpointPlan("weighted_sum", 0.4, blocks, dtype="float32"), files, out)
    seen = set()
    for key, found in load_model(out).items():
        place = block(key, side)
        seen.add(place)
        m = base if place is None else values[place]
        if found.is_floating_point() and key != "alphas_cumprod":  # a table, which A1111 leaves as A has it
            assert torch.allclose(found, a[key] * (1 - m) + b[key] * m, atol=1e-6), key
    assert seen == {None, *range(2 * side + 1)}


def test_a_difference_can_be_added_block_by_block(tmp_path: Path) -> None:
    states = [checkpoint_tensors("sd1", seed) for seed in range(3)]
    files = [save_model(tmp_path / f"{place}.safetensors", state) for place, state in enumerate(states)]
    out = tmp_path / "out.safetensors"
    merge_checkpoints(CheckpointPlan("add_difference", 0.0, "MID_ONLY", dtype="float32"), files, out)
    a, b, c = states
    for key, found in load_model(out).items():
        wanted = a[key] + (b[key] - c[key]) if key.startswith(f"{UNET}middle_block") else a[key]
        assert torch.allclose(found.float(), wanted.float(), atol=1e-6), key


def test_emoji64_has_blocks_of_its_own_number(tmp_path: Path) -> None:
    base = ModelFile(EMBEDDED_FOLDER, "emoji-64")
    other = ModelFile(tmp_path / "zero.safetensors", "zero")
    bake(BakePlan("float32"), base, [], other.path)
    zeros = {key: torch.zeros_like(tensor) for key, tensor in load_model(other.path).items()}
    save_model(other.path, zeros)
    out = tmp_path / "out.safetensors"
    merge_checkpoints(CheckpointPlan("weighted_sum", 0.0, "MID_ONLY", dtype="float32"), [base, other], out)
    for key, tensor in load_model(out).items():
        assert bool(tensor.any()) != key.startswith("unet.mid_block"), key
    with pytest.raises(UserFault, match="emoji-64: 25 block weights were given, and this model has 9 blocks"):
        merge_checkpoints(CheckpointPlan(blocks=(0.5,) * 25), [base, other], out)
