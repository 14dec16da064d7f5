"""ComfyUI's graph as it was drawn: nodes with a list of unnamed widgets, and links beside them.

Some programs keep nothing else. The names of the widgets stand in ComfyUI's ``nodes.py``, not in the file, so that only
the nodes that most graphs have are understood.
"""

from __future__ import annotations

from typing import Any

from bot.describing.values import Json, as_list, as_object

_CONTROL = "control_after_generate"  # a widget of the page behind each seed
_SAMPLED = ("steps", "cfg", "sampler_name", "scheduler")
_WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": ("seed", _CONTROL, *_SAMPLED, "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", _CONTROL, *_SAMPLED, "start_at_step", "end_at_step"),
    "CLIPTextEncode": ("text",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height"),
    "EmptySD3LatentImage": ("width", "height"),
    "RandomNoise": ("noise_seed", _CONTROL),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "PrimitiveNode": ("value",),
}


def as_prompt(workflow: Json) -> Json:
    """The same graph as ComfyUI runs it, as far as its nodes are known. Muted and bypassed ones are left out."""
    sources = {link[0]: [str(link[1]), link[2]] for link in map(as_list, as_list(workflow.get("links"))) if _is(link)}
    nodes = [node for node in map(as_object, as_list(workflow.get("nodes"))) if node.get("mode", 0) == 0]
    return {
        str(node.get("id")): {"class_type": node.get("type"), "inputs": _inputs(node, sources)}
        for node in nodes
        if isinstance(node.get("type"), str)
    }


def _is(link: list[Any]) -> bool:
    return len(link) >= 3 and isinstance(link[0], int)


def _inputs(node: Json, sources: dict[Any, list[Any]]) -> Json:
    values = node.get("widgets_values")
    widgets = values if isinstance(values, dict) else dict(
        zip(_WIDGETS.get(node["type"], ()), as_list(values), strict=False)
    )  # fmt: skip
    linked = {
        each["name"]: sources[each["link"]]
        for each in map(as_object, as_list(node.get("inputs")))
        if isinstance(each.get("name"), str) and isinstance(each.get("link"), int) and each["link"] in sources
    }
    return {**widgets, **linked}
