"""Checkpoints as safetensors: modules, an optimizer and the step, under dotted names. No pickle anywhere."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from trainer.adapters.safetensors_file import write_tensors

Parts = Mapping[str, Mapping[str, torch.Tensor]]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimizer's moments, by parameter index and name: ``0.exp_avg`` …"""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, moments in state.items() for name, value in moments.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` took; learning rates stay as they are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = _laid_out_like(parameters[int(index)], value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out_like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A copy, for what was kept must not learn on; a moment lies in memory as its parameter does, since a fused
    optimizer goes through both from end to end, and a file knows of no channels_last.
    """
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def save_state(path: Path, step: int, parts: Parts) -> None:
    """Write ``parts`` and the step to ``path``, replacing what is there only when all is written.

    Tensor by tensor, so that it takes no second copy in memory. Raises OSError, where the disk has no room for it, too;
    then nothing is left of it.
    """
    fresh, size = path.with_suffix(".new"), sum(t.nbytes for tensors in parts.values() for t in tensors.values())
    if size > shutil.disk_usage(path.parent).free:  # before the disk is filled, for others write to it, too
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    named = {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
    try:
        with fresh.open("wb") as out:
            write_tensors(named, {"step": str(step)}, out)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def load_state(path: Path) -> tuple[int, dict[str, dict[str, torch.Tensor]]]:
    """What :func:`save_state` wrote, mapped into memory rather than read."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(path).items():
        part, name = key.split("/", 1)
        parts.setdefault(part, {})[name] = tensor
    return step_of(path), parts


def step_of(path: Path) -> int:
    """The step in what :func:`save_state` wrote."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return int(header["__metadata__"]["step"])
