"""`/reports`: what members have reported, for a server's moderators."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.moderation import Moderation
from bot.ui.answers import is_moderator
from bot.ui.moderating import case_card, under_cases


class ReportsCog(commands.Cog):
    """For members with Manage Messages. Told to the moderator alone."""

    def __init__(self, moderation: Moderation) -> None:
        self._moderation = moderation

    @app_commands.command(description="What members of this server have reported, for moderators to decide")
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_messages=True)
    async def reports(self, interaction: discord.Interaction[Any]) -> None:
        """The oldest first, with buttons to decide."""
        cases = await self._moderation.waiting(interaction.guild_id, moderator=is_moderator(interaction))
        if not cases:
            await interaction.response.send_message("Nothing waits to be decided.", ephemeral=True)
            return
        await interaction.response.send_message(
            embeds=[case_card(case) for case in cases], view=under_cases(cases), ephemeral=True
        )
