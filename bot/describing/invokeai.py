"""InvokeAI, in the forms of its versions: ``invokeai_metadata``, ``sd-metadata``, and a command called ``Dream``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.describing.values import (
    Json,
    as_list,
    as_object,
    as_text,
    infotext,
    named,
    read_json,
    size,
    stem,
    tag,
    with_tags,
)
from trainer.contract.infotext import Infotext

SOURCE = "InvokeAI"
_NAMES = {
    "steps": "Steps", "scheduler": "Sampler", "cfg_scale": "CFG scale", "seed": "Seed", "size": "Size",
    "model_hash": "Model hash", "model_name": "Model", "vae_name": "VAE", "strength": "Denoising strength",
    "clip_skip": "Clip skip", "hrf_strength": "Hires strength", "app_version": "Version",
}  # fmt: skip
_OLD_NAMES = {
    "steps": "Steps", "sampler": "Sampler", "cfg_scale": "CFG scale", "seed": "Seed", "size": "Size",
    "model_hash": "Model hash", "model_weights": "Model", "strength": "Denoising strength", "app_version": "Version",
}  # fmt: skip
_SWITCHES = {"s": "Steps", "A": "Sampler", "C": "CFG scale", "S": "Seed", "size": "Size", "f": "Denoising strength"}
_UNWANTED = re.compile(r"\[([^\[\]]*)\]")  # versions 1 and 2 wrote the negative prompt into the prompt
_DREAM = re.compile(r'\s*"(.*)"(.*)', re.DOTALL)
_SWITCH = re.compile(r"(?<!\S)-(\w)\s*(\S+)")


def read(fields: Mapping[str, str]) -> Infotext | None:
    """The settings in the newest form that is there."""
    if metadata := as_object(read_json(fields.get("invokeai_metadata"))):
        return _read_metadata(metadata)
    if old := as_object(read_json(fields.get("sd-metadata"))):
        return _read_old(old)
    return _read_dream(fields.get("Dream", ""))


def _read_metadata(metadata: Json) -> Infotext | None:
    """Versions 3 and later."""
    model, vae = as_object(metadata.get("model")), as_object(metadata.get("vae"))
    values = {
        **metadata,
        "size": size(metadata.get("width"), metadata.get("height")),
        "model_name": stem(model.get("name") or model.get("model_name")),
        "model_hash": as_text(model.get("hash")).removeprefix("blake3:"),
        "vae_name": stem(vae.get("name") or vae.get("model_name")),
    }
    dropped = ("positive_prompt", "negative_prompt", "width", "height", "model", "vae", "loras")
    prompt = with_tags(as_text(metadata.get("positive_prompt")), _tags(metadata))
    return infotext(prompt, metadata.get("negative_prompt"), named(values, _NAMES, dropped=dropped), SOURCE)


def _tags(metadata: Json) -> list[str]:
    """Of ``{"model": {"name": …}, "weight": …}``; version 3 said lora and model_name."""
    tags = []
    for lora in map(as_object, as_list(metadata.get("loras"))):
        model = as_object(lora.get("model")) or as_object(lora.get("lora"))
        if name := model.get("name") or model.get("model_name"):
            tags.append(tag(name, lora.get("weight")))
    return tags


def _read_old(metadata: Json) -> Infotext | None:
    """Version 2; the prompt may be a list of prompts that weigh."""
    image = as_object(metadata.get("image"))
    prompt = image.get("prompt")
    written = ", ".join(as_text(as_object(each).get("prompt")) for each in as_list(prompt)) or as_text(prompt)
    values = {**metadata, **image, "size": size(image.get("width"), image.get("height"))}
    settings = named(values, _OLD_NAMES, dropped=("image", "prompt", "width", "height", "model", "app_id"))
    return infotext(*_split(written), settings, SOURCE)


def _read_dream(command: str) -> Infotext | None:
    """Version 1: the command that was typed, such as ``"a fox [rain]" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms``."""
    match = _DREAM.fullmatch(command)
    if match is None:
        return None
    switches = {key: value.strip(",") for key, value in _SWITCH.findall(match[2])}
    width, height = switches.get("W", ""), switches.get("H", "")
    values = {**switches, "size": f"{width}x{height}" if width and height else ""}
    return infotext(*_split(match[1]), {name: values.get(key, "") for key, name in _SWITCHES.items()}, SOURCE)


def _split(written: str) -> tuple[str, str]:
    """The prompt, and what stands in its square brackets."""
    return " ".join(_UNWANTED.sub(" ", written).split()), ", ".join(_UNWANTED.findall(written))
