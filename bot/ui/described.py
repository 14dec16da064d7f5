"""Settings as members read and copy them: in code blocks, and as files what is longer than a message."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.errors import quoted
from bot.store.records import Picture
from bot.ui import cards
from trainer.contract import looks
from trainer.contract.infotext import Infotext

FILE = "settings.txt"
_BLOCK = re.compile(r"^```\n(.+?)\n```$", re.DOTALL | re.MULTILINE)
LONGEST_SHOWN = 1_900  # of a message's 2,000 characters


@dataclass(frozen=True)
class Described:
    """Settings under a heading, and what else is to be said below; no settings: the heading says why."""

    heading: str
    text: str = ""
    below: str = ""


def of_picture(filename: str, found: Infotext) -> Described:
    """What was read out of a file."""
    program = f", by {looks.plain(found.source)}" if found.source else ""
    return Described(f"{quoted(filename)}{program}:", found.text)


def of_pictures(pictures: Sequence[Picture], heading: str = "") -> Described:
    """Those of a job's pictures, which differ in their seeds: the first one's."""
    return Described(heading, pictures[0].parameters, cards.seeds(pictures))


def find_text(message: discord.Message) -> str | None:
    """The settings that :func:`message` has put into a block; None where they are a file, or none, or several."""
    found: list[str] = _BLOCK.findall(message.content)
    return found[0] if len(found) == 1 else None


def message(parts: Sequence[Described]) -> tuple[str, list[discord.File]]:
    """The words of one message, and the files of what it has no room for."""
    words: list[str] = []
    files: list[discord.File] = []
    left = LONGEST_SHOWN - sum(looks.units(part.heading) + looks.units(part.below) + 13 for part in parts)
    for number, part in enumerate(parts, 1):
        if part.heading:
            words.append(part.heading)
        if part.text and looks.units(part.text) <= left and "```" not in part.text:
            words.append(f"```\n{part.text}\n```")
            left -= looks.units(part.text)
        elif part.text:
            name = FILE if len(parts) == 1 else f"settings-{number}.txt"
            files.append(discord.File(io.BytesIO(part.text.encode()), name))
        if part.below:
            words.append(part.below)
    return "\n".join(words), files
