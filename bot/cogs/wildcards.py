"""`/wildcard set | show | list | delete`."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.texts import TextReader
from bot.ui import keepsakes
from bot.ui.answers import editor_of, think_privately, uploads_of
from bot.ui.keepsake_forms import ListForm
from bot.wildcards import Wildcards


class WildcardCog(commands.GroupCog, group_name="wildcard", group_description="Lists that prompts choose from"):
    """Looking after lists. Everything here is told to the member alone."""

    def __init__(self, wildcards: Wildcards, texts: TextReader) -> None:
        super().__init__()
        self._wildcards, self._texts = wildcards, texts

    @app_commands.command(name="set", description="Make a list, or change it: an entry a line")
    @app_commands.describe(
        name="What stands between the underscores in a prompt, such as animals or colour/warm",
        file="A .txt with an entry a line; without one, a form opens",
    )
    async def change(
        self, interaction: discord.Interaction[Any], name: str, file: discord.Attachment | None = None
    ) -> None:
        """From a file at once, else through the form."""
        editor = editor_of(interaction)
        found = await self._wildcards.to_change(name, editor)
        if file is None:
            await interaction.response.send_modal(ListForm(name, found, self._wildcards))
            return
        await think_privately(interaction)
        kept = await self._wildcards.put(name, await self._texts.read(uploads_of([file])[0]), editor)
        await interaction.edit_original_response(content=keepsakes.list_kept(kept))

    @app_commands.command(description="What stands in a list")
    @app_commands.describe(name="The list")
    async def show(self, interaction: discord.Interaction[Any], name: str) -> None:
        """All of its lines; many of them as a file."""
        found = await self._wildcards.get(name, guild_id=interaction.guild_id, member_id=interaction.user.id)
        words, files = keepsakes.list_shown(found)
        await interaction.response.send_message(words, files=files, ephemeral=True)

    @app_commands.command(name="list", description="The lists that prompts can choose from here")
    async def list_all(self, interaction: discord.Interaction[Any]) -> None:
        """By name."""
        kept = await self._wildcards.kept(guild_id=interaction.guild_id, member_id=interaction.user.id)
        await interaction.response.send_message(embed=keepsakes.lists(kept), ephemeral=True)

    @app_commands.command(description="Delete a list")
    @app_commands.describe(name="One that you made; moderators may name any")
    async def delete(self, interaction: discord.Interaction[Any], name: str) -> None:
        """At once: what stood in it is shown, so that it can be made again."""
        gone = await self._wildcards.delete(name, editor_of(interaction))
        words, files = keepsakes.list_deleted(gone)
        await interaction.response.send_message(words, files=files, ephemeral=True)

    @change.autocomplete("name")
    @show.autocomplete("name")
    @delete.autocomplete("name")
    async def _complete(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        found = await self._wildcards.complete(typed, guild_id=interaction.guild_id, member_id=interaction.user.id)
        return keepsakes.list_choices(found)
