"""A guild's own list of what may not be said: words, read as people read them, and regular expressions.

The expressions are RE2's: it needs time in proportion to the text and a fixed memory, whatever the expression, so none
can stop the bot. What it has not (look-around, back-references) is refused where an expression is added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import re2

from bot.decency.reading import LEAST_JOINED, Reading, fold, plain, read
from bot.errors import UserError, quoted
from bot.store.records import BlockedWord

LONGEST_PATTERN = 200
_MEMORY_BYTES = 2**20  # of a compiled expression and what it needs to search
_WORD = re.compile(r"[^\W_]+")


def read_word(written: str) -> str:
    """A word or phrase as it is kept. Raises UserError."""
    word = " ".join(fold(written).split())
    if not word or len(word) > LONGEST_PATTERN:
        raise UserError(
            f"{quoted(written)} can't be blocked: write a word or phrase of up to {LONGEST_PATTERN} letters."
        )
    return word


def read_regex(written: str) -> str:
    """A regular expression as it is kept. Raises UserError: too long, none, or one that every text holds."""
    pattern = written.strip()
    if len(pattern) > LONGEST_PATTERN:
        raise UserError(
            f"The expression has {len(pattern)} characters, and {LONGEST_PATTERN} are the most: make two of it."
        )
    try:
        compiled = _compile(pattern)
    except re2.error as error:
        reason = str(error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0])
        raise UserError(
            f"{quoted(written)} is no regular expression of RE2 ({reason}): look-around and back-references are not in"
            " it, so write the words themselves with `|` between them."
        ) from error
    if compiled.search("") is not None:
        raise UserError(
            f"{quoted(written)} is found in every text, so nothing could be said: ask for one letter at least."
        )
    return pattern


def find_blocked(words: Sequence[BlockedWord], texts: Iterable[str]) -> BlockedWord | None:
    """The first that is held by one of the texts; None: none is."""
    for text in dict.fromkeys(texts):
        reading = read(text)
        for word in words:
            if word.is_regex:
                found = any(
                    _compile(word.pattern).search(form) for form in (text, reading.folded, plain(reading.folded))
                )
            else:
                found = _holds(word.pattern, reading)
            if found:
                return word
    return None


def _holds(word: str, reading: Reading) -> bool:
    """Whether a text holds a word as a word; one of a script without spaces, anywhere."""
    parts = _WORD.findall(plain(word))
    if not parts or not plain(word).isascii():
        return word in reading.folded
    if any(f" {' '.join(parts)} " in f" {' '.join(line)} " for line in reading.lines):
        return True
    apart = len(parts) == 1 and len(word) >= LEAST_JOINED
    return apart and (parts[0] in reading.joined or any(parts[0] in run for run in reading.runs))


@lru_cache(maxsize=2_000)
def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    return re2.compile(pattern, options)
