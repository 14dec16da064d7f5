"""The menu under a trained adapter, by which its member chooses another of its versions for a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.store.records import Adapter
from bot.ui import cards
from bot.ui.choice_menu import ChoiceMenu, read_place
from trainer.contract import looks
from trainer.contract.events import Candidate
from trainer.contract.names import button_id

if TYPE_CHECKING:
    from bot.client import DarkroomBot

_MOST_OPTIONS = 25  # Discord's limit
PLACEHOLDER = "Choose another version, for a day"


def choice_menu(job_id: str, adapter: Adapter, *, row: int) -> discord.ui.Select[Any] | None:
    """The versions with their scores, the present one marked; None where there is nothing to choose."""
    if adapter.job_id != job_id or adapter.choose_until is None or len(adapter.candidates) < 2:
        return None
    menu: discord.ui.Select[Any] = discord.ui.Select(
        custom_id=button_id("choose", job_id), placeholder=PLACEHOLDER, row=row
    )
    for place, candidate in enumerate(adapter.candidates[:_MOST_OPTIONS]):
        menu.add_option(label=describe(candidate), value=str(place), default=place == adapter.chosen)
    return menu


def describe(candidate: Candidate) -> str:
    """A version and its scores in one line."""
    scores = [
        f"{name} {looks.percent(min(score, 1.0))}"  # it may be more like the photos than they are to each other
        for name, score in (("likeness", candidate.identity), ("obedience", candidate.obedience))
        if score is not None
    ]
    return " · ".join([f"step {candidate.step:,}", *scores, f"weight {candidate.weight:g}"])


class ChooseMenu(ChoiceMenu, template=r"dr:choose:(?P<id>\d+)"):
    """Puts another version of an adapter in its place."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """Its owner alone may, and for a day; the menu then marks the new one."""
        adapter = await bot.services.adapters.choose(self.subject_id, read_place(value), owner_id=interaction.user.id)
        for option in self.item.options:
            option.default = option.value == str(adapter.chosen)
        await interaction.response.edit_message(view=self.view)
        words = (
            f"`{adapter.name}` is the version of step {adapter.steps:,} now. Write it as"
            f" `{cards.written(adapter, adapter.name)}`."
        )
        await interaction.followup.send(words, ephemeral=True)
