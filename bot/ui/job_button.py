"""What all buttons have in common. A click is authorised anew each time: a button carries an opaque id and no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.errors import UserError
from bot.store.records import Job, MergeSpec, TrainSpec
from bot.ui.answers import answer_fault
from trainer.contract.names import Lane

if TYPE_CHECKING:
    from bot.client import DarkroomBot


_UNKNOWN = "Darkroom knows nothing of this card any more: start anew with `/imagine` or `/train`."


class JobButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"dr:none:(?P<id>\w+)(?::(?P<place>\d+))?"):
    """Base of all: finds itself in the custom_id, and tells a fault to whoever clicked."""

    def __init__(self, custom_id: str, subject_id: str, place: int | None) -> None:
        super().__init__(discord.ui.Button(custom_id=custom_id))
        self.subject_id = subject_id  # of a job, or of an adapter
        self.place = place  # of a picture or an example among several; None: all of them

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew at every click, from the custom_id alone."""
        return cls(match[0], match["id"], int(match["place"]) if match["place"] else None)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Do what the button says; a fault goes to the one who clicked."""
        try:
            await self.press(interaction.client, interaction)
        except Exception as error:
            await answer_fault(interaction, error)

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """What this button does."""
        raise NotImplementedError

    async def job(self, bot: DarkroomBot, lane: Lane | None = None) -> Job:
        """The button's job, of that lane. Raises UserError."""
        job = await bot.services.jobs.get(self.subject_id)
        if job is None or lane not in {None, job.lane}:
            raise UserError(_UNKNOWN)
        return job

    async def made(self, bot: DarkroomBot) -> TrainSpec | MergeSpec:
        """What the button's job was to make an adapter by. Raises UserError."""
        spec = (await self.job(bot)).makes
        if spec is None:
            raise UserError(_UNKNOWN)
        return spec
