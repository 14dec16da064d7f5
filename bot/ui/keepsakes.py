"""What is said of what places keep for prompts: lists."""

from __future__ import annotations

import io
from collections.abc import Sequence

import discord
from discord import app_commands

from bot.store.records import Wildcard
from bot.ui.cards import fitting
from bot.ui.choices import MOST
from trainer.contract import looks

_LONGEST_MESSAGE = 1_900  # of Discord's 2,000 characters
_LONGEST_DESCRIPTION = 4_096


def list_kept(wildcard: Wildcard) -> str:
    """A list was made or changed."""
    return f"`__{wildcard.name}__` has {_lines(wildcard)} now. In a prompt it is one of them, another with each seed."


def list_shown(wildcard: Wildcard) -> tuple[str, list[discord.File]]:
    """A message with all lines; a file where they are longer than one."""
    return _with_lines(f"`__{wildcard.name}__`, made by {looks.plain(wildcard.owner_name)}:", wildcard)


def list_deleted(wildcard: Wildcard) -> tuple[str, list[discord.File]]:
    """A list is gone, and what stood in it."""
    return _with_lines(f"`__{wildcard.name}__` is deleted. This stood in it:", wildcard)


def lists(kept: Sequence[Wildcard]) -> discord.Embed:
    """All lists of a place."""
    text = "None yet: make one with `/wildcard set`, and write `__its-name__` in a prompt."
    if kept:
        lines = [
            f"`__{each.name}__` · {_lines(each)} · {looks.one_line(', '.join(each.lines[:3]), 60)}" for each in kept
        ]
        text = fitting(lines, _LONGEST_DESCRIPTION, "… and {} more: type a name at `/wildcard show` to find them.")
    return discord.Embed(title="Lists to choose from", description=text, colour=looks.DONE)


def list_choices(kept: Sequence[Wildcard]) -> list[app_commands.Choice[str]]:
    """Lists by name."""
    return [app_commands.Choice(name=f"{each.name} · {_lines(each)}"[:100], value=each.name) for each in kept[:MOST]]


def _lines(wildcard: Wildcard) -> str:
    count = len(wildcard.lines)
    return f"{count} line" + ("" if count == 1 else "s")


def _with_lines(words: str, wildcard: Wildcard) -> tuple[str, list[discord.File]]:
    text = "\n".join(wildcard.lines)
    if len(text) <= _LONGEST_MESSAGE and "```" not in text:
        return f"{words}\n```\n{text}\n```", []
    return words, [discord.File(io.BytesIO(text.encode()), f"{wildcard.name.replace('/', '-')}.txt")]
