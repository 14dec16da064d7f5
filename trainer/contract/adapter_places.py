"""Which layer of the pipeline a key of an adapter's file is of, whoever wrote it: a table of prefixes and spellings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trainer.contract import kohya_names
from trainer.contract.adapter_keys import Algorithm, split_key
from trainer.contract.ldm_names import clip_from_open_clip, unet_from_ldm

BIG_G = 1280  # width of OpenCLIP's bigG, which SDXL alone has, and only as its second text encoder

# how a key begins -> the part it is of, "" where that shows in what follows; the longer ones first
_PREFIXES = {
    # kohya-ss/sd-scripts, A1111, OneTrainer, ai-toolkit, LyCORIS: what follows has underscores for dots
    "lora_unet_": "unet", "lora_te1_": "text_encoder", "lora_te2_": "text_encoder_2", "lora_te_": "text_encoder",
    "lycoris_": "unet",
    # peft, alone or within diffusers
    "base_model.model.": "",
    # diffusers
    "text_encoder_2.": "text_encoder_2", "text_encoder.": "text_encoder", "unet.": "unet",
    # ComfyUI, OneTrainer's OMI form, and the places in a whole checkpoint
    "model.diffusion_model.": "unet", "diffusion_model.": "unet",
    "text_encoders.": "", "clip_l.": "text_encoder", "clip_h.": "text_encoder", "clip_g.": "text_encoder_2",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder", "conditioner.embedders.1.": "text_encoder_2",
}  # fmt: skip
_FLAT = ("lora_", "lycoris_")
_OLD_ATTENTION = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out.0": "out_proj"}
_OLD_TEXT = re.compile(r"(.*\.self_attn\.)(to_[qkv]|to_out\.0)")


@dataclass(frozen=True)
class Place:
    """The layer that a tensor belongs to, by diffusers' names and text encoders flat, and what it is there."""

    part: str
    module: str
    algorithm: Algorithm
    role: str


def find_places(shapes: Mapping[str, Sequence[int]]) -> dict[str, Place]:
    """The place of every key that has one. ``shapes``: of the file's tensors."""
    places = {key: place for key in shapes if (place := _find_place(key))}
    if any(_is_big(key, place, shapes[key]) for key, place in places.items()):
        for key, place in places.items():
            if key.startswith("lora_te_"):
                places[key] = replace(place, part="text_encoder_2")
    return places


def _is_big(key: str, place: Place, shape: Sequence[int]) -> bool:
    """Whether ``lora_te_`` means SDXL's second encoder here, as the width tells: some write it for either."""
    inputs = {"down": 1, "hada_w1_b": 1}.get(place.role)
    reads_width = place.module.endswith(("q_proj", "k_proj", "v_proj", "fc1"))
    return key.startswith("lora_te_") and bool(inputs) and reads_width and tuple(shape[1:]) == (BIG_G,)


def _find_place(key: str) -> Place | None:
    found = split_key(key)
    layer = find_layer(found[0]) if found else None
    return Place(*layer, *found[1:]) if found and layer else None


def find_layer(head: str) -> tuple[str, str] | None:
    """The part and the module that a key without its end is of; None for what no part has."""
    part, rest = "", head
    while prefix := next((prefix for prefix in _PREFIXES if rest.startswith(prefix)), None):
        part, rest = _PREFIXES[prefix] or part, rest.removeprefix(prefix)
        if prefix.startswith(_FLAT):
            rest = kohya_names.unflatten(rest) or ""
            break
    for candidate in [part] if part else ["unet", "text_encoder"]:
        if module := _resolve(candidate, rest):
            return candidate, module
    return None


def _resolve(part: str, module: str) -> str | None:
    """A dotted name in any of the spellings as diffusers and transformers ≥ 5.6 have it; None for what is no layer."""
    if part == "unet":
        spellings = (module, unet_from_ldm(module))
    else:
        module = module.removeprefix("model.")
        name = kohya_names.flat(module.removeprefix("transformer.text_model."))
        if old := _OLD_TEXT.fullmatch(name):
            name = old[1] + _OLD_ATTENTION[old[2]]
        spellings = (name, clip_from_open_clip(module))
    return next((name for name in spellings if name and kohya_names.known_module(part, name)), None)
