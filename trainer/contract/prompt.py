"""The prompt language: what a member writes, taken apart. Pure text; no torch, no Discord.

A network tag is A1111's: ``<lora:name>``, ``<lora:name:weight>`` or ``<lora:name:unet:te>``; another member's adapter
is written ``<lora:ada/thnos:0.8>``. ``<ti:name>`` is the house's own, for textual inversions. Emphasis is A1111's, too:
``(x)`` ×1.1, ``[x]`` ÷1.1, ``(x:1.3)``, and ``\\(`` for the character itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

MAX_PROMPT = 2_000  # characters; a Discord message holds no more, so every prompt can be given back
MAX_WEIGHT = 5.0
MAX_NETWORKS = 8
ROUND, SQUARE = 1.1, 1 / 1.1  # what a pair of brackets multiplies by
MAX_EMPHASIS = 100.0  # beyond it pictures are noise, and from 1e38 on no numbers at all
_TAG = re.compile(r"<(?P<kind>lora|ti):(?P<name>[^:<>]*)(?P<weights>(?::[^:<>]*)*)>", re.IGNORECASE)
_PIECE = re.compile(
    r"""
      \\ (?P<escaped> [()\[\]\\]? )  # a lone backslash is dropped
    | [(\[\]]
    | (?: : \s* (?P<weight> [+-]? (?: \d+\.?\d* | \.\d+ ) ) \s* )? \)
    | [^\\()\[\]:]+
    | :
    """,
    re.VERBOSE,
)


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
class Segment:
    """Words that all weigh the same."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Prompt:
    """``text`` without tags, taken apart into ``segments`` by emphasis, and the networks in their order.

    ``written`` is what was parsed.
    """

    text: str
    segments: tuple[Segment, ...]
    networks: tuple[Network, ...]
    written: str


def parse(prompt: str) -> Prompt:
    """Take a prompt apart. Raises :class:`PromptError`."""
    _check_length(prompt)
    networks = tuple(_read_tag(match) for match in _TAG.finditer(prompt))
    if len(networks) > MAX_NETWORKS:
        raise PromptError(f"{len(networks)} adapters in one prompt; at most {MAX_NETWORKS}, so take some out")
    text = _tidy(_TAG.sub(" ", prompt))
    return Prompt(text, read_emphasis(text), networks, prompt)


def read_emphasis(text: str) -> tuple[Segment, ...]:
    """A text without tags by the weights of its words, as A1111's ``parse_prompt_attention`` reads it.

    Round and square brackets are matched apart from each other; what is never closed reaches to the end, what was never
    opened is text. Neighbours of equal weight are one segment; an empty text is one, too. A weight that is no number is
    text, where A1111 stops with an error. Raises :class:`PromptError`: more than MAX_EMPHASIS.
    """
    pieces: list[str] = []
    weights: list[float] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}  # where in the pieces

    def add(piece: str) -> None:
        pieces.append(piece)
        weights.append(1.0)

    def weigh(start: int, factor: float) -> None:
        weights[start:] = [weight * factor for weight in weights[start:]]

    for match in _PIECE.finditer(text):
        piece = match[0]
        if match["escaped"] is not None:
            add(match["escaped"])
        elif piece in opened:
            opened[piece].append(len(pieces))
        elif piece.endswith(")") and opened["("]:
            weigh(opened["("].pop(), float(match["weight"] or ROUND))
        elif piece == "]" and opened["["]:
            weigh(opened["["].pop(), SQUARE)
        else:
            add(piece)
    for bracket, factor in (("(", ROUND), ("[", SQUARE)):
        for start in opened[bracket]:
            weigh(start, factor)
    _check_emphasis(pieces, weights)
    runs = groupby(zip(weights, pieces, strict=True), key=lambda pair: pair[0])
    return tuple(Segment("".join(piece for _, piece in run), weight) for weight, run in runs) or (Segment(""),)


def emphasise(text: str, weight: float) -> str:
    """``text`` so that :func:`read_emphasis` reads it with this weight."""
    escaped = re.sub(r"([\\()\[\]])", r"\\\1", text)
    return escaped if weight == 1 else f"({escaped}:{weight:.6f}".rstrip("0").rstrip(".") + ")"


def find_words(text: str) -> list[str]:
    """The words of a prompt's text that may be triggers: in lower case, each once, in their order."""
    words = (word for segment in read_emphasis(text) for word in re.findall(r"[\w-]+", segment.text.lower()))
    return list(dict.fromkeys(words))


def place_triggers(
    prompt: Prompt,
    triggers: Mapping[str, tuple[str, str]],
    inversions: Mapping[str, str] | None = None,
    *,
    strict: bool = False,
) -> str:
    """The prompt as it is used: tags taken out, and triggers put where they are missing.

    ``triggers`` maps a network's name to its trigger and class word. Where the trigger is absent as a whole word,
    ``trigger class_word`` takes the first tag's place; ``strict`` leaves the words as they were written. ``inversions``
    maps the names of textual inversions to their triggers: each of their tags is nothing but the trigger with a weight,
    and nothing at all where it adds neither.
    """
    placed: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        name = match["name"].strip()
        if inversions and name in inversions:
            weight = _read_tag(match).weight
            there = weight == 1 and _has_word(prompt.text, inversions[name])
            return " " if there else f" {emphasise(inversions[name], weight)} "
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
    name, rest = match["name"].strip(), match["weights"].split(":")[1:]
    if not name:
        raise PromptError(f"`{_short(match[0])}` names no adapter; write <lora:name:0.8>")
    if len(rest) > 2:
        raise PromptError(f"`{_short(match[0])}` has {len(rest)} weights; write <lora:{_short(name)}:0.8>")
    weights = [_read_weight(text.strip(), match[0], name) for text in rest]
    return Network(
        match["kind"].lower(), name, weights[0] if weights else 1.0, weights[1] if len(weights) == 2 else None
    )


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


def _check_emphasis(pieces: list[str], weights: list[float]) -> None:
    for piece, weight in zip(pieces, weights, strict=True):
        if not abs(weight) <= MAX_EMPHASIS:  # nan is not, either
            raise PromptError(
                f"the brackets give `{_short(piece)}` the weight {weight:,.4g}; at most {MAX_EMPHASIS:g}, for example"
                f" `({_short(piece)}:1.3)`"
            )


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
