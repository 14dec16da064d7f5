"""`/favourites`: the pictures that a member keeps."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.favourites import Favourites
from bot.ui import favourites


class FavouritesCog(commands.Cog):
    """Looking through what one keeps. Told to the member alone."""

    def __init__(self, kept: Favourites) -> None:
        self._kept = kept

    @app_commands.command(description="The pictures that you keep, the newest first")
    async def favourites(self, interaction: discord.Interaction[Any]) -> None:
        """The first page; buttons lead to the others."""
        page = await self._kept.page(0, member_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(
            embed=favourites.embed(page), view=favourites.under(page), ephemeral=True
        )
