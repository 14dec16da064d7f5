"""`/favourites` and `/pictures`: the pictures that a member keeps, and those that they have drawn."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.favourites import Favourites
from bot.pictures import Pictures
from bot.ui import albums, favourites
from bot.ui.answers import think_privately


class FavouritesCog(commands.Cog):
    """Looking through what one keeps. Told to the member alone."""

    def __init__(self, kept: Favourites, pictures: Pictures) -> None:
        self._kept, self._pictures = kept, pictures

    @app_commands.command(description="The pictures that you keep, the newest first")
    async def favourites(self, interaction: discord.Interaction[Any]) -> None:
        """The first page; buttons lead to the others."""
        page = await self._kept.page(0, member_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(
            embed=favourites.embed(page), view=favourites.under(page), ephemeral=True
        )

    @app_commands.command(description="The pictures that you have drawn, the newest first, to be opened or deleted")
    async def pictures(self, interaction: discord.Interaction[Any]) -> None:
        """The first page; buttons lead to the others."""
        await think_privately(interaction)
        page = await self._pictures.album(interaction.user.id, 0)
        await albums.show(interaction.client, interaction, page)
