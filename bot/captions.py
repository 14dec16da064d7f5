"""Captions that a member writes in a form: a line a photo, read strictly."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.archives import LONGEST_CAPTION
from bot.errors import UserError, quoted
from bot.orders import TrainOrder
from bot.photos import is_zip

_LINE = re.compile(r"([0-9]{1,6})(?![0-9])\s*(.*)")
_SHOWN = 40  # of a file's name


def check_form(order: TrainOrder) -> None:
    """Whether there can be a form for the captions of this order. Raises UserError."""
    if not order.uploads:
        raise UserError(
            "`write_captions` needs the photos in the command, for its form lists them: attach 3 to 10, or leave it"
            " out."
        )
    if is_zip(order.uploads[0]):
        raise UserError(
            "`write_captions` is for attached photos: in a zip the captions lie beside them, as `cat.txt` beside"
            " `cat.jpg`."
        )
    if order.recipe.captions not in {None, "photo", "captioner"}:
        raise UserError(
            f"`write_captions` does nothing where `advanced` says `captions: {order.recipe.captions}`: leave one out."
        )


def captions_form(filenames: Sequence[str]) -> str:
    """What stands in the form before anything is written: the number and the name of each photo."""
    return "\n".join(f"{number} {_named(filename)}: " for number, filename in enumerate(filenames, 1))


def read_captions(text: str, filenames: Sequence[str]) -> tuple[str | None, ...]:
    """What was written for each photo, None where nothing was.

    A line begins with the photo's number, its name may follow in brackets, and then a colon.
    Raises UserError: a line without a number, a photo that is not there or has two captions, a caption too long.
    """
    captions: dict[int, str] = {}
    for line in filter(None, (" ".join(line.split()) for line in text.splitlines())):
        number, caption = _read(line, filenames)
        if number in captions:
            raise UserError(f"Photo {number} has two captions: leave one out.")
        if len(caption) > LONGEST_CAPTION:
            raise UserError(
                f"The caption of photo {number} has {len(caption):,} characters, and {LONGEST_CAPTION} are the most:"
                " shorten it."
            )
        captions[number] = caption
    return tuple(captions.get(number) or None for number in range(1, len(filenames) + 1))


def _read(line: str, filenames: Sequence[str]) -> tuple[int, str]:
    """A photo's number and its caption. Raises UserError."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise UserError(f"{quoted(line)} says no photo: begin each line with a number, as in `1: at the beach`.")
    number, rest = int(found[1]), found[2]
    if not 1 <= number <= len(filenames):
        raise UserError(
            f"There is no photo {number:,} to put {quoted(rest.lstrip(': ') or line)} under: {len(filenames)} photos"
            f" were attached, so use the numbers 1 to {len(filenames)}."
        )
    rest = rest.removeprefix(_named(filenames[number - 1])).lstrip()
    named = re.match(r"\([^()]*\)\s*(?=[:.\-)])", rest)  # a name that was changed
    rest = rest[named.end() :] if named else rest
    if rest[:1] and rest[0] not in ":.-)":
        raise UserError(f"{quoted(line)} has no colon: write it as in `{number}: at the beach`.")
    return number, "".join(letter for letter in rest[1:] if letter.isprintable()).strip()


def _named(filename: str) -> str:
    flat = " ".join(filename.split())
    return f"({flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + '…'})"
