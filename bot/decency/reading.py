"""One text, read in all the ways in which people read it: without what hides words from a list. Pure.

What is undone: case, compatibility forms and accents (UAX #15), letters that look alike (UTS #39), what can't be seen,
digits and signs in the place of letters, letters apart and words cut in two, letters repeated, words backwards, and the
prompt language's own brackets and weights.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from bot.decency.confusables import LATIN, LEET, SIGNS

_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5")  # letters or marks by name, and invisible
_WEIGHT = re.compile(r":\s*[-+]?[\d.]+(?=\s*[)\]>])")
_ENDS = re.compile(r"[!?.,;:)\]}]+(?=\s|$)")  # signs that end words rather than stand for letters
_WORD = re.compile(r"[^\W\d_]+|\d+")
_REPEATED = re.compile(r"([^\W\d])\1{2,}")
LEAST_JOINED = 4  # letters of a word that is put together out of parts


@dataclass(frozen=True)
class Reading:
    """A text as it can be read."""

    folded: str  # in its own script, with its accents: for scripts that put no spaces between words
    lines: tuple[tuple[str, ...], ...]  # its words, once for each way to read them
    joined: frozenset[str]  # words put together out of two or three parts, or read backwards
    runs: tuple[str, ...]  # letters that stood apart, put together


def read(text: str) -> Reading:
    """Read ``text`` in all ways."""
    folded = fold(text)
    latin = plain(folded)
    unweighted = _WEIGHT.sub("", latin)
    lines = [_words(folded), _words(latin)]
    for clean in dict.fromkeys((_ENDS.sub(" ", unweighted), unweighted)):
        for table in (LEET, LEET | {ord("1"): "l"}):
            leet = _unleet(clean, table)
            lines += [_words(leet), tuple(filter(None, ("".join(_WORD.findall(part)) for part in leet.split())))]
    lines = list(dict.fromkeys(lines))
    return Reading(
        folded=folded,
        lines=tuple(dict.fromkeys(lines + [squeezed for line in lines for squeezed in _squeeze(line)])),
        joined=frozenset(word for line in lines for word in _join(line)),
        runs=tuple(dict.fromkeys(run for line in lines for run in _runs(line))),
    )


def fold(text: str) -> str:
    """Compatibility forms and case undone, what can't be seen taken out, digits of all scripts as ASCII."""
    shown = unicodedata.normalize("NFKC", text.translate(SIGNS)).casefold()
    return unicodedata.normalize("NFC", "".join(map(_shown, shown)))


def _shown(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else " "
    category = unicodedata.category(character)
    if category.startswith("Z"):
        return " "
    if category in {"Cf", "Cc", "Co", "Cn", "Cs"} or character in _BLANK or "\ufe00" <= character <= "\ufe0f":
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    return character


def plain(folded: str) -> str:
    """What was folded without accents, in Latin letters where others look like them."""
    apart = unicodedata.normalize("NFKD", folded)
    return "".join(character for character in apart if not unicodedata.combining(character)).translate(LATIN)


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text))


def _unleet(text: str, table: dict[int, str]) -> str:
    """Signs as letters, in words that have letters of their own; numbers stay numbers."""
    return " ".join(part.translate(table) if any(map(str.isalpha, part)) else part for part in text.split())


def _squeeze(line: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Letters that stand three times or more: once, and twice."""
    if not any(map(_REPEATED.search, line)):
        return []
    return [tuple(_REPEATED.sub(times, word) for word in line) for times in (r"\1", r"\1\1")]


def _join(line: tuple[str, ...]) -> set[str]:
    """Two or three neighbours as one word, and words backwards."""
    twos = {first + second for first, second in pairwise(line)}
    threes = {"".join(parts) for parts in zip(line, line[1:], line[2:], strict=False)}
    backwards = {word[::-1] for word in line if len(word) >= LEAST_JOINED}
    return {word for word in twos | threes | backwards if len(word) >= LEAST_JOINED}


def _runs(line: tuple[str, ...]) -> list[str]:
    """Three or more single letters in a row."""
    runs, run = [], ""
    for word in (*line, ""):
        if len(word) == 1:
            run += word.translate(LEET)
            continue
        if len(run) >= 3:
            runs.append(run)
        run = ""
    return runs
