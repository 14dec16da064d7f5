"""The list of favourites, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.favourites import ON_A_PAGE, Page
from bot.store.records import Favourite, Job
from bot.ui import cards
from bot.ui.choice_menu import ChoiceMenu, read_picture
from bot.ui.job_button import JobButton
from bot.ui.picture_buttons import at_place, find_pictures, show_panel
from bot.ui.views import button, view_of
from trainer.contract import looks
from trainer.contract.names import button_id

if TYPE_CHECKING:
    from bot.client import DarkroomBot

WHICH = "Choose a picture"
_NONE = "None yet. **Favourite** under a picture keeps it here."
_LONGEST_LABEL = 100


def embed(page: Page) -> discord.Embed:
    """A line for each, with the way to its message."""
    lines = [
        f"{number}. {cards.link(job)}{_which(job, kept)} · <t:{int(kept.created_at)}:R>"
        for number, (job, kept) in enumerate(page.kept, page.number * ON_A_PAGE + 1)
    ]
    shown = discord.Embed(title="Your favourites", description="\n".join(lines) or _NONE, colour=looks.DONE)
    return shown.set_footer(text=f"Page {page.number + 1} of {page.pages}") if page.pages > 1 else shown


def _which(job: Job, kept: Favourite) -> str:
    return f", picture {kept.position + 1}" if len(job.imagine.drawings) > 1 else ""


def under(page: Page) -> discord.ui.View:
    """A menu of what is on the page, and the way to the pages beside it."""
    items: list[discord.ui.Item[discord.ui.View]] = []
    if page.kept:
        menu: discord.ui.Select[Any] = discord.ui.Select(custom_id=button_id("kept", "0"), placeholder=WHICH, row=0)
        for number, (job, kept) in enumerate(page.kept, page.number * ON_A_PAGE + 1):
            label = looks.cut(f"{number}. {cards.describe(job)}{_which(job, kept)}", _LONGEST_LABEL)
            menu.add_option(label=label, value=f"{kept.job_id}:{kept.position}")
        items.append(menu)
    if page.number > 0:
        items.append(button("favourites", "0", "Newer", place=page.number - 1, row=1))
    if page.number + 1 < page.pages:
        items.append(button("favourites", "0", "Older", place=page.number + 1, row=1))
    return view_of(*items)


class PageButton(JobButton, template=r"dr:favourites:(?P<id>0):(?P<place>\d{1,3})"):
    """Leads to another page of the list."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Of whoever clicks, which is whoever the list was told to."""
        page = await bot.services.favourites.page(
            self.place or 0, member_id=interaction.user.id, guild_id=interaction.guild_id
        )
        await interaction.response.edit_message(embed=embed(page), view=under(page))


class FavouriteMenu(ChoiceMenu, template=r"dr:kept:(?P<id>0)"):
    """Opens what can be done with one of the favourites."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """As the button of a number under the picture."""
        job_id, place = read_picture(value)
        job, pictures = await find_pictures(bot, interaction, job_id)
        await show_panel(bot, interaction, job, at_place(pictures, place))
