"""`/adapter export`: one's own adapters as files."""

from __future__ import annotations

import io
from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.adapters import Adapters
from bot.exporting.exports import MOST_RANK, ExportOrder, Exports
from bot.jobs import Jobs
from bot.ui import cards
from bot.ui.answers import origin_of, think_privately
from bot.ui.choices import adapter_choices
from trainer.contract.merges import FileForm, Precision

_FORMS: dict[FileForm, str] = {"kohya": "for A1111, Forge and ComfyUI", "diffusers": "for diffusers"}
_PRECISIONS: dict[Precision, str] = {
    "float16": "float16: as others write it", "float32": "float32: twice as large", "bfloat16": "bfloat16",
    "float8_e4m3fn": "float8: half as large, and not quite the same",
}  # fmt: skip
_FORM_CHOICES = [app_commands.Choice[str](name=words, value=form) for form, words in _FORMS.items()]
_PRECISION_CHOICES = [app_commands.Choice[str](name=words, value=dtype) for dtype, words in _PRECISIONS.items()]


class ExportCommands(commands.Cog):
    """The part of ``/adapter`` that gives files away, to their owner alone."""

    _adapters: Adapters
    _exports: Exports
    _jobs: Jobs

    @app_commands.command(description="Take one of your adapters away as a file, for other programs")
    @app_commands.choices(form=_FORM_CHOICES, dtype=_PRECISION_CHOICES)
    @app_commands.describe(
        name="One of yours",
        form="For which programs; A1111 and others like it unless you say otherwise",
        rank="A lower rank than it has: a smaller file, and the answer says what that costs",
        dtype="In how many bits; float16 unless you say otherwise",
    )
    async def export(
        self,
        interaction: discord.Interaction[Any],
        name: str,
        form: str = "kohya",
        rank: app_commands.Range[int, 1, MOST_RANK] | None = None,
        dtype: str = "float16",
    ) -> None:
        """The file comes as an answer that its owner alone sees."""
        order = ExportOrder(
            origin=origin_of(interaction), name=name, form=cast("FileForm", form), rank=rank,
            precision=cast("Precision", dtype),
        )  # fmt: skip
        await think_privately(interaction)
        job = await self._exports.submit(order)
        if job.state == "succeeded":  # it was made a moment ago
            given = await self._exports.hand_over(job)
            files = [] if given.filename is None else [discord.File(io.BytesIO(given.data), given.filename)]
            await interaction.edit_original_response(content=given.text, attachments=files)
            return
        shown = await interaction.edit_original_response(embed=cards.exporting(job))
        await self._jobs.attach_card(job.id, shown.id, private=True)

    @export.autocomplete("name")
    async def _complete_exported(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=None)
        return adapter_choices([each for each in found if each.owner_id == viewer_id], viewer_id)
