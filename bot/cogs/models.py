"""`/models`: what there is to draw and train with."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.bases.overview import Models
from bot.ui import models


class ModelsCog(commands.Cog):
    """Looking at the models. Told to the member alone."""

    def __init__(self, shelves: Models) -> None:
        self._shelves = shelves

    @app_commands.command(description="The models to draw and train with, and the whole models that members made")
    async def models(self, interaction: discord.Interaction[Any]) -> None:
        """All that the member may use."""
        viewer_id, guild_id = interaction.user.id, interaction.guild_id
        overview = await self._shelves.look(viewer_id=viewer_id, guild_id=guild_id)
        await interaction.response.send_message(embed=models.card(overview, viewer_id), ephemeral=True)
