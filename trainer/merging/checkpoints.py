"""Whole models into one, tensor by tensor; what A1111's checkpoint merger does, on the same inputs to 1e-6.

As there: what only A has stays; what only B has is taken over (of a difference, as the difference); position ids are
A's, for they are no weights; an inpainting model as A keeps the five channels that B has not. Names without ``model``
in them, such as the noise schedule's tables, are A's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.contract.adapter_metadata import public_metadata
from trainer.errors import UserFault
from trainer.merging.blocks import multipliers
from trainer.merging.formulas import add_difference, slerp, weighted_sum
from trainer.merging.lazy import LazyTensor
from trainer.merging.models import Model, open_models
from trainer.merging.plans import DTYPES, CheckpointPlan, Merged, ModelFile, OnProgress, quietly
from trainer.merging.tensor_file import Shape, write_streaming
from trainer.merging.vae_source import open_vae
from trainer.models.families import OTHER_INPUTS

EMA = "model_ema."
_NEED = {"weighted_sum": 2, "add_difference": 3, "slerp": 2}
_LATENTS = 4  # channels of a picture's latents, which a UNet with more of them starts with
Formula = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def merge_checkpoints(
    plan: CheckpointPlan,
    models: Sequence[ModelFile],
    out: Path,
    on_progress: OnProgress = quietly,
    *,
    vae: ModelFile | None = None,
) -> Merged:
    """Write ``models`` (A, B and for a difference C) as one to ``out``, with the VAE of ``vae`` where one is given.

    The file has A's layout: the original one, or a part's name before each tensor's. Memory holds a few tensors at a
    time. Raises :class:`UserFault` for models that can't be put together.
    """
    needed = _NEED[plan.method]
    if len(models) != needed:
        raise UserFault(f"{len(models)} models were given, and {plan.method.replace('_', ' ')} takes {needed}")
    with open_models(models) as opened, open_vae(vae, opened[0].family) as other_vae:
        merge = _Merge(plan, opened, other_vae, multipliers(opened[0], plan.blocks, plan.multiplier))
        layout, left_out = merge.layout()
        write_streaming(layout, public_metadata(plan.metadata), merge.read, out, on_progress)
    said = [f"{len(left_out)} tensors of the second copy for EMA are left out."] if left_out else []
    return Merged(out, "checkpoint", len(layout), tuple(left_out), sentences=(*merge.sentences(), *said))


@dataclass(frozen=True)
class _Merge:
    plan: CheckpointPlan
    models: Sequence[Model]
    vae: Mapping[str, LazyTensor]  # of choice, without what stands before its names
    multiplier: Callable[[str], float]

    def layout(self) -> tuple[dict[str, tuple[torch.dtype, Shape]], list[str]]:
        """Types and shapes of the result, and what is left out of it."""
        a, b, *_ = self.models
        only_b = {name: tensor for name, tensor in b.tensors.items() if name not in a.tensors and self._merges(name)}
        layout, left_out = {}, []
        for name, tensor in {**a.tensors, **only_b}.items():
            if name.startswith(EMA) and not self.plan.keep_ema:
                left_out.append(name)
                continue
            shape = tuple((self._chosen(name) or tensor).shape)
            if shape != tuple(tensor.shape):
                raise UserFault(f"the VAE of choice has another shape in {name[:80]!r}; take one of this family")
            layout[name] = (DTYPES[self.plan.dtype] if tensor.dtype.is_floating_point else tensor.dtype, shape)
        return layout, left_out

    def read(self, name: str) -> torch.Tensor:
        """One tensor of the result."""
        if chosen := self._chosen(name):
            return chosen.read()
        a, b, *_ = self.models
        if name not in a.tensors:
            return self._theirs(name)
        mine = a.read(name)
        if name not in b.tensors or not self._merges(name) or not mine.is_floating_point():
            return mine
        theirs = self._theirs(name)
        formula, mine = _FORMULAS[self.plan.method], mine.float()
        if mine.shape == theirs.shape:
            return formula(mine, theirs, self.multiplier(name))
        self._check_channels(name, mine.shape, theirs.shape)
        mine[:, :_LATENTS] = formula(mine[:, :_LATENTS], theirs, self.multiplier(name))
        return mine

    def _theirs(self, name: str) -> torch.Tensor:
        """B, or B − C; nothing where C has not got it."""
        b = self.models[1].read(name)
        if not b.is_floating_point():
            return b
        b = b.float()
        if self.plan.method != "add_difference":
            return b
        c = self.models[2]
        if name not in c.tensors:
            return torch.zeros_like(b)
        if c.tensors[name].shape != b.shape:
            raise self._misfit(name, self.models[1], c)
        return b - c.read(name).float()

    def _merges(self, name: str) -> bool:
        return (self.models[0].family is None or "model" in name) and not name.endswith("position_ids")

    def _chosen(self, name: str) -> LazyTensor | None:
        prefix = self.models[0].vae_prefix
        return self.vae.get(name.removeprefix(prefix)) if name.startswith(prefix) else None

    def _check_channels(self, name: str, mine: torch.Size, theirs: torch.Size) -> None:
        a, b, *_ = self.models
        if len(mine) < 2 or mine[:1] + mine[2:] != theirs[:1] + theirs[2:]:
            raise self._misfit(name, a, b)
        if mine[1] == _LATENTS and theirs[1] in OTHER_INPUTS:
            raise UserFault(f"{b.name} is {OTHER_INPUTS[theirs[1]]}, and has to be the first model; change their order")
        if mine[1] not in (8, 9) or theirs[1] != _LATENTS:
            raise self._misfit(name, a, b)

    def _misfit(self, name: str, one: Model, other: Model) -> UserFault:
        shapes = " and ".join(str(tuple(model.tensors[name].shape)) for model in (one, other))
        return UserFault(
            f"{one.name} and {other.name} differ in the shape of {name[:80]!r}: {shapes}; take models alike"
        )

    def sentences(self) -> list[str]:
        """What the card says."""
        names = [model.name for model in self.models]
        m = f"{self.plan.multiplier:g}"
        first = {
            "weighted_sum": f"Weighted sum: {names[0]} · (1 − {m}) + {names[-1]} · {m}.",
            "add_difference": f"Add difference: {names[0]} + ({names[1]} − {names[-1]}) · {m}.",
            "slerp": f"SLERP from {names[0]} to {names[-1]} at {m}.",
        }[self.plan.method]
        if self.plan.blocks is None:
            return [first]
        blocks = self.plan.blocks if isinstance(self.plan.blocks, str) else f"{len(self.plan.blocks)} values"
        return [first, f"Each block of the UNet has a weight of its own: {blocks}."]


_FORMULAS: dict[str, Formula] = {"weighted_sum": weighted_sum, "add_difference": add_difference, "slerp": slerp}
