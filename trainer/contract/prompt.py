"""The prompt language: what a member writes, taken apart. Pure text; no torch, no Discord.

A network tag is A1111's: ``<lora:name>``, ``<lora:name:weight>`` or ``<lora:name:unet:te>``; another member's adapter
is written ``<lora:ada/thnos:0.8>``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_PROMPT = 2_000  # characters; a Discord message holds no more, so every prompt can be given back
MAX_WEIGHT = 5.0
MAX_NETWORKS = 8
_TAG = re.compile(r"<lora:([^:<>]*)((?::[^:<>]*)*)>", re.IGNORECASE)


class PromptError(ValueError):
    """A prompt that can't be used; its text names the value and the way out."""


@dataclass(frozen=True)
class Network:
    """One tag: ``weight`` acts on the UNet, ``te_weight`` on the text encoder where it differs."""

    kind: str
    name: str
    weight: float
    te_weight: float | None = None


@dataclass(frozen=True)
class Prompt:
    """``text`` without tags, and the networks in their order; ``written`` is what was parsed."""

    text: str
    networks: tuple[Network, ...]
    written: str


def parse(prompt: str) -> Prompt:
    """Take a prompt apart. Raises :class:`PromptError`."""
    _check_length(prompt)
    networks = tuple(_read_tag(match) for match in _TAG.finditer(prompt))
    if len(networks) > MAX_NETWORKS:
        raise PromptError(f"{len(networks)} adapters in one prompt; at most {MAX_NETWORKS}, so take some out")
    return Prompt(_tidy(_TAG.sub(" ", prompt)), networks, prompt)


def place_triggers(prompt: Prompt, triggers: Mapping[str, tuple[str, str]], *, strict: bool = False) -> str:
    """The prompt as it is used: tags taken out, and triggers put where they are missing.

    ``triggers`` maps a network's name to its trigger and class word. Where the trigger is absent as a whole word,
    ``trigger class_word`` takes the first tag's place; ``strict`` leaves the words as they were written.
    """
    placed: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        name = match[1].strip()
        if strict or name not in triggers or name in placed:
            return " "
        placed.add(name)
        trigger, class_word = triggers[name]
        return " " if _has_word(prompt.text, trigger) else f" {trigger} {class_word} "

    return _tidy(_TAG.sub(replace, prompt.written))


def _check_length(prompt: str) -> None:
    if not prompt.strip():
        raise PromptError("the prompt is empty; say what to draw, for example: a fox in a suit")
    if len(prompt) > MAX_PROMPT:
        raise PromptError(f"the prompt has {len(prompt):,} characters; at most {MAX_PROMPT:,}, so shorten it")


def _read_tag(match: re.Match[str]) -> Network:
    name, rest = match[1].strip(), match[2].split(":")[1:]
    if not name:
        raise PromptError(f"`{_short(match[0])}` names no adapter; write <lora:name:0.8>")
    if len(rest) > 2:
        raise PromptError(f"`{_short(match[0])}` has {len(rest)} weights; write <lora:{_short(name)}:0.8>")
    weights = [_read_weight(text.strip(), match[0], name) for text in rest]
    return Network("lora", name, weights[0] if weights else 1.0, weights[1] if len(weights) == 2 else None)


def _read_weight(text: str, tag: str, name: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and abs(weight) <= MAX_WEIGHT):
        raise PromptError(
            f"`{_short(tag)}` has the weight {_short(text) or 'nothing'}; use a number from -{MAX_WEIGHT:g} to "
            f"{MAX_WEIGHT:g}, for example <lora:{_short(name)}:0.8>"
        )
    return weight


def _short(text: str, longest: int = 40) -> str:
    """What a message of one sentence has room for."""
    flat = " ".join(text.split()).replace("`", "'")
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def _tidy(text: str) -> str:
    """Single spaces, none before a comma, and no comma left over where a tag stood."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+,", ",", text)
    text = re.sub(r",(?:\s*,)+", ",", text)
    return text.strip(" ,")
