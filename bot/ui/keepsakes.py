"""What is said of what members and servers keep for prompts: lists and styles."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands

from bot.store.records import Style, Wildcard
from bot.styles import Styles
from bot.ui.cards import fitting
from bot.ui.choices import MOST
from trainer.contract import looks

_LONGEST_MESSAGE = 1_900  # of Discord's 2,000 characters
_LONGEST_DESCRIPTION = 4_096
_LONGEST_FIELD = 1_024
_LONGEST_CHOICE = 100


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
    return [
        app_commands.Choice(name=looks.cut(f"{each.name} · {_lines(each)}", _LONGEST_CHOICE), value=each.name)
        for each in kept[:MOST]
    ]


def _lines(wildcard: Wildcard) -> str:
    count = len(wildcard.lines)
    return f"{count} line" + ("" if count == 1 else "s")


def _with_lines(words: str, wildcard: Wildcard) -> tuple[str, list[discord.File]]:
    text = "\n".join(wildcard.lines)
    if looks.units(text) <= _LONGEST_MESSAGE and "```" not in text:
        return f"{words}\n```\n{text}\n```", []
    return words, [discord.File(io.BytesIO(text.encode()), f"{wildcard.name.replace('/', '-')}.txt")]


# -- styles -----------------------------------------------------------------------------------------------------------


def style_kept(style: Style, ignored: Sequence[str]) -> str:
    """A style was made or changed, and what of its settings does nothing."""
    words = f"The style `{style.name}` is kept: choose it as `style` at `/imagine`."
    if ignored:
        words += f" These settings do nothing here: {looks.one_line(', '.join(ignored), 300)}."
    return words


def style_card(style: Style) -> discord.Embed:
    """All that a style puts in; the whole prompts are in its form."""
    whose = "The server's" if style.guild_id is not None else "Your own"
    embed = discord.Embed(title=style.name, description=f"{whose} style", colour=looks.DONE)
    parts = {"Prompt": style.prompt, "Negative prompt": style.negative_prompt, "Settings": style.settings}
    for name, text in parts.items():
        if text:
            embed.add_field(name=name, value=looks.one_line(text, _LONGEST_FIELD), inline=False)
    return embed


def styles(found: Sequence[Style]) -> discord.Embed:
    """Styles that a member can use."""
    text = "None yet: make one with `/style set`, and choose it as `style` at `/imagine`."
    if found:
        lines = [f"`{each.name}`{_whose(each)} · {looks.one_line(_said(each), 80)}" for each in found]
        text = fitting(lines, _LONGEST_DESCRIPTION, "… and {} more: type a name at `/style show` to find them.")
    return discord.Embed(title="Styles", description=text, colour=looks.DONE)


async def complete_styles(
    interaction: discord.Interaction[Any], styles: Styles, typed: str
) -> list[app_commands.Choice[str]]:
    """What may follow in an option that takes several, with commas between them."""
    chosen, comma, last = typed.rpartition(",")
    found = await styles.complete(last, member_id=interaction.user.id, guild_id=interaction.guild_id)
    return style_choices(found, before=f"{chosen.strip()}, " if comma else "")


def style_choices(found: Sequence[Style], before: str = "") -> list[app_commands.Choice[str]]:
    """Styles by name; ``before`` are those that were chosen already."""
    values = [(f"{before}{each.name}", f"{before}{each.name}{_whose(each)}") for each in found[:MOST]]
    return [
        app_commands.Choice(name=looks.cut(words, _LONGEST_CHOICE), value=value)
        for value, words in values
        if len(value) <= _LONGEST_CHOICE
    ]


def _whose(style: Style) -> str:
    return " · the server's" if style.guild_id is not None else ""


def _said(style: Style) -> str:
    return style.prompt or style.settings or f"not {style.negative_prompt}"
