"""`/privacy export | delete`: what Darkroom has of a member, handed over or deleted. Told to them alone."""

from __future__ import annotations

import io
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.packing import MOST_PARTS
from bot.privacy import Privacy
from bot.ui import views
from bot.ui.answers import think_privately

_SHOWN = 10  # names of files that did not fit


class PrivacyCog(commands.GroupCog, group_name="privacy", group_description="What Darkroom has of you"):
    """Everybody's own."""

    def __init__(self, privacy: Privacy) -> None:
        super().__init__()
        self._privacy = privacy

    @app_commands.command(description="Get everything that Darkroom has of you, as a zip")
    async def export(self, interaction: discord.Interaction[Any]) -> None:
        """Rows, pictures, adapters and kept photos."""
        await think_privately(interaction)
        share = interaction.filesize_limit // MOST_PARTS if interaction.filesize_limit > 100 << 20 else None
        parts, left_out = await self._privacy.hand_over(interaction.user.id, share or interaction.filesize_limit)
        files = [
            discord.File(io.BytesIO(data), f"darkroom-{number}-of-{len(parts)}.zip")
            for number, data in enumerate(parts, 1)
        ]
        words = "This is all that Darkroom has of you." if files else "Darkroom has nothing of you."
        if left_out:
            names = ", ".join(f"`{name}`" for name in left_out[:_SHOWN])
            more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
            words += (
                f" What is larger than this server takes, or was too many, is left out: {names}{more}."
                " `/adapter export` hands out single adapters, and pictures are in their channels."
            )
        await interaction.edit_original_response(content=words, attachments=files)

    @app_commands.command(description="Delete everything that Darkroom has of you, for good")
    async def delete(self, interaction: discord.Interaction[Any]) -> None:
        """Asks once more, for there is no way back."""
        await interaction.response.send_message(
            "This deletes your adapters with all versions, your pictures and the messages that show them, your photos,"
            " styles and lists, favourites, consents, and what you have asked for. What is being worked on is stopped."
            " Merges that others have made of your adapters, if you let them, and pictures that they have drawn stay"
            " theirs. `/privacy export` first, if you want to keep something.",
            view=views.under_erasing(),
            ephemeral=True,
        )
