"""A1111's text form of a picture's settings, which PNGs carry and people paste.

::

    a fox in a suit, <lora:thnos:0.8>
    Negative prompt: rain, fog
    Steps: 25, Sampler: DPM++ 2M, CFG scale: 7, Seed: 42, Size: 512x768, Model: sd15

Written as ``create_infotext`` of A1111's ``modules/processing.py`` does and read by the rules of
``parse_generation_parameters`` in its ``modules/infotext_utils.py``; what its extensions and Civitai add is read, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

MAX_INFOTEXT = 100_000  # characters; what programs write has some thousands, with every resource of Civitai's named
LEAST_PAIRS = 3  # of a last line that holds settings and no prompt, in A1111

HIRES_STRENGTH = "Hires denoising strength"  # ours: of a second pass, where "Denoising strength" is the first one's

_KEY = re.compile(r"(\w[\w \-/]{1,99}):\s*")  # A1111 knows no longest key; a bound keeps the time linear
_QUOTED = re.compile(r'("(?:\\.|[^\\"])+")\s*(?=,|$)')
_NEGATIVE = "Negative prompt:"
_GUARDED = re.compile(rf"\\*{_NEGATIVE}")
_GUARDED_LINES = re.compile(rf"^(?={_GUARDED.pattern})", re.MULTILINE)
_TEMPLATE = re.compile(r"^((?:Negative )?Template): ?", re.MULTILINE)  # of sd-dynamic-prompts, below the settings
_RAW_JSON = json.JSONDecoder().raw_decode
_BARE = frozenset({  # keys that make a line one of settings, however few there are
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Model hash", "VAE", "Clip skip",
    "Denoising strength", "Variation seed", "Variation seed strength", "Version",
})  # fmt: skip


class Infotext(msgspec.Struct, frozen=True):
    """A picture's settings. ``settings`` are under A1111's keys, in their order; those it does not know are kept.

    ``source`` is the program that made the picture, as far as its settings say so.
    """

    prompt: str = ""
    negative_prompt: str = ""
    settings: dict[str, str] = {}
    source: str = ""

    @property
    def text(self) -> str:
        """As A1111 would have written it."""
        return write(self.prompt, self.negative_prompt, self.settings)


def write(prompt: str, negative_prompt: str, settings: Mapping[str, str | int | float]) -> str:
    """The text form. :func:`read` gives back the same prompts, and the settings as texts, if there are three or more.

    Blanks at the ends of lines are dropped, as A1111 does. A line of a prompt that begins like the negative prompt gets
    a backslash in front, which A1111's prompts drop as well. Keys are words of two characters or more.
    """
    pairs = ", ".join(f"{key}: {_quote(value)}" for key, value in settings.items())
    negative = _guard(negative_prompt)
    parts = (_guard(prompt), f"{_NEGATIVE} {negative}" if negative else "", pairs.strip())
    return "\n".join(part for part in parts if part)


def read(text: str) -> Infotext:
    """Take a text form apart. What holds no settings is all prompt; nothing raises.

    The last line is one of settings if it holds three pairs ``Key: value`` or more, as in A1111; or if all it holds are
    pairs that A1111 writes, for people delete what they do not need.
    """
    lines = _lines(text[:MAX_INFOTEXT])
    settings: dict[str, str] = {}
    if _holds_settings(lines[-1]):
        settings = dict(_read_pairs(lines.pop()))
    elif (found := _find_settings_above_templates(lines)) is not None:
        settings = dict(_read_pairs(lines[found])) | _read_templates(lines[found + 1 :])
        del lines[found:]
    prompt, negative_prompt = _read_prompts(lines)
    return Infotext(prompt, negative_prompt, settings, _source_of(settings) if settings else "")


def read_pairs(line: str) -> dict[str, str]:
    """The settings of one line, however few there are, and whatever else it says."""
    return dict(_read_pairs(_lines(line[:MAX_INFOTEXT])[-1]))


def sound(text: str) -> str:
    """``text`` without what no message may hold: NUL, and halves of surrogate pairs."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _lines(text: str) -> list[str]:
    """Lines without blanks at their ends, whichever system wrote them; none is empty at the top or the bottom."""
    lines = sound(text).replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    return [line.strip() for line in lines]


# -- writing ----------------------------------------------------------------------------------------------------------


def _quote(value: str | int | float) -> str:
    """A value as it stands in the line of settings: in JSON's quotes where it would not be read back without."""
    text = repr(value).removesuffix(".0") if isinstance(value, float) else sound(str(value))
    plain = text == text.strip() and not text.startswith(('"', "[", "{")) and not any(c in text for c in ",:\n\r")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _guard(prompt: str) -> str:
    return _GUARDED_LINES.sub(r"\\", "\n".join(_lines(prompt)))


# -- reading ----------------------------------------------------------------------------------------------------------


def _holds_settings(line: str) -> bool:
    pairs = list(_read_pairs(line))
    return len(pairs) >= LEAST_PAIRS or (
        bool(pairs) and line.startswith(pairs[0][0]) and all(key in _BARE for key, _ in pairs)
    )


def _find_settings_above_templates(lines: list[str]) -> int | None:
    """The number of the line of settings that templates follow, or None."""
    for number in range(len(lines) - 2, -1, -1):
        if _TEMPLATE.match(lines[number + 1]) and _holds_settings(lines[number]):
            return number
    return None


def _read_templates(lines: list[str]) -> dict[str, str]:
    _, *found = _TEMPLATE.split("\n".join(lines))
    return {key: value.strip() for key, value in zip(found[::2], found[1::2], strict=True)}


def _read_prompts(lines: list[str]) -> tuple[str, str]:
    """The prompt, and the negative prompt, each over as many lines as it takes."""
    prompts: tuple[list[str], list[str]] = [], []
    negative = False
    for line in lines:
        begins = line.startswith(_NEGATIVE)
        negative = negative or begins
        words = line.removeprefix(_NEGATIVE).strip() if begins else line
        prompts[negative].append(words[1:] if words.startswith("\\") and _GUARDED.match(words) else words)
    return "\n".join(prompts[0]).strip(), "\n".join(prompts[1]).strip()


def _read_pairs(line: str) -> Iterator[tuple[str, str]]:
    end = 0
    while (match := _KEY.search(line, end)) is not None:
        value, end = _read_value(line, match.end())
        yield match[1].strip(), value


def _read_value(line: str, start: int) -> tuple[str, int]:
    """A value and where it ends: quoted as JSON, or JSON as Civitai writes it without quotes, or up to the comma."""
    if (match := _QUOTED.match(line, start)) is not None:
        return _unquote(match[1]), match.end()
    if line.startswith(("[", "{"), start):
        try:
            end = _RAW_JSON(line, start)[1]
        except (ValueError, RecursionError):
            pass
        else:
            if line[end : end + 1] in {"", ","}:
                return line[start:end], end
    end = line.find(",", start)
    end = len(line) if end < 0 else end
    return _unquote(line[start:end].strip()), end


def _unquote(text: str) -> str:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return sound(value) if isinstance(value, str) else text


def _source_of(settings: Mapping[str, str]) -> str:
    """Which program writes such settings."""
    version = settings.get("Version", "")
    if version.startswith("Darkroom"):
        return "Darkroom"
    if any(key.startswith("Civitai") for key in settings):
        return "Civitai"
    for program in ("ComfyUI", "Fooocus"):
        if version.startswith(program):
            return program
    if re.match(r"f\d", version):
        return "Forge"
    return "SD.Next" if settings.get("App") == "SD.Next" else "A1111"
