"""`/adapter list | show | share | unshare | delete`."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.adapters import Adapters
from bot.ui import cards, views
from bot.ui.answers import is_moderator
from bot.ui.choices import adapter_choices


class AdapterCog(commands.GroupCog, group_name="adapter", group_description="The adapters you can draw with"):
    """Looking after adapters. Everything here is told to the member alone."""

    def __init__(self, adapters: Adapters) -> None:
        super().__init__()
        self._adapters = adapters

    @app_commands.command(name="list", description="What you can use: yours, and what is shared with this server")
    async def list_all(self, interaction: discord.Interaction[Any]) -> None:
        """Own first."""
        found = await self._adapters.visible(viewer_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(embed=cards.adapters_list(found, interaction.user.id), ephemeral=True)

    @app_commands.command(description="How an adapter was made and how to use it")
    @app_commands.describe(name="Its name; another member's is written ada/thnos")
    async def show(self, interaction: discord.Interaction[Any], name: str) -> None:
        """All that is known of it."""
        adapter = await self._adapters.resolve(name, viewer_id=interaction.user.id, guild_id=interaction.guild_id)
        recipe = await self._adapters.recipe(adapter)
        embed = cards.adapter_card(adapter, recipe, interaction.user.id, interaction.guild_id)
        await interaction.response.send_message(embed=embed, ephemeral=True)

    @app_commands.command(description="Let everybody on this server draw with one of your adapters")
    @app_commands.describe(name="One of yours")
    async def share(self, interaction: discord.Interaction[Any], name: str) -> None:
        """With the server where it is said."""
        adapter = await self._adapters.share(name, owner_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(cards.shared(adapter), ephemeral=True)

    @app_commands.command(description="Take one of your adapters back from this server")
    @app_commands.describe(name="One of yours; moderators may name anybody's, as ada/thnos")
    async def unshare(self, interaction: discord.Interaction[Any], name: str) -> None:
        """Pictures that are there stay."""
        adapter = await self._adapters.unshare(
            name, member_id=interaction.user.id, guild_id=interaction.guild_id, moderator=is_moderator(interaction)
        )
        whose = "you" if adapter.owner_id == interaction.user.id else adapter.owner_name
        await interaction.response.send_message(
            f"Only {whose} can use `{adapter.name}` here now. Pictures that were made with it stay.", ephemeral=True
        )

    @app_commands.command(description="Delete one of your adapters for good")
    @app_commands.describe(name="One of yours")
    async def delete(self, interaction: discord.Interaction[Any], name: str) -> None:
        """Asks once more, for there is no way back."""
        adapter = await self._adapters.own_of_name(name, owner_id=interaction.user.id, guild_id=interaction.guild_id)
        gone = "are gone" if adapter.photos_kept_until is None else "are kept, and deleted with it"
        await interaction.response.send_message(
            f"`{adapter.name}` was trained on {adapter.photos} photos, which {gone}: once deleted, it can't be made"
            " again without them.",
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

    @unshare.autocomplete("name")
    async def _complete_unshare(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        viewer_id, guild_id = interaction.user.id, interaction.guild_id if is_moderator(interaction) else None
        return adapter_choices(await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=guild_id), viewer_id)

    @share.autocomplete("name")
    @delete.autocomplete("name")
    async def _complete_own(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=None)  # None: nothing shared
        return adapter_choices(found, viewer_id)
