"""Recipes: how an adapter is trained when nobody says otherwise, by method, preset, kind and number of photos."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from trainer.contract.lengths import Lengths, Steps, count_steps
from trainer.contract.requests import CaptionSource, Kind, Layers, Method, Output, Preset, Recipe

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED_FORWARD = ("proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
CONVOLUTIONS = ("conv1", "conv2")
TEXT_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
MODULES: dict[Layers, tuple[str, ...]] = {
    "attention": ATTENTION,
    "attention_ff": ATTENTION + FEED_FORWARD,
    "attention_ff_conv": ATTENTION + FEED_FORWARD + CONVOLUTIONS,
}


class RecipeDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A base's own recipe (``recipe`` in its ``darkroom.json``); the defaults are those of the field for SD1.5 and SD2.

    Rank 16 = alpha at 1e-4 on attention is what the diffusers and kohya scripts converge on for ten photos; textual
    inversion follows Gal et al. 2022 (§4) with the learning rate of the diffusers script; DreamBooth Ruiz et al. 2022
    with 5e-6 for the whole model.
    """

    rank: int = 16
    lora_alpha: float = 16.0
    learning_rate: float = 1e-4
    text_encoder_learning_rate: float = 5e-5
    batch: int = 1
    steps: Steps = Steps(100, 400, 1500)
    layers: Layers = "attention"
    inversion_learning_rate: float = 5e-4
    inversion_steps: Steps = Steps(300, 1500, 3000)
    vectors: int = 4
    dreambooth_learning_rate: float = 5e-6
    dreambooth_text_encoder_learning_rate: float = 2e-6
    dreambooth_steps: Steps = Steps(80, 400, 1200)
    extracted_rank: int = 64  # of the LoRA that a whole model is boiled down to
    snr_gamma: float = 5.0  # Hang et al. 2023
    prior_weight: float = 0.0  # objects hardly need it; faces get it always
    caption_dropout: float = 0.05

    @property
    def lengths(self) -> Lengths:
        """How long its trainings are."""
        beside_class = tuple(kind for kind in get_args(Kind) if _PRIOR_WEIGHT.get(kind, self.prior_weight))
        return Lengths(self.steps, self.inversion_steps, self.dreambooth_steps, self.batch, beside_class)


_PRIOR_WEIGHT: dict[Kind, float] = {"face": 1.0, "style": 0.0}  # a subject has the base's own
FACE_DREAMBOOTH_SHARE = 0.2  # of the learning rate: 1e-6 for the whole of SD1.5, which forgets faces quickly
TEXT_ENCODER_SHARE = 0.5  # of the steps: then it stops learning and leaves the graph
_PRESET_RANK: dict[Preset, float] = {"fast": 0.5, "balanced": 1.0, "detailed": 2.0}
_WIDER: dict[Layers, Layers] = {
    "attention": "attention_ff",
    "attention_ff": "attention_ff",
    "attention_ff_conv": "attention_ff_conv",
}


class ResolvedRecipe(msgspec.Struct, frozen=True):
    """A recipe with nothing left open. ``steps`` are optimizer steps of ``batch`` photos each."""

    method: Method
    preset: Preset
    steps: int
    inversion_steps: int  # of those, how many train vectors: all of an inversion, the first of a pivotal training
    batch: int
    rank: int
    lora_alpha: float
    learning_rate: float  # of the UNet's weights
    text_encoder_learning_rate: float  # 0: it does not learn
    inversion_learning_rate: float
    vectors: int
    target_modules: tuple[str, ...]
    dora: bool
    snr_gamma: float
    prior_weight: float
    captions: CaptionSource | None
    caption_template: str | None
    caption_dropout: float
    ema: float
    flip: bool
    masks: bool
    resolution: int
    early_stop: bool
    output: Output
    extracted_rank: int
    seed: int

    @property
    def text_encoder_steps(self) -> int:
        """How many steps the text encoders learn with."""
        return round(self.steps * TEXT_ENCODER_SHARE) if self.text_encoder_learning_rate else 0

    @property
    def written_rank(self) -> int:
        """Of the LoRA in the adapter's file; 0 where there is none in it."""
        if self.method == "textual_inversion" or (self.method == "dreambooth" and self.output == "checkpoint"):
            return 0
        return self.extracted_rank if self.method == "dreambooth" else self.rank


def resolve_recipe(
    asked: Recipe,
    defaults: RecipeDefaults,
    photos: int,
    kind: Kind,
    *,
    family: Literal["sd1", "sd2", "sdxl"] = "sd1",
    resolution: int = 512,
) -> ResolvedRecipe:
    """Fill what the member left open."""
    batch = asked.batch or defaults.batch
    steps, inversion = count_steps(asked, defaults.lengths, photos)
    rank = asked.rank or max(1, round(defaults.rank * _PRESET_RANK[asked.preset]))
    layers = asked.target_modules or (_WIDER[defaults.layers] if asked.preset == "detailed" else defaults.layers)
    prior, dropout = _PRIOR_WEIGHT.get(kind, defaults.prior_weight), defaults.caption_dropout
    if asked.method == "textual_inversion":
        prior = dropout = 0.0  # what is learned from without the new word teaches its vectors nothing
    return ResolvedRecipe(
        method=asked.method,
        preset=asked.preset,
        steps=steps,
        inversion_steps=inversion,
        batch=batch,
        rank=rank,
        lora_alpha=asked.lora_alpha or (float(rank) if asked.rank else defaults.lora_alpha * rank / defaults.rank),
        learning_rate=asked.learning_rate or _learning_rate(asked.method, kind, defaults),
        text_encoder_learning_rate=_text_encoder_learning_rate(asked, defaults, family),
        # the field gives it for a batch of one; the scripts multiply it by the batch (`--scale_lr`)
        inversion_learning_rate=(
            asked.learning_rate
            if asked.learning_rate and asked.method == "textual_inversion"
            else defaults.inversion_learning_rate * batch
        ),
        vectors=asked.vectors or defaults.vectors,
        target_modules=MODULES[layers],
        dora=bool(asked.dora),
        snr_gamma=defaults.snr_gamma if asked.snr_gamma is None else asked.snr_gamma,
        prior_weight=prior if asked.prior_weight is None else asked.prior_weight,
        captions=asked.captions,
        caption_template=asked.caption_template,
        caption_dropout=dropout if asked.caption_dropout is None else asked.caption_dropout,
        ema=asked.ema or 0.0,
        flip=bool(asked.flip),
        masks=asked.masks is not False,
        resolution=asked.resolution or resolution,
        # whoever names steps gets them
        early_stop=asked.steps is None if asked.early_stop is None else asked.early_stop,
        output=asked.output or "lora",
        extracted_rank=asked.rank or defaults.extracted_rank,
        seed=asked.seed if asked.seed is not None else 0,
    )


def _learning_rate(method: Method, kind: Kind, defaults: RecipeDefaults) -> float:
    if method != "dreambooth":
        return defaults.learning_rate
    return defaults.dreambooth_learning_rate * (FACE_DREAMBOOTH_SHARE if kind == "face" else 1)


def _text_encoder_learning_rate(asked: Recipe, defaults: RecipeDefaults, family: str) -> float:
    """0 unless it was asked for, or the preset is detailed: two encoders of SDXL gain little from it."""
    if asked.method in {"textual_inversion", "pivotal"}:
        return 0.0  # vectors say what is new to the text encoder
    wanted = asked.text_encoder
    if wanted is None:
        wanted = asked.text_encoder_learning_rate is not None or (
            asked.method == "lora" and asked.preset == "detailed" and family != "sdxl"
        )
    if not wanted:
        return 0.0
    if asked.text_encoder_learning_rate is not None:
        return asked.text_encoder_learning_rate
    whole = asked.method == "dreambooth"
    return defaults.dreambooth_text_encoder_learning_rate if whole else defaults.text_encoder_learning_rate
