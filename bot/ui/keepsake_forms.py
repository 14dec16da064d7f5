"""The forms for what members and servers keep for prompts: a list's lines, and a style."""

from __future__ import annotations

from typing import Any

import discord

from bot.errors import UserError
from bot.store.records import Style, Wildcard
from bot.styles import LONGEST_SETTINGS, Styles, StyleText
from bot.ui import keepsakes
from bot.ui.answers import answer_fault, editor_of
from bot.ui.typed import TextField
from bot.wildcards import Wildcards
from trainer.contract import looks
from trainer.contract.prompt import MAX_PROMPT

_LONGEST_FIELD = 4_000  # Discord's limit


class KeepsakeForm(discord.ui.Modal):
    """Base of the forms: a fault goes to the one who sent it."""

    async def on_error(  # type: ignore[override]  # a form's has no item
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """Told to this member alone."""
        await answer_fault(interaction, error)


class ListForm(KeepsakeForm):
    """The lines of a list, an entry each."""

    def __init__(self, name: str, found: Wildcard | None, wildcards: Wildcards) -> None:
        super().__init__(title=looks.cut(f"The list {name}", 45), timeout=15 * 60)
        self._name, self._wildcards = name, wildcards
        text = "\n".join(found.lines) if found else ""
        if looks.units(text) > _LONGEST_FIELD:
            raise UserError(
                f"The list `{name}` has {len(text):,} characters, more than a form has room for: attach it as a `.txt`"
                " in `file`; `/wildcard show` gives you what is there."
            )
        self._lines = TextField(
            custom_id="lines", style=discord.TextStyle.paragraph, default=text or None, max_length=_LONGEST_FIELD,
            placeholder="red fox\nblue whale\n{grey|white} cat",
        )  # fmt: skip
        words = "An entry a line; what begins with # is a comment"
        self.add_item(discord.ui.Label(text="Lines", description=words, component=self._lines))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Keep them."""
        kept = await self._wildcards.put(self._name, self._lines.value, editor_of(interaction))
        await interaction.response.send_message(keepsakes.list_kept(kept), ephemeral=True)


class StyleForm(KeepsakeForm):
    """What a style puts into both prompts, and the settings that come with it."""

    def __init__(self, name: str, found: Style | None, styles: Styles, *, server: bool) -> None:
        super().__init__(title=looks.cut(f"The style {name}", 45), timeout=15 * 60)
        self._name, self._styles, self._server = name, styles, server
        was = found or StyleText()
        self._prompt = _field("prompt", was.prompt, MAX_PROMPT, "film still of {prompt}, 35 mm, grainy")
        self._negative = _field("negative_prompt", was.negative_prompt, MAX_PROMPT, "cartoon, drawing")
        self._settings = _field("settings", was.settings, LONGEST_SETTINGS, "Steps: 30, Sampler: Euler a, CFG scale: 5")
        words = "{prompt} is where your own goes; without it, this goes behind"
        self.add_item(discord.ui.Label(text="Prompt", description=words, component=self._prompt))
        self.add_item(discord.ui.Label(text="Negative prompt", component=self._negative))
        words = "As A1111 writes them; what is chosen at /imagine comes first"
        self.add_item(discord.ui.Label(text="Settings", description=words, component=self._settings))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Keep it."""
        text = StyleText(
            prompt=self._prompt.value, negative_prompt=self._negative.value, settings=self._settings.value
        )  # fmt: skip
        style, said = await self._styles.put(self._name, text, editor_of(interaction), server=self._server)
        await interaction.response.send_message(keepsakes.style_kept(style, said.ignored), ephemeral=True)


def _field(custom_id: str, was: str, longest: int, example: str) -> TextField:
    return TextField(
        custom_id=custom_id, style=discord.TextStyle.paragraph, default=was or None, max_length=longest,
        placeholder=example, required=False,
    )  # fmt: skip
