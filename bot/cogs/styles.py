"""`/style set | show | list | delete`."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.styles import Styles
from bot.ui import keepsakes
from bot.ui.answers import editor_of
from bot.ui.keepsake_forms import StyleForm

_SERVER = "The server's rather than your own; for moderators"


class StyleCog(commands.GroupCog, group_name="style", group_description="Texts and settings to draw with by name"):
    """Looking after styles. Everything here is told to the member alone."""

    def __init__(self, styles: Styles) -> None:
        super().__init__()
        self._styles = styles

    @app_commands.command(name="set", description="Make a style, or change it: a form opens")
    @app_commands.describe(name="What you will write as style at /imagine", server=_SERVER)
    async def change(self, interaction: discord.Interaction[Any], name: str, server: bool = False) -> None:
        """Prompt, negative prompt and settings, as they stand."""
        found = await self._styles.to_change(name, editor_of(interaction), server=server)
        await interaction.response.send_modal(StyleForm(name, found, self._styles, server=server))

    @app_commands.command(description="What a style puts in")
    @app_commands.describe(name="The style")
    async def show(self, interaction: discord.Interaction[Any], name: str) -> None:
        """All of it."""
        style = await self._styles.get(name, member_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(embed=keepsakes.style_card(style), ephemeral=True)

    @app_commands.command(name="list", description="The styles you can draw with: yours, and the server's")
    async def list_all(self, interaction: discord.Interaction[Any]) -> None:
        """Own first."""
        found = await self._styles.visible(member_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(embed=keepsakes.styles(found), ephemeral=True)

    @app_commands.command(description="Delete a style")
    @app_commands.describe(name="One of yours", server=_SERVER)
    async def delete(self, interaction: discord.Interaction[Any], name: str, server: bool = False) -> None:
        """At once: what it put in is shown, so that it can be made again."""
        gone = await self._styles.delete(name, editor_of(interaction), server=server)
        words = f"The style `{gone.name}` is deleted. This is what it put in:"
        await interaction.response.send_message(words, embed=keepsakes.style_card(gone), ephemeral=True)

    @change.autocomplete("name")
    @show.autocomplete("name")
    @delete.autocomplete("name")
    async def _complete(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        found = await self._styles.complete(typed, member_id=interaction.user.id, guild_id=interaction.guild_id)
        return keepsakes.style_choices(found)
