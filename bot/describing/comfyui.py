"""ComfyUI: no settings but the graph that made the picture. It is walked back from the sampler.

``prompt`` is the graph as it ran: nodes by id, each with a ``class_type`` and ``inputs``, where ``[id, place]`` is an
output of another node. ``workflow`` is the graph as it was drawn, see :mod:`bot.describing.comfyui_workflow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from bot.describing import comfyui_workflow
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

_MOST_NODES = 5_000  # looked at in one walk; a graph of a stranger may be one large knot
_SEEDS, _STEPS, _CFG = ("seed", "noise_seed"), ("steps",), ("cfg", "guidance")
_TEXTS = ("text", "text_g", "text_l", "clip_l", "t5xxl", "prompt", "string", "value", "populated_text", "wildcard_text",
          "text_a", "text_b", "text1", "text2", "string_a", "string_b")  # fmt: skip
_CONDITIONINGS = ("conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from")
_CHECKPOINTS = ("ckpt_name", "unet_name", "base_ckpt_name", "model_name")
_MODELS = ("model", "model_optional", "lora_stack", "optional_lora_stack")  # the way from a sampler to its checkpoint
_SAMPLER = {"steps", "guider", "sigmas"}  # one of which each has
_LORA = re.compile(r"lora_name(?:_?(\d+))?")


def read(fields: Mapping[str, str]) -> Infotext | None:
    """The settings of the picture that the graph saved."""
    document = as_object(read_json(fields.get("prompt")))
    if "extraMetadata" in document:  # Civitai's generator keeps the graph, and beside it what was asked for
        return _read_civitai(as_object(read_json(as_text(document["extraMetadata"]))))
    graph = Graph(document)
    if not graph.nodes:
        graph = Graph(comfyui_workflow.as_prompt(as_object(read_json(fields.get("workflow")))))
    return _describe(graph)


class Graph:
    """Nodes by id; what is no node is left out."""

    def __init__(self, document: Json) -> None:
        nodes = ((str(key), as_object(node)) for key, node in document.items())
        self.nodes = {key: as_object(node.get("inputs")) for key, node in nodes if "class_type" in node}

    def source(self, value: object) -> str | None:
        """The node that a link comes from; None if ``value`` is no link."""
        link = as_list(value)
        key = str(link[0]) if len(link) == 2 and isinstance(link[0], str | int) else None
        return key if key in self.nodes else None

    def upstream(self, key: str | None, through: Iterable[str] | None = None) -> Iterator[str]:
        """The node and all that it is made of, the nearest first; only ``through`` inputs of these names, if given."""
        queue, seen = [key] if key is not None else [], {key}
        names = None if through is None else frozenset(through)
        for node in queue:  # grows as it is walked
            yield node
            if len(seen) > _MOST_NODES:
                return
            for name, value in self.nodes[node].items():
                found = self.source(value) if names is None or name in names else None
                if found is not None and found not in seen:
                    seen.add(found)
                    queue.append(found)

    def value(self, key: str | None, names: Iterable[str]) -> object:
        """The first plain value under one of ``names`` at the node, or at those that feed them."""
        names = tuple(names)
        inputs = self.nodes.get(key or "", {})
        for name in names:
            if _is_plain(inputs.get(name)):
                return inputs[name]
            for node in self.upstream(self.source(inputs.get(name))):
                for found in (*names, "value", "int", "float", "number", "Value"):
                    if _is_plain(self.nodes[node].get(found)):
                        return self.nodes[node][found]
        return None

    def nearest(self, key: str | None, names: Iterable[str], through: Iterable[str] | None = None) -> object:
        """The first plain value under one of ``names`` at the node or upstream of it."""
        names = tuple(names)
        values = (self.nodes[node].get(name) for node in self.upstream(key, through) for name in names)
        return next((value for value in values if _is_plain(value)), None)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


# -- from the graph to settings ---------------------------------------------------------------------------------------


def _describe(graph: Graph) -> Infotext | None:
    samplers = _samplers(graph)
    if not samplers:
        return None
    first, last = samplers[-1], samplers[0]
    inputs = graph.nodes[first]
    guider, sigmas = graph.source(inputs.get("guider")), graph.source(inputs.get("sigmas"))
    conditioned = guider if guider is not None else first
    positive, negative = (_text(graph, conditioned, role) for role in ("positive", "negative"))
    model = conditioned if "model" in graph.nodes[conditioned] else first
    settings = {
        "Steps": _first(graph, (first, sigmas), _STEPS),
        "Sampler": _first(graph, (first, graph.source(inputs.get("sampler"))), ("sampler_name",)),
        "Schedule type": _first(graph, (first, sigmas), ("scheduler",)),
        "CFG scale": _first(graph, (first, guider), _CFG),
        "Seed": _first(graph, (first, graph.source(inputs.get("noise"))), _SEEDS),
        "Size": _size(graph, first),
        "Model": stem(graph.nearest(model, _CHECKPOINTS, _MODELS)),
        "VAE": stem(graph.nearest(_saved(graph), ("vae_name",))),
        "Clip skip": _clip_skip(graph, first),
    }
    denoise = _first(graph, (last, graph.source(graph.nodes[last].get("sigmas"))), ("denoise",))
    if denoise not in {"", "1"}:
        settings["Denoising strength"] = denoise
        settings["Hires steps"] = _first(graph, (last,), _STEPS) if last != first else ""
    return infotext(with_tags(positive, _tags(graph, model)), negative, settings, "ComfyUI")


def _saved(graph: Graph) -> str | None:
    """The node at the end: the one that takes pictures and gives none on."""
    fed = {graph.source(value) for inputs in graph.nodes.values() for value in inputs.values()}
    ends = [key for key, inputs in graph.nodes.items() if "images" in inputs and key not in fed]
    return ends[0] if ends else next((key for key in graph.nodes if key not in fed), None)


def _samplers(graph: Graph) -> list[str]:
    """The samplers on the way to the picture, the last pass first; those that take pictures if there is no other."""
    way = list(graph.upstream(_saved(graph))) or list(graph.nodes)
    for nodes in (way, list(graph.nodes)):
        for taken in ("latent_image", "positive"):
            found = [key for key in nodes if taken in (inputs := graph.nodes[key]) and _SAMPLER & inputs.keys()]
            if found:
                return found if nodes is way else found[:1]
    return []


def _first(graph: Graph, nodes: Iterable[str | None], names: Iterable[str]) -> str:
    names = tuple(names)
    return next((text for node in nodes if (text := as_text(graph.value(node, names)))), "")


def _size(graph: Graph, sampler: str) -> str:
    """Of the latent picture that the sampler begins with."""
    for key in graph.upstream(graph.source(graph.nodes[sampler].get("latent_image"))):
        for prefix in ("", "empty_latent_"):
            if found := size(graph.value(key, (f"{prefix}width",)), graph.value(key, (f"{prefix}height",))):
                return found
    return ""


def _clip_skip(graph: Graph, sampler: str) -> str:
    layer = graph.nearest(sampler, ("stop_at_clip_layer", "clip_skip"))
    return as_text(abs(layer)) if isinstance(layer, int) else ""


def _text(graph: Graph, key: str, role: str) -> str:
    """The words of a conditioning: ``role`` is the input it comes in by, positive or negative."""
    texts: dict[str, None] = {}  # in order, each once
    queue = [key]
    for node in queue:
        inputs = graph.nodes[node]
        if isinstance(inputs.get(role), str):  # of a loader that encodes, too
            texts[inputs[role]] = None
            continue
        follows = _CONDITIONINGS if role not in inputs and (node != key or role == "positive") else ()
        links = [inputs.get(name) for name in (role, *follows)]
        words = [text for name in _texts_of(inputs) if (text := _string(graph, inputs[name]))] if node != key else []
        texts |= dict.fromkeys(words)
        found = [each for link in links if not words and (each := graph.source(link)) is not None]
        queue += [each for each in found if each not in queue]
        if len(queue) > _MOST_NODES:
            break
    return "\n".join(text.strip() for text in texts)


def _string(graph: Graph, value: object) -> str:
    """A text, or what the nodes that make it are given."""
    if isinstance(value, str):
        return value
    parts: dict[str, None] = {}
    for key in graph.upstream(graph.source(value), _TEXTS):
        inputs = graph.nodes[key]
        parts |= {text: None for name in _texts_of(inputs) if isinstance(text := inputs[name], str) and text}
    return " ".join(parts)


def _texts_of(inputs: Json) -> tuple[str, ...]:
    """The inputs that are texts; of a node that fills in wildcards, what it filled in."""
    return ("populated_text",) if "populated_text" in inputs else tuple(name for name in _TEXTS if name in inputs)


def _tags(graph: Graph, key: str) -> list[str]:
    """Tags of the LoRAs between the checkpoint and the sampler, in the order in which they are put on."""
    tags: list[str] = []
    for node in graph.upstream(key, _MODELS):
        inputs = graph.nodes[node]
        here = []
        for name, value in inputs.items():
            if (match := _LORA.fullmatch(name)) is not None and isinstance(value, str) and value not in {"", "None"}:
                number = f"_{match[1]}" if match[1] else ""
                strengths = [inputs.get(f"{each}{number}") for each in ("strength_model", "strength_clip")]
                others = (f"lora_model_strength{number}", f"model_str{number}", f"lora_wt{number}")
                model = next((w for w in (strengths[0], *map(inputs.get, others)) if w is not None), None)
                here.append(tag(value, model, strengths[1]))
            elif (one := as_object(value)).get("on") is True and "lora" in one:  # rgthree's Power Lora Loader
                here.append(tag(one["lora"], one.get("strength"), one.get("strengthTwo")))
        tags = here + tags
    return tags


def _read_civitai(asked: Json) -> Infotext | None:
    names = {
        "steps": "Steps", "sampler": "Sampler", "cfgScale": "CFG scale", "seed": "Seed", "size": "Size",
        "clipSkip": "Clip skip", "denoise": "Denoising strength", "resources": "Civitai resources",
    }  # fmt: skip
    asked = {**asked, "size": size(asked.get("width"), asked.get("height"))}
    settings = named(asked, names, dropped=("prompt", "negativePrompt", "width", "height"))
    return infotext(asked.get("prompt"), asked.get("negativePrompt"), settings, "Civitai")
