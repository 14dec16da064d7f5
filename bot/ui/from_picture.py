"""The form for drawing from a picture in a message: what to draw, and how far from it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from bot.errors import UserError, quoted
from bot.ui.answers import answer_fault
from trainer.contract.prompt import MAX_PROMPT

OnFilled = Callable[[discord.Interaction[Any], str, float | None], Awaitable[None]]


class FromPictureForm(discord.ui.Modal):
    """Asks for a prompt and a strength, which ``on_filled`` gets with the interaction of the form."""

    def __init__(self, on_filled: OnFilled) -> None:
        super().__init__(title="Draw from this picture", timeout=15 * 60)
        self._on_filled = on_filled
        self._prompt: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id="prompt", style=discord.TextStyle.paragraph, max_length=MAX_PROMPT,
            placeholder="<lora:thnos:0.8> in a suit",
        )  # fmt: skip
        self._strength: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id="strength", required=False, max_length=20, placeholder="0.75"
        )
        self.add_item(discord.ui.Label(text="What to draw", component=self._prompt))
        self.add_item(
            discord.ui.Label(text="Strength", description="0 keeps the picture, 1 draws anew", component=self._strength)
        )

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Hand over what was filled in."""
        await self._on_filled(interaction, self._prompt.value, _number(self._strength.value))

    async def on_error(  # type: ignore[override]  # a form's has no item
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """A fault goes to the one who sent the form."""
        await answer_fault(interaction, error)


def _number(written: str) -> float | None:
    if not written.strip():
        return None
    try:
        number = float(written.strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise UserError(f"The strength must be a number from 0 to 1, got {quoted(written)}: 0.75 is a good start.")
    return number
