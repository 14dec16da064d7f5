"""What a merge needs is a few tensors and not the files: measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

TENSORS, SIDE = 240, 512  # of 0.5 MB in float16, 1 MB in float32
CHILD = """
import sys
from pathlib import Path
from trainer.merging import BakePlan, CheckpointPlan, ModelFile, bake, merge_checkpoints

def status_kb(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])

folder = Path(sys.argv[1])
small = [ModelFile(folder / "small.safetensors", "small")]
models = [ModelFile(folder / f"{name}.safetensors", name) for name in "abc"]
merge_checkpoints(CheckpointPlan(), small * 2, folder / "out.safetensors")  # what torch itself takes on its first way
Path("/proc/self/clear_refs").write_text("5")  # forget the peak until now: importing torch has a higher one
before = status_kb("VmRSS")
merge_checkpoints(CheckpointPlan("add_difference"), models, folder / "out.safetensors")
merge_checkpoints(CheckpointPlan("slerp"), models[:2], folder / "out.safetensors")
bake(BakePlan(), models[0], [], folder / "out.safetensors")
print(status_kb("VmHWM") - before)
"""


def save(path: Path, tensors: int, side: int) -> int:
    """A model that is nearly all UNet; its size in kB."""
    state = {f"model.diffusion_model.input_blocks.{n}.0.weight": torch.rand(side, side).half() for n in range(tensors)}
    save_file(state | {"cond_stage_model.transformer.text_model.final_layer_norm.bias": torch.zeros(8)}, path)
    return path.stat().st_size // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_whole_models_are_merged_in_a_fraction_of_one_files_size(tmp_path: Path) -> None:
    sizes = [save(tmp_path / f"{name}.safetensors", TENSORS, SIDE) for name in "abc"]
    save(tmp_path / "small.safetensors", 2, 16)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert min(sizes) > 120_000
    assert int(done.stdout) < min(sizes) / 3  # about 20 MB, most of it torch's own, whatever the size
