"""What an adapter's file is, from its header alone: kind, layout, and the base it was made for, before a job is queued.

Pure, on a parsed safetensors header (https://github.com/huggingface/safetensors#format): names, shapes and metadata; no
tensor is read. The width of what the UNet attends to tells the families apart (SD1's text encoder has 768 channels,
SD2's 1,024, SDXL's two 2,048), the names tell them where no shape does, the metadata of sd-scripts and of ModelSpec
(https://github.com/Stability-AI/ModelSpec) where neither does.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from trainer.contract.adapter_keys import other_algorithm, split_key
from trainer.contract.adapter_marks import (
    ALL,
    ARCHITECTURES,
    BESIDE_MODELS,
    BUNDLE,
    CONTEXT_WIDTHS,
    FAMILY_MARKS,
    LAYOUTS,
    OTHER_MODELS,
    REFINER_WIDTH,
    SD,
    TEXT_WIDTHS,
    TITLES,
    Family,
    embedding_towers,
    split_bundled,
)
from trainer.contract.adapter_metadata import last_part

Shapes = Mapping[str, Sequence[int]]
_CROSS_ATTENTION = re.compile(r"attn2[._]to_[kv]$")
_TEXT_LAYER = re.compile(r"layers[._]\d+[._](self_attn[._][qkv]_proj|mlp[._]fc1)$")
_PROJ_IN = re.compile(r"attentions[._]\d+[._]proj_in$")
_UNET = re.compile(r"(?:down_blocks|up_blocks|mid_block|input_blocks|middle_block|output_blocks)[._]")
_TEXT = re.compile(r"encoder[._]layers[._]\d+[._]|transformer[._]resblocks[._]")


class AdapterIdentity(msgspec.Struct, frozen=True):
    """What a file says it is.

    ``families``: those of the three that it may be for; several where nothing tells them apart, none where it is for
    another model or no adapter. ``made_for`` says the same in words, for people.
    """

    kind: Literal["lora", "textual_inversion", "checkpoint", "unknown"]
    layout: str  # whose names the keys have: kohya, diffusers, peft …
    algorithm: str  # LoRA, LoHa, … with DoRA where it has magnitudes; "" for what has none
    families: tuple[Family, ...]
    made_for: str
    parts: tuple[Literal["unet", "text_encoder"], ...] = ()
    context_width: int | None = None  # channels of what its UNet attends to
    rank: int | None = None  # the greatest of its modules
    base: str | None = None  # the name of the base it was trained on, where the metadata tell
    keys: int = 0
    bundled: tuple[str, ...] = ()  # the words whose vectors a LoRA brings


def identify(header: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> AdapterIdentity:
    """What the file with this header is.

    ``header``: the JSON of a safetensors file as ``json.loads`` gives it, each name with a ``shape``; ``metadata``: its
    ``__metadata__`` where they were taken out. Whatever the names and shapes are, there is an answer.
    """
    notes = _texts(header.get("__metadata__", {}) if metadata is None else metadata)
    shapes = {name: _shape(entry) for name, entry in header.items() if name != "__metadata__"}
    bundled = sorted({found[0] for name in shapes if (found := split_bundled(name))})
    own = {name: shape for name, shape in shapes.items() if not name.startswith(BUNDLE)}
    if embedding := _identify_embedding(own, notes):
        return embedding
    modules = {name: split for name in own if (split := split_key(name))}
    algorithm = _algorithm(own, modules)
    kind: Literal["lora", "checkpoint", "unknown"] = "lora" if algorithm else "unknown"
    if not algorithm and any(name.endswith((".weight", ".bias")) for name in own):
        kind = "checkpoint"
    families, made_for, width = _find_model(own, modules, notes)
    if kind == "unknown":
        families, made_for = (), made_for if not families else "no model that is known"
    return AdapterIdentity(
        kind, _layout(own) if own else "", algorithm, families, made_for, _parts(own), width, _rank(own, modules),
        _base_name(notes), len(shapes), tuple(bundled),
    )  # fmt: skip


def _shape(entry: object) -> tuple[int, ...]:
    sides = entry.get("shape") if isinstance(entry, Mapping) else None
    return tuple(side for side in sides if isinstance(side, int)) if isinstance(sides, list | tuple) else ()


def _texts(notes: object) -> dict[str, str]:
    found = notes if isinstance(notes, Mapping) else {}
    return {name: text for name, text in found.items() if isinstance(name, str) and isinstance(text, str)}


def _identify_embedding(shapes: Shapes, notes: Mapping[str, str]) -> AdapterIdentity | None:
    """A textual inversion: its vectors are as wide as what the UNet attends to, SDXL's two together."""
    towers = embedding_towers(shapes)
    if towers is None or not all(1 <= len(shape) <= 2 for shape in shapes.values()):
        return None
    layout = "A1111" if set(shapes) & {"emb_params", "clip_l", "string_to_param", "string_to_param.*"} else "diffusers"
    width = sum(shape[-1] for shape in shapes.values())
    families = {CONTEXT_WIDTHS[width]} if width in CONTEXT_WIDTHS else set(SD)
    families &= {"sdxl"} if len(towers) > 1 else SD
    if width not in CONTEXT_WIDTHS:
        families = _by_metadata({"sdxl"} if len(towers) > 1 else families, notes)
    ordered = tuple(family for family in TITLES if family in families)
    made_for = _title(ordered) if width in CONTEXT_WIDTHS and ordered else f"text encoders of {width:,} channels"
    return AdapterIdentity(
        "textual_inversion",
        layout,
        "",
        ordered,
        made_for,
        ("text_encoder",),
        width,
        None,
        _base_name(notes),
        len(shapes),
    )


def _algorithm(shapes: Shapes, modules: Mapping[str, tuple[str, str, str]]) -> str:
    """LoRA, LoHa …, several joined by "and"; a kind that can't be read before all others."""
    if other := next((kind for name in shapes if (kind := other_algorithm(name))), None):
        return other
    found = sorted({algorithm for _, algorithm, _ in modules.values()} - {"", "Norm"})
    roles = {role for _, _, role in modules.values()}
    if not found:
        return "Norm" if any(algorithm == "Norm" for _, algorithm, _ in modules.values()) else ""
    text = " and ".join("LoCon" if each == "LoRA" and "mid" in roles else each for each in found)
    dora = bool(roles & {"magnitude", "dora_scale"})
    return "DoRA" if dora and text == "LoRA" else f"{text} with DoRA" if dora else text


def _find_model(
    shapes: Shapes, modules: Mapping[str, tuple[str, str, str]], notes: Mapping[str, str]
) -> tuple[tuple[Family, ...], str, int | None]:
    """The families that it may be for, the same in words, and the width of what its UNet attends to."""
    is_unet, is_text = any(map(_UNET.search, shapes)), any(map(_TEXT.search, shapes))
    rest = [name for name in shapes if not _TEXT.search(name)]
    tables = BESIDE_MODELS if is_unet else BESIDE_MODELS + OTHER_MODELS
    if other := next((model for model, mark in tables if any(map(mark.search, rest))), None):
        return (), other, None
    if not is_unet and not is_text:
        return (), "no model that is known", None
    inputs = _inputs(shapes, modules)
    widths = Counter(width for head, width in inputs.items() if _CROSS_ATTENTION.search(head))
    width = widths.most_common(1)[0][0] if widths else None
    if width == REFINER_WIDTH:
        return (), "the refiner of Stable Diffusion XL", width
    families = set(ALL)
    for evidence in _evidence(shapes, inputs, width):
        families &= evidence
    if not families:
        return (), "a model of another shape", width
    families = _told_apart(families, shapes, modules, notes)
    ordered = tuple(family for family in TITLES if family in families)
    return ordered, _title(ordered), width


def _inputs(shapes: Shapes, modules: Mapping[str, tuple[str, str, str]]) -> dict[str, int]:
    """How many channels each module takes, by the shapes of what stands for it."""
    found: dict[str, dict[str, Sequence[int]]] = defaultdict(dict)
    for name, shape in shapes.items():
        head, _, role = modules.get(name, (name.removesuffix(".weight"), "", "weight"))
        if len(shape) > 1:
            found[head][role] = shape
    inputs = {}
    for head, roles in found.items():
        one = next((roles[role] for role in ("down", "hada_w1_b", "diff", "weight") if role in roles), None)
        first, second = (roles.get(f"lokr_w{n}", roles.get(f"lokr_w{n}_b")) for n in "12")
        if one is not None:
            inputs[head] = one[1]
        elif first is not None and second is not None:
            inputs[head] = first[1] * second[1]
    return inputs


def _evidence(shapes: Shapes, inputs: Mapping[str, int], width: int | None) -> Iterable[frozenset[Family]]:
    """For each thing that tells: the families that it allows."""
    for mark, families in FAMILY_MARKS:
        if any(map(mark.search, shapes)):
            yield families
    if width in CONTEXT_WIDTHS:
        yield frozenset({CONTEXT_WIDTHS[width]})
    for head, channels in inputs.items():
        if _TEXT_LAYER.search(head) and channels in TEXT_WIDTHS:
            yield TEXT_WIDTHS[channels]


def _told_apart(
    families: set[Family], shapes: Shapes, modules: Mapping[str, tuple[str, str, str]], notes: Mapping[str, str]
) -> set[Family]:
    """Where names and widths leave several: what the metadata say, then whether ``proj_in`` is a convolution."""
    families = _by_metadata(families, notes)
    if families == {"sd1", "sd2"}:
        downs = [shapes[name] for name, (head, _, role) in modules.items() if role == "down" and _PROJ_IN.search(head)]
        if downs:
            families = {"sd1" if any(len(shape) == 4 for shape in downs) else "sd2"}
    return families


def _by_metadata(families: set[Family], notes: Mapping[str, str]) -> set[Family]:
    for note in ("ss_base_model_version", "modelspec.architecture"):
        for start, meant in ARCHITECTURES.items():
            if notes.get(note, "").startswith(start) and families & meant:
                families = families & meant
    return families


def _layout(shapes: Shapes) -> str:
    """Whose names most of the keys have."""
    named = Counter(next((layout for layout, form in LAYOUTS if form.match(name)), "unknown") for name in shapes)
    return named.most_common(1)[0][0]


def _parts(shapes: Shapes) -> tuple[Literal["unet", "text_encoder"], ...]:
    marks: dict[Literal["unet", "text_encoder"], re.Pattern[str]] = {"unet": _UNET, "text_encoder": _TEXT}
    return tuple(part for part, mark in marks.items() if any(map(mark.search, shapes)))


def _rank(shapes: Shapes, modules: Mapping[str, tuple[str, str, str]]) -> int | None:
    ranks = [shapes[name][0] for name, (_, _, role) in modules.items()
             if role in ("down", "hada_w1_b", "lokr_w1_b", "lokr_w2_b") and shapes[name]]  # fmt: skip
    return max(ranks, default=None)


def _base_name(notes: Mapping[str, str]) -> str | None:
    name = notes.get("darkroom.base") or notes.get("ss_sd_model_name") or ""
    plain = re.sub(r"\.(?:safetensors|ckpt|pt|bin)$", "", last_part(name))
    return plain[:100] or None


def _title(families: Sequence[Family]) -> str:
    return " or ".join(TITLES[family] for family in families)
