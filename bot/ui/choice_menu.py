"""What menus of choices have in common. Each choice is authorised anew, and what was chosen is read with care."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.errors import UserError, quoted

if TYPE_CHECKING:
    from bot.client import DarkroomBot

_PLACE = re.compile(r"[0-9]{1,9}")


class ChoiceMenu(discord.ui.DynamicItem[discord.ui.Select[Any]], template=r"dr:nochoice:(?P<id>\w+)"):
    """Base of all: finds itself in the custom_id, and tells a fault to whoever chose."""

    def __init__(self, menu: discord.ui.Select[Any], subject_id: str) -> None:
        super().__init__(menu)
        self.subject_id = subject_id  # of a job, or of an adapter; 0: the choices say it

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew at every choice, from the menu as it stands in the message."""
        if not isinstance(item, discord.ui.Select):
            raise TypeError(f"{match[0]} is no menu")
        return cls(item, match["id"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Do what was chosen; a fault goes to the one who chose."""
        from bot.ui.answers import answer_fault  # which shows views, and those show menus

        try:
            await self.choose(interaction.client, interaction, self.item.values[0])
        except Exception as error:
            await answer_fault(interaction, error)

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """What this menu does."""
        raise NotImplementedError


def read_place(value: str) -> int:
    """The number that a choice is. Raises UserError: no menu of the bot's has offered this."""
    if not _PLACE.fullmatch(value):
        raise UserError(f"{quoted(value)} is none of the choices: open the menu anew.")
    return int(value)


def read_picture(value: str) -> tuple[str, int]:
    """The job and the place that a choice among pictures is. Raises UserError."""
    job_id, _, place = value.partition(":")
    return job_id, read_place(place)
