"""`/adapter import`: an adapter that somebody else made, from a file."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.importing.entry import Wanted
from bot.importing.found import Licence
from bot.importing.importer import Importer
from bot.store.records import Likeness
from bot.ui import importing
from bot.ui.answers import origin_of, think_privately, uploads_of
from bot.ui.choices import PERSON_CHOICES


class ImportCommands(commands.Cog):
    """The part of ``/adapter`` that brings adapters in. Told to the member alone."""

    _importer: Importer

    @app_commands.command(
        name="import", description="Bring in an adapter from elsewhere: a LoRA or a textual inversion"
    )
    @app_commands.choices(person=PERSON_CHOICES)
    @app_commands.describe(
        file="Its .safetensors file, as kohya, A1111, diffusers, ComfyUI and others write it",
        name="What it is to be called here",
        person="Whose likeness it is; it decides how far it can be shared",
        trigger="The word it answers to, where its file does not say",
        credit="Its maker is to be named: yes unless you say otherwise",
        commercial="Pictures that it makes may be sold: no unless you say otherwise",
        derivatives="It may be merged into others: yes unless you say otherwise",
    )
    async def import_adapter(
        self,
        interaction: discord.Interaction[Any],
        file: discord.Attachment,
        name: str,
        person: str,
        trigger: str | None = None,
        credit: bool | None = None,
        commercial: bool | None = None,
        derivatives: bool | None = None,
    ) -> None:
        """Checked, stored without what is private, and entered as the member's own."""
        await think_privately(interaction)
        (upload,) = uploads_of([file])
        wanted = Wanted(
            name=name,
            likeness=cast("Likeness", person),
            trigger=trigger,
            licence=_licence(credit=credit, commercial=commercial, derivatives=derivatives),
        )
        imported = await self._importer.import_upload(upload, origin=origin_of(interaction), wanted=wanted)
        await interaction.edit_original_response(embed=importing.card(imported))


def _licence(**said: bool | None) -> Licence | None:
    """What the member said, and of the rest the careful answer; None where they said nothing."""
    given = {name: value for name, value in said.items() if value is not None}
    return Licence(**given) if given else None
