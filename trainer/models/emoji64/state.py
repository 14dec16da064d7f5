"""Checkpoints of the build as safetensors: modules and an optimizer, under dotted names. No pickle anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimizer's moments, by parameter index and name: ``0.exp_avg`` …"""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, moments in state.items() for name, value in moments.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` took; learning rates stay as they are."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_state(path: Path, step: int, parts: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
    """Write ``parts`` and the step to ``path``, replacing it only when all is written."""
    tensors = {
        f"{part}/{name}": t.detach().contiguous().clone() for part, ts in parts.items() for name, t in ts.items()
    }
    fresh = path.with_suffix(".new")
    save_file(tensors, fresh, {"step": str(step)})
    os.replace(fresh, path)


def load_state(path: Path) -> tuple[int, dict[str, dict[str, torch.Tensor]]]:
    """What :func:`save_state` wrote: the step and the parts."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        step = int((file.metadata() or {})["step"])
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(path).items():
        part, name = key.split("/", 1)
        parts.setdefault(part, {})[name] = tensor
    return step, parts
