"""Emphasis: which words weigh how much, as A1111's ``parse_prompt_attention`` reads them.

``(x)`` ×1.1, ``[x]`` ÷1.1, ``(x:1.3)``, and ``\\(`` for the character itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from trainer.contract.prompt.errors import MAX_EMPHASIS, PromptError, short

ROUND, SQUARE = 1.1, 1 / 1.1  # what a pair of brackets multiplies by
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
_BREAK = re.compile(r"\s*\bBREAK\b\s*")
_LIKE_A_WEIGHT = re.compile(r": \s* (?! [+-]? (?: \d+\.?\d* | \.\d+ ) \s* \) ) [+-]? [.\d]+ \s* \)", re.VERBOSE)


@dataclass(frozen=True)
class Segment:
    """Words that all weigh the same."""

    text: str
    weight: float = 1.0


BREAK = Segment("BREAK", -1.0)  # among segments: what follows begins a chunk of its own; it is no word


@dataclass
class _Reading:
    """Text in pieces, what each weighs, and the brackets that are open: where in the pieces."""

    pieces: list[str]
    weights: list[float]
    opened: dict[str, list[int]]
    ignored: list[str]

    def add(self, piece: str, weight: float = 1.0) -> None:
        self.pieces.append(piece)
        self.weights.append(weight)

    def add_words(self, words: str) -> None:
        """Text in which BREAK may stand."""
        for index, part in enumerate(_BREAK.split(words)):
            if index:
                self.add(BREAK.text, BREAK.weight)
            self.add(part)

    def weigh(self, start: int, factor: float) -> None:
        self.weights[start:] = [weight * factor for weight in self.weights[start:]]


def read_emphasis(text: str) -> tuple[Segment, ...]:
    """A text without tags by the weights of its words, as A1111's ``parse_prompt_attention`` reads it.

    Round and square brackets are matched apart from each other; what is never closed reaches to the end, what was never
    opened is text. Neighbours of equal weight are one segment; an empty text is one, too. BREAK is the segment
    :data:`BREAK`, but inside of brackets a word, as there it weighs something else. A weight that is no number is text,
    where A1111 stops with an error. Raises :class:`PromptError`: more than MAX_EMPHASIS.
    """
    reading = _read(text)
    runs = groupby(zip(reading.weights, reading.pieces, strict=True), key=lambda pair: pair[0])
    return tuple(Segment("".join(piece for _, piece in run), weight) for weight, run in runs) or (Segment(""),)


def find_repairs(text: str) -> tuple[str, ...]:
    """What :func:`read_emphasis` makes of broken input, a sentence each. Raises :class:`PromptError` as it does."""
    reading = _read(text)
    repairs = list(reading.ignored)
    for bracket, closing in (("(", ")"), ("[", "]")):
        if reading.opened[bracket]:
            repairs.append(
                f"`{bracket}` is never closed, so it reaches to the end; write `{closing}`, or `\\{bracket}`."
            )
    repairs += [
        f"`{short(match[0])}` is no weight, so it is text; write `:1.3)`." for match in _LIKE_A_WEIGHT.finditer(text)
    ]
    pairs = zip(reading.pieces, reading.weights, strict=True)
    if any(piece == BREAK.text and weight != BREAK.weight for piece, weight in pairs):
        repairs.append("BREAK inside of brackets is a word like any other; take it out of them to begin a new chunk.")
    return tuple(dict.fromkeys(repairs))


def emphasise(text: str, weight: float) -> str:
    """``text`` so that :func:`read_emphasis` reads it with this weight."""
    escaped = re.sub(r"([\\()\[\]])", r"\\\1", text)
    return escaped if weight == 1 else f"({escaped}:{weight:.6f}".rstrip("0").rstrip(".") + ")"


def _read(text: str) -> _Reading:
    reading = _Reading([], [], {"(": [], "[": []}, [])
    opened = reading.opened
    for match in _PIECE.finditer(text):
        piece = match[0]
        if match["escaped"] is not None:
            reading.add(match["escaped"])
        elif piece in opened:
            opened[piece].append(len(reading.pieces))
        elif piece.endswith(")") and opened["("]:
            reading.weigh(opened["("].pop(), float(match["weight"] or ROUND))
        elif piece == "]" and opened["["]:
            reading.weigh(opened["["].pop(), SQUARE)
        else:
            if piece.endswith((")", "]")):
                reading.ignored.append(f"`{piece[-1]}` was never opened, so it is text; `\\{piece[-1]}` says so.")
            reading.add_words(piece)
    for bracket, factor in (("(", ROUND), ("[", SQUARE)):
        for start in opened[bracket]:
            reading.weigh(start, factor)
    _check(reading)
    return reading


def _check(reading: _Reading) -> None:
    for piece, weight in zip(reading.pieces, reading.weights, strict=True):
        if not abs(weight) <= MAX_EMPHASIS:  # nan is not, either
            raise PromptError(
                f"the brackets give `{short(piece)}` the weight {weight:,.4g}; at most {MAX_EMPHASIS:g}, for example"
                f" `({short(piece)}:1.3)`"
            )
