"""ComfyUI's graph as it was drawn: nodes with a list of unnamed widgets, and links beside them.

Some programs keep nothing else. The names of the widgets stand in ComfyUI's ``nodes.py``, not in the file, so that only
the nodes that most graphs have are understood.
"""

from __future__ import annotations

from typing import Any

from bot.describing.values import Json, as_list, as_object

_RUNS, _BYPASSED = 0, 4  # modes of a node; 2 is muted
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
    """The same graph as ComfyUI runs it, as far as its nodes are known.

    What is muted is left out; links lead through what is bypassed, and through nodes that only reroute.
    """
    links = {link[0]: link for link in map(as_list, as_list(workflow.get("links"))) if _is_link(link)}
    nodes = {str(node.get("id")): node for node in map(as_object, as_list(workflow.get("nodes")))}
    return {
        key: {"class_type": node["type"], "inputs": _inputs(node, nodes, links)}
        for key, node in nodes.items()
        if isinstance(node.get("type"), str) and node.get("mode", 0) == _RUNS and not _is_passage(node)
    }


def _is_link(link: list[Any]) -> bool:
    """``[id, source, place, target, place, type]``"""
    return len(link) == 6 and isinstance(link[0], int)


def _is_passage(node: Json) -> bool:
    return node.get("mode") == _BYPASSED or str(node.get("type")).startswith("Reroute")


def _source(number: object, nodes: dict[str, Json], links: dict[int, list[Any]]) -> list[Any] | None:
    """The output that a link comes from; what lies between is passed by the first link of the same type."""
    seen = set()
    while isinstance(number, int) and number in links and number not in seen:
        seen.add(number)
        _, source, place, *_, kind = links[number]
        node = nodes.get(str(source), {})
        if not _is_passage(node):
            return [str(source), place]
        inputs = [each for each in map(as_object, as_list(node.get("inputs"))) if each.get("link") is not None]
        fitting = [each["link"] for each in inputs if each.get("type") in (kind, "*")]
        number = fitting[0] if fitting else None
    return None


def _inputs(node: Json, nodes: dict[str, Json], links: dict[int, list[Any]]) -> Json:
    values = node.get("widgets_values")
    widgets = as_object(values) or dict(zip(_WIDGETS.get(node["type"], ()), as_list(values), strict=False))
    linked = {
        each["name"]: source
        for each in map(as_object, as_list(node.get("inputs")))
        if isinstance(each.get("name"), str) and (source := _source(each.get("link"), nodes, links)) is not None
    }
    return {**widgets, **linked}
