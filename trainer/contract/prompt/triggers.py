"""Triggers: the words that adapters answer to."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trainer.contract.prompt.emphasis import BREAK, emphasise, read_emphasis
from trainer.contract.prompt.parsing import Prompt
from trainer.contract.prompt.tags import KINDS, TAG, read_tag, strip_comments


def find_words(text: str) -> list[str]:
    """The words of a prompt's text that may be triggers: in lower case, each once, in their order."""
    segments = (segment for segment in read_emphasis(text) if segment != BREAK)
    return list(dict.fromkeys(word for segment in segments for word in re.findall(r"[\w-]+", segment.text.lower())))


def place_triggers(
    prompt: Prompt,
    triggers: Mapping[str, tuple[str, str]],
    inversions: Mapping[str, str] | None = None,
    *,
    strict: bool = False,
) -> str:
    """The prompt as it is used: tags taken out, and triggers put where they are missing.

    ``triggers`` maps a network's name to its trigger and class word. Where the trigger is absent as a whole word,
    ``trigger class_word`` takes the first tag's place; ``strict`` leaves the words as they were written, to the comma.
    ``inversions`` maps the names of textual inversions to their triggers: each of their tags is nothing but the trigger
    with a weight, and nothing at all where it adds neither.
    """
    placed: set[str] = set()

    def words_for(match: re.Match[str]) -> str:
        name = match["arguments"].split(":")[0].strip()
        if match["kind"].lower() not in KINDS:
            return ""
        if inversions and name in inversions:
            weight = read_tag(match)[0].weight
            there = weight == 1 and _has_word(prompt.text, inversions[name])
            return "" if there else emphasise(inversions[name], weight)
        if strict or name not in triggers or name in placed:
            return ""
        placed.add(name)
        trigger, class_word = triggers[name]
        return "" if _has_word(prompt.text, trigger) else f"{trigger} {class_word}"

    used = _Text(tidy=not strict)
    written, end = strip_comments(prompt.written), 0
    for match in TAG.finditer(written):
        used.add(written[end : match.start()])
        used.add_in_place(words_for(match))
        end = match.end()
    used.add(written[end:])
    return used.finished()


class _Text:
    """A prompt whose tags are replaced one after the other."""

    def __init__(self, *, tidy: bool) -> None:
        self._tidy, self._text, self._at_tag = tidy, "", False

    def add(self, written: str) -> None:
        """What stands between two tags."""
        self._text = _join(self._text, written) if self._at_tag else self._text + written
        self._at_tag = self._at_tag and not written.strip()

    def add_in_place(self, words: str) -> None:
        """What takes a tag's place. Strictly, nothing moves where that is nothing."""
        if words:
            self._text = _join(self._text, words)
        self._at_tag = self._at_tag or bool(words) or self._tidy

    def finished(self) -> str:
        """On one line; a comma that only a tag stood behind is taken away."""
        text = self._text.rstrip(" ,") if self._at_tag and self._tidy else self._text
        return " ".join(text.split())


def _join(left: str, right: str) -> str:
    """A space between the two, none before a comma, and no comma left over."""
    left, right = left.rstrip(), right.lstrip()
    if right.startswith(",") and (not left or left.endswith(",")):
        right = right[1:].lstrip()
    return left + right if not left or not right or right.startswith(",") else f"{left} {right}"


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None
