"""Settings as members read and copy them: in code blocks, and as files what is longer than a message."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.errors import quoted
from trainer.contract import looks
from trainer.contract.infotext import Infotext

LONGEST_SHOWN = 1_900  # of a message's 2,000 characters


@dataclass(frozen=True)
class Described:
    """One picture's settings, under a heading; no settings: the heading says why."""

    heading: str
    text: str = ""


def of_picture(filename: str, found: Infotext) -> Described:
    """What was read out of a file."""
    program = f", by {looks.plain(found.source)}" if found.source else ""
    return Described(f"{quoted(filename)}{program}:", found.text)


def message(parts: Sequence[Described]) -> tuple[str, list[discord.File]]:
    """The words of one message, and the files of what it has no room for."""
    words: list[str] = []
    files: list[discord.File] = []
    left = LONGEST_SHOWN - sum(len(part.heading) + 12 for part in parts)
    for number, part in enumerate(parts, 1):
        if part.heading:
            words.append(part.heading)
        if part.text and len(part.text) <= left and "```" not in part.text:
            words.append(f"```\n{part.text}\n```")
            left -= len(part.text)
        elif part.text:
            name = "settings.txt" if len(parts) == 1 else f"settings-{number}.txt"
            files.append(discord.File(io.BytesIO(part.text.encode()), name))
    return "\n".join(words), files
