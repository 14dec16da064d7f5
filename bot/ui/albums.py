"""`/pictures`: what a member has drawn, page by page, to be opened or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.pictures import AlbumPage
from bot.ui import adapter_page, cards
from bot.ui.choice_menu import ChoiceMenu
from bot.ui.covers import draw_sheet
from bot.ui.job_button import JobButton
from bot.ui.views import button, view_of
from trainer.contract import looks
from trainer.contract.names import button_id

if TYPE_CHECKING:
    from bot.client import DarkroomBot

log = structlog.get_logger(__name__)

WHICH, ERASE = "Open one", "Delete one for good, with its message"
SHEET = "pictures.jpg"


async def show(bot: DarkroomBot, interaction: discord.Interaction[Any], page: AlbumPage) -> None:
    """Fill the answer that was put off."""
    sheet = await draw_sheet(
        bot.services.blobs, [(_seen(each.count), each.first) for each in page.entries]
    )  # fmt: skip
    attachments = [adapter_page.attachment(sheet, SHEET)] if sheet is not None else []
    embed = _embed(page)
    if attachments:
        embed.set_image(url=f"attachment://{SHEET}")
    await interaction.edit_original_response(embed=embed, view=_under(page), attachments=attachments)


def _seen(count: int) -> str:
    return "" if count == 1 else f"one of {count}"


def _embed(page: AlbumPage) -> discord.Embed:
    lines = [
        f"{number}. {cards.link(each.job)} · <t:{int(each.first.created_at)}:R>"
        for number, each in enumerate(page.entries, 1)
    ] or ["None yet. `/imagine` draws one."]
    embed = discord.Embed(title="Your pictures", description="\n".join(lines), colour=looks.DONE)
    return embed.set_footer(text=f"Page {page.number + 1}") if page.number or page.has_more else embed


def _under(page: AlbumPage) -> discord.ui.View:
    items: list[discord.ui.Item[discord.ui.View]] = []
    if page.entries:
        opening: discord.ui.Select[Any] = discord.ui.Select(custom_id=button_id("kept", "0"), placeholder=WHICH, row=0)
        erasing: discord.ui.Select[Any] = discord.ui.Select(
            custom_id=button_id("discard", "0"), placeholder=ERASE, row=1
        )
        for number, each in enumerate(page.entries, 1):
            label = looks.cut(f"{number}. {cards.describe(each.job)}", 100)
            opening.add_option(label=label, value=f"{each.job.id}:{each.first.position}")
            erasing.add_option(label=label, value=each.job.id)
        items += [opening, erasing]
    if page.number > 0:
        items.append(button("album", "0", "Newer", place=page.number - 1, emoji="◀️", row=2))
    if page.has_more:
        items.append(button("album", "0", "Older", place=page.number + 1, emoji="▶️", row=2))
    return view_of(*items)


class AlbumButton(JobButton, template=r"dr:album:(?P<id>0):(?P<place>\d{1,3})"):
    """Leads to another page."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Of whoever presses it: their own."""
        await interaction.response.defer()
        await show(bot, interaction, await bot.services.pictures.album(interaction.user.id, self.place or 0))


class DiscardMenu(ChoiceMenu, template=r"dr:discard:(?P<id>0)"):
    """Deletes the pictures of one order, and their message."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """One's own alone; the page then shows what is left."""
        job = await bot.services.pictures.delete(value, interaction.user.id)
        await interaction.response.defer()
        if job.message_id is not None:
            message = bot.get_partial_messageable(job.channel_id).get_partial_message(job.message_id)
            try:
                await message.delete()
            except (
                discord.HTTPException
            ) as error:  # gone already, or out of reach: the pictures are deleted all the same
                log.info("message.not_deleted", job=job.id, error=str(error))
        await show(bot, interaction, await bot.services.pictures.album(interaction.user.id, 0))
