"""`/adapter list | show | delete`; the rest of the group is in `importing.py` and `sharing.py`."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.adapters import Adapters
from bot.addresses.bringing import Bringer
from bot.cogs.exporting import ExportCommands
from bot.cogs.importing import ImportCommands
from bot.cogs.sharing import SharingCommands
from bot.exporting.exports import Exports
from bot.importing.importer import Importer
from bot.jobs import Jobs
from bot.sharing import Sharing
from bot.ui import adapter_page, cards, views
from bot.ui.choices import adapter_choices


class AdapterCog(
    ImportCommands,
    ExportCommands,
    SharingCommands,
    commands.GroupCog,
    group_name="adapter",
    group_description="The adapters you can draw with",
):
    """Looking after adapters. Everything here is told to the member alone."""

    def __init__(
        self,
        adapters: Adapters,
        sharing: Sharing,
        importer: Importer,
        bringer: Bringer,
        exports: Exports,
        jobs: Jobs,
    ) -> None:
        super().__init__()
        self._adapters, self._sharing, self._importer, self._bringer = adapters, sharing, importer, bringer
        self._exports, self._jobs = exports, jobs

    @app_commands.command(
        name="list", description="What you can use: yours, and what is shared with you, this server or everyone"
    )
    async def list_all(self, interaction: discord.Interaction[Any]) -> None:
        """Own first."""
        found = await self._adapters.visible(viewer_id=interaction.user.id, guild_id=interaction.guild_id)
        embed = cards.adapters_list(found, interaction.user.id, interaction.guild_id)
        await interaction.response.send_message(embed=embed, ephemeral=True)

    @app_commands.command(description="An adapter's page: pictures, how to use it, how it was made")
    @app_commands.describe(name="Its name; another member's is written ada/thnos")
    async def show(self, interaction: discord.Interaction[Any], name: str) -> None:
        """All that is known of it."""
        adapter = await self._adapters.resolve(name, viewer_id=interaction.user.id, guild_id=interaction.guild_id)
        await adapter_page.show(interaction.client, interaction, adapter.id)

    @app_commands.command(description="Delete one of your adapters for good")
    @app_commands.describe(name="One of yours")
    async def delete(self, interaction: discord.Interaction[Any], name: str) -> None:
        """Asks once more, for there is no way back."""
        adapter = await self._adapters.own_of_name(name, owner_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(
            cards.asks_to_forget(adapter),
            view=views.under_forgetting(adapter.id, adapter.name),
            ephemeral=True,
        )

    @show.autocomplete("name")
    async def _complete_visible(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=interaction.guild_id)
        return adapter_choices(found, viewer_id)

    @delete.autocomplete("name")
    async def _complete_own(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=None)
        return adapter_choices([each for each in found if each.owner_id == viewer_id], viewer_id)
