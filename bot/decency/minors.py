"""What is refused always and everywhere: children and the young in a sexual context. Pure, and the same at every place.

Words for the young are fine by themselves, and so are words for nudity and sex where adults are meant. Together they
are refused, whatever the channel, the server or the member, and so are some words by themselves. All that says what a
picture is to be counts together: prompts, names of adapters, trigger and class words, captions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache

from bot.decency import terms
from bot.decency.ages import AGES, AGES_ANYWHERE
from bot.decency.reading import LEAST_JOINED, Reading, fold, plain, read
from bot.errors import UserError

_LONGEST_PHRASE = 6  # words
_TURNED = re.compile(r":\s*[-−]\s*[\d.]")  # a weight below zero turns what is wanted into what is not

_HARMLESS = terms.HARMLESS | {plain(fold(phrase)) for phrase in terms.HARMLESS}
_GLUED = {word for word in terms.MINORS | terms.SEXUAL | terms.NEVER if len(word) > 2 and word.isalpha()}


@dataclass(frozen=True)
class Found:
    """The first word of each kind that a text holds; None: none."""

    never: str | None = None
    minor: str | None = None
    sexual: str | None = None
    adult: str | None = None
    clothes: str | None = None


def check_words(wanted: Iterable[str], unwanted: Iterable[str] = ()) -> None:
    """``wanted``: all texts that say what is to be seen; ``unwanted``: negative prompts.

    What stands plainly in a negative prompt is what is not to be seen: ``nsfw`` there protects. Raises UserError.
    """
    positive, negative = tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted))
    found, against = look_at_all(positive), look_at_all(negative)
    turned = any(map(_TURNED.search, positive)), any(map(_TURNED.search, negative))
    _refuse(found.never or (against.never if turned[1] else None), None)
    minors = [found.minor, against.minor if turned[1] else None]
    sexual = [found.sexual, against.sexual if turned[1] else None]
    opposites = [against, *([found] if turned[0] else [])]
    if any(sexual):
        minors += [f"no {each.adult}" for each in opposites if each.adult]
    if any(minors):
        sexual += [f"no {each.clothes}" for each in opposites if each.clothes]
    minor, nude = next(filter(None, minors), None), next(filter(None, sexual), None)
    if minor is not None and nude is not None:
        _refuse(minor, nude)


def sexual_word(texts: Iterable[str]) -> str | None:
    """The first word for nudity or sex; None: there is none."""
    return look_at_all(texts).sexual


def look_at_all(texts: Iterable[str]) -> Found:
    """What texts hold together: the first word of each kind."""
    each = [look(text) for text in texts]
    names = [field.name for field in fields(Found)]
    return Found(**{name: next(filter(None, (getattr(found, name) for found in each)), None) for name in names})


@lru_cache(maxsize=512)
def look(text: str) -> Found:
    """What a text holds, read in all ways: 20 ms for one of 4,000 characters, and nothing when it comes again."""
    reading = _take_apart(read(text))
    return Found(
        never=_find(reading, terms.NEVER),
        minor=_age(reading) or _find(reading, terms.MINORS, terms.STEMS_MINORS, terms.MINORS_ANYWHERE),
        sexual=_find(reading, terms.SEXUAL, terms.STEMS_SEXUAL, terms.SEXUAL_ANYWHERE),
        adult=_find(reading, terms.ADULT),
        clothes=_find(reading, terms.CLOTHES),
    )


def _take_apart(reading: Reading) -> Reading:
    """With words that are two of the lists' written as one."""
    apart = [
        half
        for word in {word for line in reading.lines for word in line if len(word) > 5}
        for place in range(3, len(word) - 2)
        if word[:place] in _GLUED and word[place:] in _GLUED
        for half in (word[:place], word[place:])
    ]
    return replace(reading, joined=reading.joined.union(apart))


def _find(
    reading: Reading, words: frozenset[str], stems: tuple[str, ...] = (), anywhere: re.Pattern[str] | None = None
) -> str | None:
    for line in reading.lines:
        for phrase in _phrases(line):
            if phrase in words or (stems and phrase.startswith(stems)):
                return phrase
    found = next((word for word in sorted(reading.joined) if word in words), None)
    if found is None:
        long = [word for word in words if len(word) >= LEAST_JOINED and " " not in word]
        found = next((word for run in reading.runs for word in sorted(long) if word in run), None)
    if found is None and anywhere is not None and (match := anywhere.search(reading.folded)):
        found = match[0]
    return found


def _phrases(line: tuple[str, ...]) -> Iterable[str]:
    """One to six neighbours, without those that mean something else; the longest first."""
    place = 0
    while place < len(line):
        for length in range(min(_LONGEST_PHRASE, len(line) - place), 0, -1):
            phrase = " ".join(line[place : place + length])
            if phrase in _HARMLESS:
                place += length - 1
                break
            yield phrase
        place += 1


def _age(reading: Reading) -> str | None:
    for line in reading.lines:
        if match := AGES.search(" ".join(line)):
            return match[0].strip()
    match = AGES_ANYWHERE.search(reading.folded)
    return match[0] if match else None


def _refuse(minor: str | None, sexual: str | None) -> None:
    if minor is None:
        return
    if sexual is None:
        raise UserError(f"Nothing is drawn or learned here with `{minor}`, in any channel: leave it out.")
    raise UserError(
        f"`{minor}` together with `{sexual}` is refused in every channel, for nobody young is shown that way here:"
        " leave one of them out, or write `woman` or `man` where adults are meant."
    )
