"""What an adapter's metadata say to those who use it: trigger words, a weight, the base, a title. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

import msgspec

from bot.importing.found import Found
from trainer.contract.adapter_metadata import public_metadata

MOST_WORDS = 10
LONGEST_WORDS = 200  # characters of one: some models have whole phrases
LONGEST_TITLE = 100
_WEIGHT = re.compile(r"(?:weight|strength|lora)\D{0,16}?([01]?\.\d{1,2}|1(?:\.0)?)(?!\d)", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{8,64}")
_MOST_COMMON = 3  # words of the captions that are proposed


def with_notes(found: Found, metadata: Mapping[str, str], *, size_bytes: int) -> Found:
    """``found`` with what the metadata tell; of what is private the words that all captions share, as a proposal."""
    public = public_metadata(metadata)
    words = [public.get("darkroom.trigger", ""), public.get("modelspec.trigger_phrase", ""), *found.identity.bundled]
    base_hash = (public.get("darkroom.base_hash") or public.get("ss_new_sd_model_hash") or "").lower()
    return msgspec.structs.replace(
        found,
        trigger_words=clean_words(words),
        proposed_words=() if any(words) else clean_words(_common_words(metadata.get("ss_tag_frequency", ""))),
        weight=_weight(public.get("modelspec.usage_hint", "")),
        base_hash=base_hash if _HASH.fullmatch(base_hash) else None,
        title=clean(public.get("modelspec.title") or public.get("ss_output_name") or "", LONGEST_TITLE),
        size_bytes=size_bytes,
    )


def clean_words(words: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Each once, at most ten, and none with a character of the prompt's language that would change the rest."""
    plain = (clean(re.sub(r"[<>{}\[\]()|:\\`]", " ", word), LONGEST_WORDS) for word in words)
    return tuple(dict.fromkeys(filter(None, plain)))[:MOST_WORDS]


def clean(text: str, longest: int) -> str:
    """On one line, without what can't be seen, cut."""
    seen = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(seen.split())[:longest].strip()


def _weight(hint: str) -> float | None:
    """What a maker's hint recommends: "use at weight 0.8"."""
    found = _WEIGHT.search(hint)
    weight = float(found[1]) if found else 0.0
    return weight if 0 < weight <= 2 else None


def _common_words(frequencies: str) -> list[str]:
    """The tags that (nearly) every caption has, by sd-scripts' counts: {"10_thnos toy": {"thnos": 20, "a toy": 9}}."""
    try:
        sets = json.loads(frequencies)
    except (ValueError, RecursionError):
        return []
    counts: Counter[str] = Counter()
    for tags in sets.values() if isinstance(sets, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if isinstance(count, int) and not isinstance(count, bool):
                counts[tag] += count
    most = max(counts.values(), default=0)
    return [tag for tag, count in counts.most_common(_MOST_COMMON) if count >= 0.9 * most]
