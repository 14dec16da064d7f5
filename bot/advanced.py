"""The `advanced` option of /train: `key: value` lines, read into a recipe and written back."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from bot.errors import UserError, quoted
from bot.recipes import SETTINGS, Setting, check_method
from trainer.contract.requests import Method, Preset, Recipe

_PAIR = re.compile(r"([^:=]*)[:=](.*)", re.DOTALL)
_KEYS = {name: setting for setting in SETTINGS for name in (setting.key, *setting.aliases)}
# a comma ends a pair where a key follows, so that numbers and captions may hold commas
_KNOWN = "|".join(re.escape(name).replace("_", "[ _-]") for name in _KEYS)
_COMMA = re.compile(rf",(?= ?(?:{_KNOWN}|[a-z][\w-]{{0,39}}) ?[:=])", re.IGNORECASE)
_EXAMPLES = "`steps`, `rank`, `learning_rate` or `captions`"


def read_advanced(text: str, *, method: Method | None = None, preset: Preset | None = None) -> Recipe:
    """The recipe that the pairs say: one a line, or with ``;`` or ``,`` between them.

    ``method`` and ``preset`` are those chosen beside the text, None if none was. Raises UserError: it names the first
    line that is wrong, what is wrong with it and the way out, and says how many more there are.
    """
    recipe = Recipe()
    faults: list[tuple[int, str]] = []
    given: dict[str, tuple[int, Setting]] = {}
    for number, line in enumerate(_lines(text), 1):
        try:
            setting, value = _read(line)
            if (said := {"method": method, "preset": preset}.get(setting.key)) is not None and said != value:
                raise UserError(f"{setting.key} is `{value}` here and `{said}` in the option: leave one out.")
            if setting.key in given:
                raise UserError(f"{setting.key} is set in line {given[setting.key][0]} already: leave one out.")
            given[setting.key] = (number, setting)
            recipe = msgspec.structs.replace(recipe, **_fields(setting, value))
        except UserError as error:
            faults.append((number, error.message))
    chosen = {key: value for key, value in (("method", method), ("preset", preset)) if value is not None}
    recipe = msgspec.structs.replace(recipe, **chosen)
    for number, setting in given.values():
        try:
            check_method(setting, recipe)
        except UserError as error:
            faults.append((number, error.message))
    if faults:
        raise _refusal(sorted(faults))
    return recipe


def write_advanced(recipe: Recipe) -> str:
    """The recipe as lines that :func:`read_advanced` takes: method and preset, then all that is not left open."""
    rows: list[tuple[str, object]] = []
    for setting in SETTINGS:
        value = getattr(recipe, setting.field)
        if setting.key == "captions" and recipe.caption_template is not None:
            value = recipe.caption_template
        if value is not None:
            rows.append((setting.key, value))
    return "\n".join(f"{key}: {_written(value)}" for key, value in rows)


def _lines(text: str) -> Iterator[str]:
    for line in re.split(r"[\n\r;]", text):
        plain = " ".join("".join(letter if letter.isprintable() else " " for letter in line).split())
        yield from filter(None, (pair.strip(" ,") for pair in _COMMA.split(plain)))


def _read(line: str) -> tuple[Setting, Any]:
    """The setting that a line names, and its value. Raises UserError."""
    pair = _PAIR.fullmatch(line)
    if pair is None:
        raise UserError(f"{quoted(line)} sets nothing: write a key and a value, for example `steps: 800`.")
    setting = _setting(pair[1])
    written = pair[2].strip(" ,\"'`")
    try:
        value = setting.read(written)
    except ValueError as error:
        raise UserError(f"{setting.key} {error}, got {quoted(written) if written else 'nothing'}.") from error
    setting.check(value)
    return setting, value


def _setting(written: str) -> Setting:
    """The setting of this key or alias. Raises UserError with the nearest ones."""
    key = re.sub(r"[\s-]+", "_", written.strip().strip("\"'`*").lstrip("-").strip().lower())
    if key in _KEYS:
        return _KEYS[key]
    near = dict.fromkeys(_KEYS[name].key for name in difflib.get_close_matches(key[:60], _KEYS, n=3))
    meant = " or ".join(f"`{name}`" for name in near)
    way_out = f"did you mean {meant}?" if near else f"take one such as {_EXAMPLES}."
    raise UserError(f"There is no setting {quoted(written)}: {way_out}")


def _fields(setting: Setting, value: Any) -> dict[str, Any]:
    if setting.key == "captions" and "{}" in value:
        return {"captions": "template", "caption_template": value}
    return {setting.field: value}


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value!r}".removesuffix(".0") if isinstance(value, float) else str(value)


def _refusal(faults: list[tuple[int, str]]) -> UserError:
    """One sentence for all faults: the first, and how many there are besides."""
    number, message = faults[0]
    more = len(faults) - 1
    if more:
        besides = "one more line is wrong, too" if more == 1 else f"{more} more lines are wrong, too"
        message = f"{message[:-1]} ({besides}){message[-1]}"
    return UserError(f"`advanced`, line {number}: {message}")
