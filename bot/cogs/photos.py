"""`/photos check`: what a training would say of photos, before anything is learned."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.jobs import Jobs
from bot.orders import Upload
from bot.photos import check_uploads
from bot.reviews import Reviews
from bot.ui import reports
from bot.ui.answers import think_privately, uploads_of
from bot.ui.choices import base_choices
from bot.ui.forms import CheckForm


class PhotosCog(commands.GroupCog, group_name="photos", group_description="Your photos, before they are learned"):
    """Looking through photos, free of charge and told to their member alone. Nothing is kept."""

    def __init__(self, jobs: Jobs, reviews: Reviews) -> None:
        super().__init__()
        self._jobs, self._reviews = jobs, reviews

    @app_commands.command(description="See what your photos are good for and how they are cropped; nothing is kept")
    @app_commands.describe(
        photo1="3 to 10 photos, or one zip of up to 100; attach none to upload them in a form",
        base="The model that is to learn them; the default unless you say otherwise",
        **{f"photo{number}": "Another photo" for number in range(2, 11)},
    )
    async def check(
        self,
        interaction: discord.Interaction[Any],
        photo1: discord.Attachment | None = None,
        photo2: discord.Attachment | None = None,
        photo3: discord.Attachment | None = None,
        photo4: discord.Attachment | None = None,
        photo5: discord.Attachment | None = None,
        photo6: discord.Attachment | None = None,
        photo7: discord.Attachment | None = None,
        photo8: discord.Attachment | None = None,
        photo9: discord.Attachment | None = None,
        photo10: discord.Attachment | None = None,
        base: str | None = None,
    ) -> None:
        """Without photos a form asks for them."""
        options = (photo1, photo2, photo3, photo4, photo5, photo6, photo7, photo8, photo9, photo10)
        if uploads := uploads_of([photo for photo in options if photo]):
            await self._answer(interaction, uploads, base)
            return

        async def filled(interaction: discord.Interaction[Any], uploads: tuple[Upload, ...]) -> None:
            await self._answer(interaction, uploads, base)

        await self._jobs.scale(base)  # before anybody fills in a form in vain
        await interaction.response.send_modal(CheckForm(filled))

    @check.autocomplete("base")
    async def _complete_base(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        return base_choices(await self._jobs.bases(), typed)

    async def _answer(
        self, interaction: discord.Interaction[Any], uploads: tuple[Upload, ...], base: str | None
    ) -> None:
        check_uploads(uploads)
        scale = await self._jobs.scale(base)
        await think_privately(interaction)
        report, sheet = await self._reviews.check(interaction.user.id, uploads, scale)
        embed, file = reports.private(report, sheet, kept=False)
        await interaction.edit_original_response(embed=embed, attachments=[file])
