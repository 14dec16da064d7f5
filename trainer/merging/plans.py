"""What is to be merged, and what came of it: frozen values, as the job that asks for them makes and reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from trainer.contract.merges import AdapterMethod, BlockWeights, FileForm, ModelMethod, Precision
from trainer.errors import UserFault

Metadata = Mapping[str, str]
OnProgress = Callable[[int, int], None]
"""Told often how much is done, of how much; what it raises ends the work, and its file is deleted."""

DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float8_e4m3fn": torch.float8_e4m3fn,
}


def quietly(done: int, of: int) -> None:
    """For whoever does not want to know."""


def refuse_float8(dtype: Precision) -> None:
    """Raises :class:`UserFault` for a LoRA of the diffusers format in float8.

    What a LoRA's factors hold is too small for it unless it is lifted, and an alpha beside it that lowers it again has
    a place in kohya's form alone.
    """
    if dtype == "float8_e4m3fn":
        raise UserFault("a LoRA in diffusers' form has no place for the scale that float8 needs; take kohya's form")


@dataclass(frozen=True)
class ModelFile:
    """A whole model: one .safetensors file in the original layout, a checkpoint of this house, or a diffusers folder.

    As a VAE of choice also a VAE's own file, as they are handed round for A1111.
    """

    path: Path
    name: str  # as people know it, for what is said of it
    prediction_type: Literal["epsilon", "v_prediction"] | None = None  # where it is known: a file of SD2 does not say


@dataclass(frozen=True)
class AdapterFile:
    """An adapter and how strongly it acts, as ``<lora:name:weight:te_weight>`` in a prompt says it."""

    path: Path
    name: str
    weight: float = 1.0  # on the UNet, and
    te_weight: float | None = None  # on the text encoders; None: the same
    kind: Literal["lora", "textual_inversion"] = "lora"
    trigger: str = ""  # the word that a textual inversion's vectors stand for

    def weight_on(self, part: str) -> float:
        """The weight on ``unet``, ``text_encoder`` or ``text_encoder_2``."""
        return self.weight if part == "unet" or self.te_weight is None else self.te_weight


@dataclass(frozen=True)
class CheckpointPlan:
    """How whole models become one. ``multiplier`` is A1111's M; with ``blocks`` it is for what is no block of the UNet.

    weighted_sum: A · (1 − M) + B · M. add_difference: A + (B − C) · M. slerp: from A to B on the arc between them.
    """

    method: ModelMethod = "weighted_sum"
    multiplier: float = 0.5
    blocks: BlockWeights | None = None  # values from IN00 on, or the name of a preset
    dtype: Precision = "float16"
    keep_ema: bool = False  # the second copy of the weights (model_ema.) that nobody draws with
    metadata: Metadata = field(default_factory=dict)  # what is public of it is written


@dataclass(frozen=True)
class AdapterPlan:
    """How adapters become one.

    exact: the sum, cut to ``rank``. linear: the average of factors. ties, dare: on the changes themselves, where
    ``density`` is the share of each that stays, and ``seed`` says which (dare).
    """

    method: AdapterMethod = "exact"
    rank: int | None = None  # None: as many as all together have, which is exact's whole sum
    density: float = 0.5
    scale: float = 1.0  # TIES' λ
    seed: int = 0
    dtype: Precision = "float16"
    trigger: str = ""  # of merged textual inversions
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class BakePlan:
    """How a checkpoint is written that has adapters in it for good."""

    dtype: Precision = "float16"
    keep_ema: bool = False
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class ExtractionPlan:
    """The LoRA in what changed from one checkpoint to another.

    The least ``rank`` that reaches ``wanted_fidelity``, where that is given.
    """

    rank: int = 32
    wanted_fidelity: float | None = None
    text_encoders: bool = True
    seed: int = 0
    dtype: Precision = "float16"
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class ExportPlan:
    """One adapter in another form, of a smaller rank or in fewer bits.

    ``rank`` at most, and of each layer the least that keeps ``kept``, a share of its Frobenius norm; as it is where
    neither is given. ``sdxl``: the adapter's base is one, which kohya's names depend on.
    """

    form: FileForm = "diffusers"
    rank: int | None = None
    kept: float | None = None
    dtype: Precision = "float16"
    sdxl: bool = False
    metadata: Metadata | None = None  # None: what is public of the file's own


@dataclass(frozen=True)
class Merged:
    """What was written, and what it is worth.

    ``error`` is ‖what is in the file − what was asked for‖ / ‖what was asked for‖ (Frobenius) over the effective
    weights of all layers together, rounding included; ``worst_error`` that of the layer where it is greatest.
    """

    path: Path
    kind: Literal["lora", "textual_inversion", "checkpoint"]
    keys_used: int  # of all files
    left_out: tuple[str, ...] = ()  # keys that nothing was made of
    rank: int | None = None  # the greatest of its layers
    error: float | None = None  # None: nothing was approximated
    worst_error: float | None = None
    worst_layer: str | None = None
    fidelity: float | None = None  # of an extraction: 1 − ‖Δ − BA‖² / ‖Δ‖² over all that changed
    sentences: tuple[str, ...] = ()  # for the card, each whole
    beside: tuple[Path, ...] = ()  # files that belong to it
