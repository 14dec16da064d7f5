"""What the readers of all programs share: JSON from strangers, and A1111's names for what stands in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PureWindowsPath
from typing import Any

from trainer.contract import samplers
from trainer.contract.infotext import Infotext, sound

Json = dict[str, Any]
_NO_KEY = re.compile(r"[^\w \-/]+")
_EXTENSION = re.compile(r"\.(?:safetensors|ckpt|pth?|bin|gguf|sft)$", re.IGNORECASE)


def read_json(text: str | None) -> Any:
    """The value of a JSON text, NaN and all, as Python's programs write it; None if it is none."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None


def as_object(value: object) -> Json:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """``value`` if it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """A value as settings have it; nothing for what says nothing, JSON for what is nested."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, str):
        return sound(value).strip()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    try:
        return sound(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):  # a number of more digits than Python writes
        return ""


def stem(name: object) -> str:
    """The name of a model without its folders and its extension, on whichever system it was written."""
    return _EXTENSION.sub("", PureWindowsPath(as_text(name)).name)


def tag(name: object, weight: object = None, te_weight: object = None) -> str:
    """A1111's tag of a LoRA; a weight that is none is 1."""
    weights = [as_text(value) for value in (weight, te_weight) if isinstance(value, int | float)]
    if len(weights) == 2 and weights[0] == weights[1]:
        del weights[1]
    return f"<lora:{':'.join([stem(name), *(weights or ['1'])])}>"


def with_tags(prompt: str, tags: Iterable[str]) -> str:
    """The prompt with those tags behind it that it does not hold."""
    return " ".join([prompt, *(each for each in tags if each not in prompt)]).strip()


def size(width: object, height: object) -> str:
    """A1111's ``Size``, where both are numbers."""
    return f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else ""


def named(values: Mapping[str, Any], names: Mapping[str, str], *, dropped: Iterable[str] = ()) -> dict[str, str]:
    """``values`` under A1111's ``names``, in the order of these; then the others under their own, but ``dropped``."""
    left_out = {*names, *dropped}
    settings = {name: as_text(values.get(key)) for key, name in names.items()}
    settings |= {_key(key): as_text(value) for key, value in values.items() if key not in left_out}
    return {key: text for key, text in settings.items() if text and len(key) > 1}


def infotext(prompt: object, negative_prompt: object, settings: Mapping[str, str], source: str) -> Infotext | None:
    """The settings of a picture, its sampler by A1111's name where that is known; None where there are none."""
    said = {key: text for key, text in settings.items() if text}
    found = Infotext(as_text(prompt), as_text(negative_prompt), _name_sampler(said), source)
    return found if found.prompt or found.settings else None


def _name_sampler(settings: dict[str, str]) -> dict[str, str]:
    try:
        sampler, scheduler = samplers.find_sampler(settings.get("Sampler", ""), settings.get("Schedule type", ""))
    except ValueError:
        return settings
    named = {"Sampler": sampler} | ({} if scheduler == samplers.AUTOMATIC else {"Schedule type": scheduler})
    first = {key: settings[key] for key in ("Steps",) if key in settings}
    return {
        **first,
        **named,
        **{key: text for key, text in settings.items() if key not in ("Sampler", "Schedule type")},
    }


def _key(key: str) -> str:
    """A key as A1111's text form can hold it."""
    return sound(_NO_KEY.sub(" ", key)).strip(" -/")[:100]
