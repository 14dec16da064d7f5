"""The forms for what places keep for prompts: a list's lines."""

from __future__ import annotations

from typing import Any

import discord

from bot.errors import UserError
from bot.store.records import Wildcard
from bot.ui import keepsakes
from bot.ui.answers import answer_fault, editor_of
from bot.wildcards import Wildcards

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
        super().__init__(title=f"The list {name}"[:45], timeout=15 * 60)
        self._name, self._wildcards = name, wildcards
        text = "\n".join(found.lines) if found else ""
        if len(text) > _LONGEST_FIELD:
            raise UserError(
                f"The list `{name}` has {len(text):,} characters, more than a form has room for: attach it as a `.txt`"
                " in `file`; `/wildcard show` gives you what is there."
            )
        self._lines: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id="lines", style=discord.TextStyle.paragraph, default=text or None, max_length=_LONGEST_FIELD,
            placeholder="red fox\nblue whale\n{grey|white} cat",
        )  # fmt: skip
        words = "An entry a line; what begins with # is a comment"
        self.add_item(discord.ui.Label(text="Lines", description=words, component=self._lines))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Keep them."""
        kept = await self._wildcards.put(self._name, self._lines.value, editor_of(interaction))
        await interaction.response.send_message(keepsakes.list_kept(kept), ephemeral=True)
