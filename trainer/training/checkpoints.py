"""Checkpoints as safetensors: modules, an optimizer and the step, under dotted names. No pickle anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load, save

Parts = Mapping[str, Mapping[str, torch.Tensor]]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimizer's moments, by parameter index and name: ``0.exp_avg`` …"""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, moments in state.items() for name, value in moments.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` took; learning rates stay as they are."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value.clone()  # what was kept must not learn on
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def pack(step: int, parts: Parts) -> bytes:
    """``parts`` and the step as the bytes of one safetensors file."""
    tensors = {
        f"{part}/{name}": t.detach().contiguous().clone() for part, ts in parts.items() for name, t in ts.items()
    }
    return save(tensors, {"step": str(step)})


def unpack(data: bytes) -> tuple[int, dict[str, dict[str, torch.Tensor]]]:
    """What :func:`pack` wrote: the step and the parts."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load(data).items():
        part, name = key.split("/", 1)
        parts.setdefault(part, {})[name] = tensor
    return step_of(data), parts


def step_of(data: bytes) -> int:
    """The step in what :func:`pack` wrote."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return int(header["__metadata__"]["step"])


def save_state(path: Path, step: int, parts: Parts) -> None:
    """Write a checkpoint to ``path``, replacing what is there only when all is written."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(pack(step, parts))
    os.replace(fresh, path)


def load_state(path: Path) -> tuple[int, dict[str, dict[str, torch.Tensor]]]:
    """What :func:`save_state` wrote."""
    return unpack(path.read_bytes())
