"""What changes while a training runs: weights, their average, the optimizer; kept, rolled back, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from trainer.models.memory import MOST_KEPT
from trainer.training.checkpoints import load_optimizer_tensors, load_state, optimizer_tensors, save_state

MAX_NORM = 1.0  # of the gradient

Copy = list[torch.Tensor]


@dataclass
class Memo:
    """What of a training is no tensor; ``left_out`` are rows of photos."""

    left_out: list[int] = field(default_factory=list)
    rollbacks: int = 0
    scores: list[list[float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for the member, a sentence each
    loss: float | None = None  # a moving mean of those that were looked at
    updates: int = 0
    seconds: float = 0.0  # of work, over all attempts so far


class TrainingState:
    """Weights, optimizer and average of one training."""

    def __init__(self, groups: list[dict[str, Any]], *, ema: float = 0.0, small_memory: bool = False) -> None:
        """``ema``: the decay of the average; 0: none. ``small_memory``: Adafactor instead of AdamW."""
        self.parameters: list[torch.nn.Parameter] = [p for group in groups for p in group["params"]]
        self.optimizer: torch.optim.Optimizer
        if small_memory:
            # Shazeer & Stern 2018; the second eps of 1 keeps the learning rate from being scaled by the weights' size
            self.optimizer = torch.optim.Adafactor(groups, lr=groups[0]["lr"], eps=(None, 1.0))
        else:
            self.optimizer = torch.optim.AdamW(groups, weight_decay=1e-2, fused=True)  # Loshchilov & Hutter 2019
        self.memo = Memo()
        self._decay = ema
        self._average = [p.detach().clone() for p in self.parameters] if ema else []
        self._kept: tuple[int, Copy, dict[str, torch.Tensor], Copy] | None = None

    @property
    def size(self) -> int:
        """Parameters that learn."""
        return sum(parameter.numel() for parameter in self.parameters)

    def update(self) -> torch.Tensor:
        """One optimizer step from the gradients that are there; their norm, before it was clipped.

        The average warms up, as diffusers' EMAModel does: a short training would else stay near its beginning.
        """
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, MAX_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.memo.updates += 1
        if self._average:
            decay = min(self._decay, (1 + self.memo.updates) / (10 + self.memo.updates))
            torch._foreach_lerp_(self._average, [p.detach() for p in self.parameters], 1 - decay)
        return norm.detach()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """With the average in place of the weights, where there is one (Polyak & Juditsky 1992)."""
        if not self._average:
            yield
            return
        own = [parameter.data for parameter in self.parameters]
        for parameter, average in zip(self.parameters, self._average, strict=True):
            parameter.data = average
        try:
            yield
        finally:
            for parameter, data in zip(self.parameters, own, strict=True):
                parameter.data = data

    def settle(self) -> None:
        """The average becomes the weights, for good."""
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self._average, strict=bool(self._average)):
                parameter.copy_(average)
        self._average = []

    # -- rolling back -------------------------------------------------------------------------------------------------

    def keep(self, step: int) -> None:
        """Remember everything as it is before ``step``, unless that is too large."""
        if self.size <= MOST_KEPT:
            moments = {name: tensor.clone() for name, tensor in optimizer_tensors(self.optimizer).items()}
            self._kept = step, _copy(self.parameters), moments, _copy(self._average)

    def roll_back(self) -> int | None:
        """Back to what :meth:`keep` remembered, with half the learning rate; the step of it, None if there is none.

        Half, because what happened once may not have been the photo's fault alone.
        """
        if self._kept is None:
            return None
        step, weights, moments, average = self._kept
        self._restore(weights, moments, average)
        self.memo.rollbacks += 1
        for group in self.optimizer.param_groups:
            group["lr"] /= 2
        return step

    def _restore(self, weights: Sequence[torch.Tensor], moments: dict[str, torch.Tensor], average: Copy) -> None:
        with torch.no_grad():
            for mine, kept in zip([*self.parameters, *self._average], [*weights, *average], strict=True):
                mine.copy_(kept)
        if moments:
            load_optimizer_tensors(self.optimizer, moments)
        else:
            self.optimizer.state.clear()
        self.optimizer.zero_grad()

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def save(self, path: Path, step: int, snapshots: Sequence[tuple[int, dict[str, torch.Tensor]]]) -> None:
        """Write a checkpoint before ``step``, with the snapshots taken so far, each (step, tensors).

        Raises OSError, where the disk has no room for it, too: for a whole SD1.5 these are 10 GB.
        """
        parts: dict[str, dict[str, torch.Tensor]] = {
            "weights": _numbered(self.parameters),
            "average": _numbered(self._average),
            "optimizer": optimizer_tensors(self.optimizer),
        }
        for taken, tensors in snapshots:
            parts[f"snapshot-{taken}"] = tensors
        memo = json.dumps(asdict(self.memo))
        parts["memo"] = {"json": torch.tensor(list(memo.encode()), dtype=torch.uint8)}
        save_state(path, step, parts)

    def load(self, path: Path) -> tuple[int, list[tuple[int, dict[str, torch.Tensor]]]]:
        """Put back what :meth:`save` wrote; the step to go on from and the snapshots."""
        step, parts = load_state(path)
        self.memo = Memo(**json.loads(bytes(parts["memo"]["json"].tolist())))
        self._restore(_in_order(parts["weights"]), parts.get("optimizer", {}), _in_order(parts.get("average", {})))
        for group in self.optimizer.param_groups:
            group["lr"] /= 2**self.memo.rollbacks
        names = sorted((int(part.removeprefix("snapshot-")), part) for part in parts if part.startswith("snapshot-"))
        return step, [(taken, parts[part]) for taken, part in names]


def _copy(tensors: Sequence[torch.Tensor]) -> Copy:
    return [tensor.detach().clone() for tensor in tensors]


def _numbered(tensors: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {str(index): tensor for index, tensor in enumerate(tensors)}


def _in_order(tensors: dict[str, torch.Tensor]) -> Copy:
    return [tensors[str(index)] for index in range(len(tensors))]
