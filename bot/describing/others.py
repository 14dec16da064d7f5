"""Programs that write one JSON object, or a text field a setting: a table of names each."""

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

_FOOOCUS = {
    "steps": "Steps", "sampler": "Sampler", "scheduler": "Schedule type", "guidance_scale": "CFG scale",
    "seed": "Seed", "size": "Size", "base_model_hash": "Model hash", "base_model": "Model", "vae": "VAE",
    "clip_skip": "Clip skip", "version": "Version",
}  # fmt: skip
_SWARM = {
    "steps": "Steps", "sampler": "Sampler", "scheduler": "Schedule type", "cfgscale": "CFG scale", "seed": "Seed",
    "size": "Size", "model": "Model", "vae": "VAE", "variationseed": "Variation seed",
    "variationseedstrength": "Variation seed strength", "initimagecreativity": "Denoising strength",
    "clip_skip": "Clip skip", "swarm_version": "Version",
}  # fmt: skip
_NOVELAI = {
    "steps": "Steps", "sampler": "Sampler", "noise_schedule": "Schedule type", "scale": "CFG scale", "seed": "Seed",
    "size": "Size", "strength": "Denoising strength", "model": "Model",
}  # fmt: skip
_EASY = {
    "num_inference_steps": "Steps", "sampler_name": "Sampler", "guidance_scale": "CFG scale", "seed": "Seed",
    "size": "Size", "use_stable_diffusion_model": "Model", "use_vae_model": "VAE",
    "prompt_strength": "Denoising strength", "clip_skip": "Clip skip",
}  # fmt: skip
_EASY_LABELS = {
    "steps": "num_inference_steps", "sampler": "sampler_name", "stable_diffusion_model": "use_stable_diffusion_model",
    "vae_model": "use_vae_model", "lora_model": "use_lora_model", "lora_strength": "lora_alpha",
}  # fmt: skip
_DRAW_THINGS = {
    "steps": "Steps", "sampler": "Sampler", "scale": "CFG scale", "seed": "Seed", "size": "Size", "model": "Model",
    "strength": "Denoising strength",
}  # fmt: skip
_RESOLUTION = re.compile(r"\(?\s*(\d{1,5})\s*[,x×]\s*(\d{1,5})\s*\)?")
_COMMENTS = ("parameters", "UserComment", "Comment")  # where an object of a program's own may stand


def _own_object(fields: Mapping[str, str]) -> Json:
    return next((found for name in _COMMENTS if (found := as_object(read_json(fields.get(name))))), {})


def _plain_keys(values: Mapping[str, object]) -> Json:
    """``Guidance Scale`` as ``guidance_scale``: programs show the one and store the other."""
    return {key.strip().lower().replace(" ", "_"): value for key, value in values.items()}


def read_swarmui(fields: Mapping[str, str]) -> Infotext | None:
    """SwarmUI: ``{"sui_image_params": {…}}``, as its ``docs/Image Metadata Format.md`` says."""
    values = as_object(_own_object(fields).get("sui_image_params"))
    if not values:
        return None
    loras, weights = as_list(values.get("loras")), as_list(values.get("loraweights"))
    strengths = [_number(weight) for weight in weights] + [None] * len(loras)
    layer = values.get("clipstopatlayer")
    settings = {
        **values,
        "sampler": values.get("sampler") or values.get("comfyuisampler"),
        "scheduler": values.get("scheduler") or values.get("comfyuischeduler"),
        "size": size(values.get("width"), values.get("height")),
        "model": stem(values.get("model")),
        "clip_skip": abs(layer) if isinstance(layer, int) else None,
    }
    dropped = ("prompt", "negativeprompt", "width", "height", "loras", "loraweights", "clipstopatlayer",
               "comfyuisampler", "comfyuischeduler")  # fmt: skip
    prompt = with_tags(as_text(values.get("prompt")), map(tag, loras, strengths))
    return infotext(prompt, values.get("negativeprompt"), named(settings, _SWARM, dropped=dropped), "SwarmUI")


def read_fooocus(fields: Mapping[str, str]) -> Infotext | None:
    """Fooocus' own scheme, also with the labels of its version 2.1."""
    values = _plain_keys(_own_object(fields))
    if not ("base_model" in values and ("performance" in values or "metadata_scheme" in values)):
        return None
    resolution = _RESOLUTION.fullmatch(as_text(values.get("resolution")))
    tags = [tag(*each[:2]) for each in map(as_list, as_list(values.get("loras"))) if each]
    for key in [key for key in values if re.fullmatch(r"lora_\d+", key)]:
        name, _, weight = as_text(values.pop(key)).rpartition(" : ")
        tags.append(tag(name, _number(weight)))
    settings = {
        **values,
        "size": f"{resolution[1]}x{resolution[2]}" if resolution else "",
        "base_model": stem(values.get("base_model")),
    }
    dropped = ("prompt", "negative_prompt", "full_prompt", "full_negative_prompt", "resolution", "loras",
               "metadata_scheme")  # fmt: skip
    prompt = with_tags(as_text(values.get("prompt")), tags)
    return infotext(prompt, values.get("negative_prompt"), named(settings, _FOOOCUS, dropped=dropped), "Fooocus")


def read_novelai(fields: Mapping[str, str]) -> Infotext | None:
    """NovelAI: ``Software`` says so, ``Description`` is the prompt, ``Comment`` the rest."""
    if not fields.get("Software", "").startswith("NovelAI"):
        return None
    values = as_object(read_json(fields.get("Comment")))
    settings = {**values, "size": size(values.get("width"), values.get("height")), "model": fields.get("Source")}
    dropped = ("prompt", "uc", "width", "height", "signed_hash", "v4_prompt", "v4_negative_prompt", "n_samples")
    prompt = as_text(values.get("prompt")) or fields.get("Description", "")
    return infotext(prompt, values.get("uc"), named(settings, _NOVELAI, dropped=dropped), "NovelAI")


def read_easy_diffusion(fields: Mapping[str, str]) -> Infotext | None:
    """Easy Diffusion: a text field a setting in a PNG, one object in EXIF."""
    shown = _plain_keys(_own_object(fields) or fields)
    values = {_EASY_LABELS.get(key, key): value for key, value in shown.items()}
    if not ("prompt" in values and {"use_stable_diffusion_model", "num_inference_steps"} <= values.keys()):
        return None
    names, weights = _several(values.get("use_lora_model")), _several(values.get("lora_alpha"))
    tags = map(tag, filter(None, names), [*map(_number, weights), *[None] * len(names)])
    settings = {
        **values,
        "size": size(_number(values.get("width")), _number(values.get("height"))),
        "use_stable_diffusion_model": stem(values["use_stable_diffusion_model"]),
    }
    dropped = ("prompt", "negative_prompt", "width", "height", "use_lora_model", "lora_alpha")
    prompt = with_tags(as_text(values["prompt"]), tags)
    found = named(settings, _EASY, dropped=dropped)
    return infotext(prompt, values.get("negative_prompt"), {k: v for k, v in found.items() if v != "None"},
                    "Easy Diffusion")  # fmt: skip


def read_draw_things(fields: Mapping[str, str]) -> Infotext | None:
    """Draw Things: an object of short names, ``c`` being the prompt and ``uc`` what is not wanted."""
    values = _own_object(fields)
    if not {"c", "steps", "scale"} <= values.keys():
        return None
    tags = [tag(lora.get("model"), lora.get("weight")) for lora in map(as_object, as_list(values.get("lora")))]
    settings = {**values, "model": stem(values.get("model"))}
    dropped = ("c", "uc", "lora", "v2", "profile")
    prompt = with_tags(as_text(values["c"]), tags)
    return infotext(prompt, values.get("uc"), named(settings, _DRAW_THINGS, dropped=dropped), "Draw Things")


def _several(value: object) -> list[object]:
    return as_list(value) or [each.strip() for each in as_text(value).split(",") if each.strip() not in {"", "None"}]


def _number(value: object) -> int | float | None:
    """The number that a text is."""
    try:
        found = float(as_text(value))
    except ValueError:
        return None
    return int(found) if found.is_integer() else found
