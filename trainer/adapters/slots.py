"""Many members' adapters in one forward: every sample of a batch with adapters and weights of its own.

The layers of a base get their ``forward`` replaced once, in place: modules keep their names, nothing is fused and
nothing unfused, so that nothing drifts. What a sample uses is a *mix*, its adapters joined along rank; the mixes of a
batch are laid into padded slots, one a sample, and act by one batched product a layer (Chen et al. 2023, Punica; Sheng
et al. 2023, S-LoRA):

    y_i = W·x_i + Σ_a w_a · B_a·(A_a·x_i)      for each sample i with adapters a of weights w_a

A DoRA's change (Liu et al. 2024, eq. 5) is such a product and a gain beside it: with s = m / ‖W + B·A‖, one number an
output, (W' - W)·x = (s - 1)·(W·x) + s·B·A·x. Neighbours of different ranks share a batch: ranks are padded to those of
``RANKS``, so that shapes recur.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from trainer.adapters.bank import MAGNITUDE, A, B
from trainer.adapters.layouts.fitting import fit
from trainer.errors import BadAdapterFile

RANKS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
KEPT = 8  # layouts of mixes that stay laid out: those of the batches that take turns


@dataclass(frozen=True)
class LayerDelta:
    """What one adapter adds to one layer at weight 1: ``down`` (r, in) or (r, in, k, k), ``up`` (r, out).

    ``gain`` (out,) is the share of the layer's own product that a DoRA adds.
    """

    down: torch.Tensor
    up: torch.Tensor
    gain: torch.Tensor | None = None

    @property
    def size_bytes(self) -> int:
        """In memory."""
        return sum(each.nbytes for each in (self.down, self.up, self.gain) if each is not None)


@dataclass(frozen=True, eq=False)
class PartDelta:
    """What one adapter adds to one part of a base (its UNet, or a text encoder), by module."""

    layers: Mapping[str, LayerDelta]


Mix = tuple[tuple[PartDelta, float], ...]  # adapters and their weights; empty: the base alone


@dataclass(frozen=True)
class _Slots:
    """The n mixes of a batch in one layer: ``down`` (n, in, r) or (n · r, in, k, k), ``up`` (n, r, out).

    ``gain`` is (n, out), or None where none of them has one.
    """

    count: int
    down: torch.Tensor
    up: torch.Tensor
    gain: torch.Tensor | None


@dataclass(eq=False)
class _Layer:
    """One Linear or Conv2d; ``slots`` is what acts in it at the next forward."""

    module: nn.Linear | nn.Conv2d
    slots: _Slots | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output with each sample's adapters; rows (samples · n, …) are sorted by sample."""
        module, slots = self.module, self.slots
        plain: Any = type(module).forward  # that of the class, which this one stands before
        result: torch.Tensor = plain(module, x)
        if slots is None:
            return result
        if slots.gain is not None:
            result = result + self._gain(result, slots)
        if isinstance(module, nn.Linear):
            return _add_linear(result, x, slots)
        return _add_convolution(result, x, slots, module)

    def _gain(self, result: torch.Tensor, slots: _Slots) -> torch.Tensor:
        product, gain = result, slots.gain
        assert gain is not None
        wide = (1, -1, 1, 1) if isinstance(self.module, nn.Conv2d) else (-1,)
        if self.module.bias is not None:
            product = result - self.module.bias.view(wide)
        rows = gain.repeat_interleave(len(result) // slots.count, 0)
        if isinstance(self.module, nn.Conv2d):
            return product * rows[:, :, None, None]
        return product * rows.view(len(rows), *(1,) * (result.ndim - 2), rows.shape[1])


def _add_linear(result: torch.Tensor, x: torch.Tensor, slots: _Slots) -> torch.Tensor:
    wide, tall = (slots.count, -1, x.shape[-1]), (slots.count, -1, result.shape[-1])
    inner = torch.bmm(x.reshape(wide), slots.down)
    return torch.baddbmm(result.reshape(tall), inner, slots.up).view(result.shape)


def _add_convolution(result: torch.Tensor, x: torch.Tensor, slots: _Slots, module: nn.Conv2d) -> torch.Tensor:
    """A convolution a sample by one of as many groups; then a product over the channels."""
    count, rows = slots.count, len(x) // slots.count
    if slots.down.ndim == 3:  # 1 × 1: the pixels are tokens
        tokens = x.flatten(2).transpose(1, 2)
        inner = torch.bmm(tokens.reshape(count, -1, x.shape[1]), slots.down)
        added = torch.bmm(inner, slots.up)
        return result + added.view(len(x), -1, added.shape[-1]).transpose(1, 2).reshape(result.shape)
    side_by_side = x.reshape(count, rows, *x.shape[1:]).transpose(0, 1).reshape(rows, -1, *x.shape[2:])
    inner = F.conv2d(side_by_side, slots.down, None, module.stride, module.padding, module.dilation, groups=count)
    rank, size = slots.up.shape[1], inner.shape[2:]
    inner = inner.view(rows, count, rank, -1).permute(1, 0, 3, 2).reshape(count, -1, rank)
    added = torch.bmm(inner, slots.up).view(count * rows, -1, slots.up.shape[-1])
    return result + added.transpose(1, 2).reshape(len(x), -1, *size)


@dataclass(eq=False)
class SlotBank:
    """The layers of one part of a base, ready for any number of adapters; the base itself stays as it is."""

    part: nn.Module
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        self._layers = {
            name: _Layer(module)
            for name, module in self.part.named_modules()
            if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
        }
        for layer in self._layers.values():
            layer.module.forward = layer.forward  # type: ignore[method-assign,assignment]
        self._laid_out: OrderedDict[tuple[Any, ...], tuple[tuple[Mix, ...], dict[str, _Slots]]] = OrderedDict()
        self._active: dict[str, _Slots] = {}
        self.device = next(self.part.parameters()).device

    @torch.no_grad()
    def fit(self, tensors: Mapping[str, torch.Tensor]) -> PartDelta:
        """An adapter's tensors of this part, ``<module>.lora_A.weight`` …, of scale 1, as what acts in the layers.

        Raises :class:`BadAdapterFile`: a module or a shape that this base does not have; nothing of it stays.
        """
        by_module: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            kind = next((kind for kind in (A, B, MAGNITUDE) if key.endswith(f".{kind}")), None)
            if kind is None:
                raise BadAdapterFile(f"{key[:80]!r} is no tensor of an adapter")
            by_module.setdefault(key.removesuffix(f".{kind}"), {})[kind] = tensor
        return PartDelta({module: self._fit_layer(module, found) for module, found in by_module.items()})

    def _fit_layer(self, name: str, found: Mapping[str, torch.Tensor]) -> LayerDelta:
        layer = self._layers.get(name)
        if layer is None:
            raise BadAdapterFile(f"the adapter does not fit this base model: it has no layer {name[:120]!r}")
        weight = layer.module.weight
        if A not in found or B not in found:
            raise BadAdapterFile(f"the adapter gives only one of the two matrices of {name[:80]}")
        down, up = found[A].to(self.device, torch.float32), found[B].to(self.device, torch.float32).flatten(1)
        try:
            down, up = fit(down, (len(down), *weight.shape[1:])), fit(up, (len(weight), len(down)))
        except ValueError as error:
            raise BadAdapterFile(
                f"the adapter does not fit this base model: {name[:80]} takes {tuple(weight.shape[1:])} to "
                f"{len(weight)} and the adapter {tuple(down.shape[1:])} to {len(up)}"
            ) from error
        gain = None
        if MAGNITUDE in found:
            changed = weight.float().flatten(1) + up @ down.flatten(1)
            scale = found[MAGNITUDE].to(self.device, torch.float32).flatten() / changed.norm(dim=1)
            up, gain = up * scale[:, None], scale - 1
        if down.ndim == 4 and down.shape[2:] == (1, 1) and layer.module.stride == (1, 1):
            down = down.flatten(1)
        change = partial(torch.Tensor.to, dtype=weight.dtype)
        return LayerDelta(change(down), change(up.t()), None if gain is None else change(gain))

    def activate(self, mixes: Sequence[Mix]) -> None:
        """From the next forward on sample i of a batch uses ``mixes[i]``; () or empty mixes: none uses any.

        A batch has as many rows a sample as it likes, all alike, and sorted by sample.
        """
        key = tuple(tuple((id(delta), weight) for delta, weight in mix) for mix in mixes)
        if key not in self._laid_out:
            # the mixes are kept with what was made of them, so that nobody else gets their ids
            self._laid_out[key] = tuple(mixes), self._lay_out(mixes)
            if len(self._laid_out) > KEPT:
                self._laid_out.popitem(last=False)
        self._laid_out.move_to_end(key)
        laid_out = self._laid_out[key][1]
        if laid_out is self._active:
            return
        for name in self._active.keys() - laid_out.keys():
            self._layers[name].slots = None
        for name, slots in laid_out.items():
            self._layers[name].slots = slots
        self._active = laid_out

    @torch.no_grad()
    def _lay_out(self, mixes: Sequence[Mix]) -> dict[str, _Slots]:
        """The slots of every layer that any of the mixes acts in."""
        acting = [[(delta.layers, weight) for delta, weight in mix if weight] for mix in mixes]
        names = dict.fromkeys(name for mix in acting for layers, _ in mix for name in layers)
        return {
            name: _lay_out_layer(
                [[(layers[name], weight) for layers, weight in mix if name in layers] for mix in acting]
            )
            for name in names
        }


def _lay_out_layer(mixes: Sequence[Sequence[tuple[LayerDelta, float]]]) -> _Slots:
    """The mixes of one layer: joined along rank, weights in ``up``, ranks padded to one of ``RANKS``."""
    some = next(delta for mix in mixes for delta, _ in mix)
    longest = max(sum(len(delta.down) for delta, _ in mix) for mix in mixes)
    rank, count = next((rank for rank in RANKS if rank >= longest), longest), len(mixes)
    if [len(mix) for mix in mixes] == [1] and rank == longest and some.gain is None:  # as it is: nothing to be padded
        down = some.down.t()[None] if some.down.ndim == 2 else some.down
        return _Slots(1, down, (some.up * mixes[0][0][1])[None], None)
    down = some.down.new_zeros(count, rank, *some.down.shape[1:])
    up = some.up.new_zeros(count, rank, some.up.shape[1])
    gain = None
    for place, mix in enumerate(mixes):
        start = 0
        for delta, weight in mix:
            end = start + len(delta.down)
            down[place, start:end] = delta.down
            torch.mul(delta.up, weight, out=up[place, start:end])
            start = end
            if delta.gain is not None:
                gain = up.new_zeros(count, up.shape[2]) if gain is None else gain
                gain[place] += weight * delta.gain
    return _Slots(count, down.transpose(1, 2) if down.ndim == 3 else down.flatten(0, 1), up, gain)
