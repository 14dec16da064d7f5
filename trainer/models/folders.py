"""A base in diffusers format, known from its small files alone: its family, and whether it is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trainer.errors import MissingBases
from trainer.models.families import OTHER_INPUTS, Family

_PIPELINES = {"StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusionImg2ImgPipeline",
              "StableDiffusionXLImg2ImgPipeline"}  # fmt: skip


def read_json(path: Path) -> dict[str, Any]:
    """An object of a JSON file. Raises :class:`MissingBases`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingBases(f"{path} can't be read ({error}); fetch the model again") from error
    if not isinstance(content, dict):
        raise MissingBases(f"{path} holds no JSON object; fetch the model again")
    return content


def check_folder(folder: Path) -> Family:
    """The family of the model in ``folder``, when all its parts are there.

    Raises :class:`MissingBases` that says what is missing, or what it is instead.
    """
    pipeline = str(read_json(folder / "model_index.json").get("_class_name"))
    unet = read_json(folder / "unet" / "config.json") if (folder / "unet").is_dir() else {}
    what = OTHER_INPUTS.get(unet.get("in_channels", 4))
    if what or pipeline not in _PIPELINES:
        raise MissingBases(
            f"{folder.name} is {what or f'a model for {pipeline}'}, which can't be used here; put a Stable Diffusion"
            " 1.x, 2.x or XL model in its place"
        )
    family = _tell_family(folder, unet)
    for part in ("unet", "vae", "text_encoder", *(["text_encoder_2"] if family == "sdxl" else [])):
        if not any((folder / part).glob("*.safetensors")):
            pickles = any((folder / part).glob("*.bin"))
            raise MissingBases(
                f"{folder.name} has no .safetensors weights in {part}/"
                + (", only pickles, which are never loaded" if pickles else "")
                + f"; fetch the model anew with `hf download … --include '{part}/*.safetensors'`"
            )
    return family


def _tell_family(folder: Path, unet: dict[str, Any]) -> Family:
    """By what the UNet is conditioned on: SDXL takes sizes, too; SD2 projects linearly into its attention layers."""
    if unet.get("addition_embed_type") == "text_time":
        if not (folder / "text_encoder").is_dir():
            raise MissingBases(f"{folder.name} is the SDXL refiner, which can't be used alone; put the base there")
        return "sdxl"
    return "sd2" if unet.get("use_linear_projection") else "sd1"


def find_variant(folder: Path) -> str | None:
    """``fp16`` where a part's weights are there in float16 alone."""
    names = [path.name for path in folder.glob("*.safetensors")]
    return "fp16" if names and all(".fp16" in name for name in names) else None


def weight_files(folder: Path) -> list[Path]:
    """The files that a part is loaded from, of all that lie there in several precisions."""
    files = sorted(folder.glob("*.safetensors"))
    plain = [file for file in files if ".fp16" not in file.name and ".non_ema" not in file.name]
    return plain or [file for file in files if ".fp16" in file.name]
