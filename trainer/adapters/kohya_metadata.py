"""The metadata that kohya's readers show: ``ss_…`` (kohya-ss/sd-scripts, train_network.py) and ``modelspec.…``.

Nothing of the photos stands there: no file names, no captions but the trigger and its class word, no dates.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trainer.models.families import Family

Prediction = Literal["epsilon", "v_prediction"]
_SPEC_VERSION = "1.0.1"  # https://github.com/Stability-AI/ModelSpec
_SGM = "https://github.com/Stability-AI/generative-models"


@dataclass(frozen=True)
class Training:
    """What may be told about a training. None is left out."""

    family: Family
    base: str  # the base's name, never its path
    trigger: str
    class_word: str
    width: int  # px
    height: int  # px
    prediction_type: Prediction = "epsilon"
    rank: int | None = None
    lora_alpha: float | None = None
    images: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    dora: bool = False
    convolutions: bool = False  # whether 3×3 convolutions carry a LoRA, too


def describe_for_kohya(training: Training) -> dict[str, str]:
    """The metadata of a LoRA; texts alone, as safetensors wants them."""
    arguments: dict[str, object] = {}
    if training.convolutions:
        arguments |= {"conv_dim": training.rank, "conv_alpha": training.lora_alpha}
    if training.dora:
        arguments |= {"dora_wd": True, "wd_on_output": True}
    caption = f"{training.trigger} {training.class_word}"
    values: dict[str, object] = {
        "ss_network_module": "lycoris.kohya" if training.dora else "networks.lora",
        "ss_network_dim": training.rank,
        "ss_network_alpha": training.lora_alpha,
        "ss_network_args": json.dumps(arguments) if arguments else None,
        "ss_base_model_version": _version(training),
        "ss_sd_model_name": training.base,
        "ss_output_name": training.trigger,
        "ss_v2": training.family == "sd2",
        "ss_resolution": f"({training.width}, {training.height})",
        "ss_num_train_images": training.images,
        "ss_steps": training.steps,
        "ss_learning_rate": training.learning_rate,
        "ss_tag_frequency": json.dumps({training.trigger: {caption: training.images}}) if training.images else None,
    }
    texts = {key: str(value) for key, value in values.items() if value is not None}
    return texts | describe_model(training, "lora")


def describe_model(training: Training, kind: Literal["lora", "textual-inversion", "checkpoint"]) -> dict[str, str]:
    """The ``modelspec.…`` of a LoRA, a textual inversion or a whole checkpoint."""
    architecture = {
        "sd1": "stable-diffusion-v1",
        "sd2": "stable-diffusion-v2-768-v" if training.prediction_type == "v_prediction" else "stable-diffusion-v2-512",
        "sdxl": "stable-diffusion-xl-v1-base",
    }[training.family]
    diffusers = kind == "lora" and training.family != "sdxl"
    return {
        "modelspec.sai_model_spec": _SPEC_VERSION,
        "modelspec.architecture": architecture if kind == "checkpoint" else f"{architecture}/{kind}",
        "modelspec.implementation": "diffusers" if diffusers else _SGM,
        "modelspec.title": training.trigger,
        "modelspec.resolution": f"{training.width}x{training.height}",
        "modelspec.prediction_type": "v" if training.prediction_type == "v_prediction" else "epsilon",
        "modelspec.trigger_phrase": training.trigger,
    }


def _version(training: Training) -> str:
    """As sd-scripts names the base; A1111 tells SDXL by it."""
    if training.family == "sdxl":
        return "sdxl_base_v1-0"
    if training.family == "sd2":
        return "sd_v2_v" if training.prediction_type == "v_prediction" else "sd_v2"
    return "sd_v1"
