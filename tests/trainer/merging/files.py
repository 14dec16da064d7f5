"""Whole models and adapters on the disk, small and of random values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.trainer.adapters.tiny import make_parts
from tests.trainer.bases import rename_parts
from trainer.merging import ModelFile

Tensors = dict[str, torch.Tensor]


def checkpoint_tensors(family: str, seed: int = 0) -> Tensors:
    """A model of a family's true layout in the original names, all floats being random."""
    states = {name: dict(part.state_dict()) for name, part in make_parts(family).items()}
    named = rename_parts(states, family)
    rng = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(tensor.shape, generator=rng) if tensor.is_floating_point() else tensor.clone()
        for key, tensor in named.items()
    }


def save_model(path: Path, tensors: Tensors) -> ModelFile:
    save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, path)
    return ModelFile(path, path.stem)


def load_model(path: Path) -> Tensors:
    return load_file(path)


def count_calls() -> tuple[list[tuple[int, int]], Callable[[int, int], None]]:
    """An ``on_progress`` that writes down what it was told."""
    calls: list[tuple[int, int]] = []
    return calls, lambda done, of: calls.append((done, of))
