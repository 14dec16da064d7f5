"""The button under `/privacy delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.ui.job_button import JobButton

if TYPE_CHECKING:
    from bot.client import DarkroomBot


class EraseButton(JobButton, template=r"dr:erase:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Deletes everything of whoever presses it."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Only ever one's own: the button names nobody."""
        held = await bot.services.privacy.ask_erasure(interaction.user.id)
        words = "Everything that Darkroom has of you is being deleted, and the messages with your pictures one by one."
        if held:
            words += f" {held} of your jobs are still in a worker's hands and are being stopped; then it begins."
        await interaction.response.edit_message(content=words, view=None)
