"""Moves samples one call on, all of them in one linear combination, each with the coefficients of its own sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainer.generation.samplers.plan import MEMORY, Call, Plan, Weights

NOTHING = Weights()


@dataclass(frozen=True)
class State:
    """What one sample has between two calls: tensors (C, h, w) in float32, ``memory`` the newest first."""

    x: torch.Tensor
    saved: torch.Tensor | None = None
    memory: tuple[torch.Tensor, ...] = ()


def begin(plan: Plan, noise: torch.Tensor) -> State:
    """The state before the first call of a picture that begins as noise (C, h, w) of variance 1."""
    return State(noise.float() * plan.init_noise_sigma)


def begin_from(plan: Plan, latents: torch.Tensor, noise: torch.Tensor) -> State:
    """The state before the first call of a picture that begins as another's clean latents; both (C, h, w)."""
    call = plan.calls[0]
    return State(latents.float() * call.alpha + noise.float() * call.sigma)


def denoised(x: torch.Tensor, model_output: torch.Tensor, calls: Sequence[Call]) -> torch.Tensor:
    """The picture that the model sees in each row of x (B, C, h, w), in float32."""
    shares = torch.tensor([(call.c_x, call.c_out) for call in calls], dtype=torch.float32, device=x.device)
    c_x, c_out = shares[:, :, None, None, None].unbind(1)
    return c_x * x.float() + c_out * model_output.float()


def advance(
    states: Sequence[State],
    calls: Sequence[Call],
    pictures: torch.Tensor,
    generators: Sequence[torch.Generator],
) -> list[State]:
    """The states after each row's own call, whose ``denoised`` are ``pictures`` (B, C, h, w).

    Samplers, steps and places in the plan may differ from row to row. Fresh noise comes from the row's own generator on
    the CPU, and only where it counts, so that a row draws the same in any company. Products are rounded and added one
    after the other, in a fixed order, so a row comes out bit for bit as it would alone.
    """
    rows = [[(output or NOTHING).row for output in (call.x, call.saved, call.kept)] for call in calls]
    weights = torch.tensor(rows, dtype=torch.float32)  # (B, 3, columns)
    used = weights.any(dim=0)  # (3, columns)
    columns = _columns(states, calls, pictures, generators, used.any(dim=0).tolist())
    weights = weights.to(pictures.device)[..., None, None, None]
    x, saved, kept = (_combine(weights[:, output], columns, used[output].tolist()) for output in range(3))
    return [
        State(
            x[row],
            saved[row] if call.saved else state.saved,
            (kept[row], *state.memory)[:MEMORY] if call.kept else state.memory,
        )
        for row, (state, call) in enumerate(zip(states, calls, strict=True))
    ]


def _columns(
    states: Sequence[State],
    calls: Sequence[Call],
    pictures: torch.Tensor,
    generators: Sequence[torch.Generator],
    used: list[bool],
) -> list[torch.Tensor]:
    """What :class:`Weights` weigh, in the order of its row, each (B, C, h, w); what no row uses stays zero."""
    nothing = torch.zeros_like(pictures[0])

    def stack(tensors: list[torch.Tensor], column: int) -> torch.Tensor:
        return torch.stack(tensors) if used[column] else torch.zeros_like(pictures)

    earlier = [
        stack([state.memory[back] if back < len(state.memory) else nothing for state in states], 3 + back)
        for back in range(MEMORY)
    ]
    noise = [
        torch.randn(nothing.shape, generator=generator).to(nothing.device) if call.x.noise else nothing
        for call, generator in zip(calls, generators, strict=True)
    ]
    return [
        stack([state.x for state in states], 0),
        stack([nothing if state.saved is None else state.saved for state in states], 1),
        pictures,
        *earlier,
        stack(noise, 3 + MEMORY),
    ]


def _combine(weights: torch.Tensor, columns: list[torch.Tensor], used: list[bool]) -> torch.Tensor:
    total = torch.zeros_like(columns[0])
    for column, counts in enumerate(used):
        if counts:
            total = total + weights[:, column] * columns[column]
    return total
