"""Which layers' weights a tensor of a whole model holds: adapters name layers, checkpoints tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainer.contract.adapter_places import find_layer
from trainer.merging.adapter_source import Layer
from trainer.models.families import Family

_QKV = ".attn.in_proj_weight"  # OpenCLIP's q, k and v in one matrix
_UNUSED = "resblocks.23."  # of SD2's text encoder: its last layer, which no pipeline has


@dataclass(frozen=True)
class Piece:
    """One layer's weight within a tensor: its rows."""

    layer: Layer
    begin: int
    stop: int

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The layer's own weight, (out, in) or (out, in, k, k): a view, through which it can be changed."""
        return tensor[self.begin : self.stop]


def find_pieces(name: str, shape: Sequence[int], family: Family | None) -> tuple[Piece, ...]:
    """The layers in a tensor of :class:`trainer.merging.models.Model`; none of what no adapter changes.

    SDXL's ``text_projection`` stands behind the text encoder's layers, and no adapter of this house acts on it.
    """
    if len(shape) not in (2, 4) or (family == "sd2" and _UNUSED in name):
        return ()
    whole = shape[0]
    if name.endswith(_QKV):
        beside = find_layer(f"{name.removesuffix(_QKV)}.mlp.c_fc")
        if beside is None:
            return ()
        part, each = beside[0], whole // 3
        block = beside[1].removesuffix(".mlp.fc1")
        return tuple(
            Piece((part, f"{block}.self_attn.{letter}_proj"), place * each, (place + 1) * each)
            for place, letter in enumerate("qkv")
        )
    if not name.endswith(".weight") or "embedding" in name.rsplit(".", 2)[-2]:
        return ()
    layer = find_layer(name.removesuffix(".weight"))
    return (Piece(layer, 0, whole),) if layer else ()
