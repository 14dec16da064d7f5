"""`/adapter import`: an adapter that somebody else made, from a file or by its address."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.addresses.bringing import Bringer
from bot.errors import UserError
from bot.importing.entry import Wanted
from bot.importing.found import Licence
from bot.importing.importer import Imported, Importer
from bot.store.records import Likeness
from bot.ui import importing
from bot.ui.answers import origin_of, think_privately, uploads_of
from bot.ui.bringing import showing
from bot.ui.choices import PERSON_CHOICES


class ImportCommands(commands.Cog):
    """The part of ``/adapter`` that brings adapters in. Told to the member alone."""

    _importer: Importer
    _bringer: Bringer

    @app_commands.command(
        name="import", description="Bring in an adapter from elsewhere: a LoRA or a textual inversion"
    )
    @app_commands.choices(person=PERSON_CHOICES)
    @app_commands.describe(
        file="Its .safetensors file, as kohya, A1111, diffusers, ComfyUI and others write it",
        address="Or its page on Civitai or Hugging Face: https://civitai.com/models/123",
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
        name: str,
        person: str,
        file: discord.Attachment | None = None,
        address: str | None = None,
        trigger: str | None = None,
        credit: bool | None = None,
        commercial: bool | None = None,
        derivatives: bool | None = None,
    ) -> None:
        """Checked, stored without what is private, and entered as the member's own."""
        await think_privately(interaction)
        wanted = Wanted(
            name=name,
            likeness=cast("Likeness", person),
            trigger=trigger,
            licence=_licence(credit=credit, commercial=commercial, derivatives=derivatives),
        )
        imported = await self._import(interaction, file, address, wanted)
        await interaction.edit_original_response(content=None, embed=importing.card(imported))

    async def _import(
        self,
        interaction: discord.Interaction[Any],
        file: discord.Attachment | None,
        address: str | None,
        wanted: Wanted,
    ) -> Imported:
        origin = origin_of(interaction)
        if file is not None and address is None:
            (upload,) = uploads_of([file])
            return await self._importer.import_upload(upload, origin=origin, wanted=wanted)
        if file is None and address is not None:
            async with showing(interaction) as tell:
                return await self._bringer.bring(address, origin=origin, wanted=wanted, on_progress=tell)
        raise UserError(
            "Attach the adapter's file, or give the address of its page on Civitai or Hugging Face: one of both."
        )


def _licence(**said: bool | None) -> Licence | None:
    """What the member said, and of the rest the careful answer; None where they said nothing."""
    given = {name: value for name, value in said.items() if value is not None}
    return Licence(**given) if given else None
