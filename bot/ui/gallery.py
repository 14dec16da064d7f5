"""Pages of the gallery and of searches: a picture of all covers, a line for each adapter, and the way to its page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import discord

from bot.browsing import Filters, GalleryPage, Words
from bot.errors import UserError, quoted
from bot.store.records import Adapter
from bot.ui import adapter_page
from bot.ui.choice_menu import ChoiceMenu
from bot.ui.covers import draw_sheet
from bot.ui.job_button import JobButton
from bot.ui.views import button, view_of
from trainer.contract import looks
from trainer.contract.names import button_id

if TYPE_CHECKING:
    from bot.client import DarkroomBot

WHICH = "Open a page"
COVERS = "covers.jpg"
_SORTS = {"new": "the newest first", "used": "the most used first", "liked": "the best liked first"}
_KINDS = {"lora": "LoRA", "textual_inversion": "textual inversion", "checkpoint": "whole model"}


def embed(page: GalleryPage, viewer_id: int, *, covers: bool) -> discord.Embed:
    """A line for each; ``covers``: whether their picture is attached."""
    lines = [
        f"{number}. {_line(entry.adapter, viewer_id)}" for number, entry in enumerate(page.entries, 1)
    ] or ["Nothing that you can use is like that. Try fewer filters, or other words."]  # fmt: skip
    shown = discord.Embed(
        title=_title(page.asked), description="\n".join(lines), colour=looks.DONE if page.entries else looks.WAITING
    )
    if covers:
        shown.set_image(url=f"attachment://{COVERS}")
    return shown.set_footer(text=f"Page {page.number + 1}") if page.number or page.has_more else shown


def _title(asked: Words | Filters) -> str:
    if isinstance(asked, Words):
        return looks.cut(f"Found for {looks.plain(asked.text)}", 256)
    filters = asked.asked
    parts = [
        f"{_KINDS[filters.kind]}s" if filters.kind else "",
        f"for {looks.plain(filters.base)}" if filters.base else "",
        f"by {looks.plain(asked.owner)}" if asked.owner else "",
        f"with the tag {looks.plain(filters.tag)}" if filters.tag else "",
    ]
    return looks.cut(", ".join(["Gallery", *(part for part in parts if part), _SORTS[filters.sort]]), 256)


def _line(adapter: Adapter, viewer_id: int) -> str:
    facts = [_KINDS[adapter.kind], looks.plain(adapter.base), f"used {adapter.uses:,}×", f"⭐ {adapter.likes:,}"]
    return f"`{adapter.name_for(viewer_id)}` · " + " · ".join(fact for fact in facts if fact)


def under(page: GalleryPage, viewer_id: int) -> discord.ui.View:
    """A menu of what is on the page, and the way to the pages beside it."""
    items: list[discord.ui.Item[discord.ui.View]] = []
    if page.entries:
        menu: discord.ui.Select[Any] = discord.ui.Select(custom_id=button_id("open", "0"), placeholder=WHICH, row=0)
        for number, entry in enumerate(page.entries, 1):
            menu.add_option(
                label=looks.cut(f"{number}. {entry.adapter.name_for(viewer_id)}", 100), value=entry.adapter.id
            )
        items.append(menu)
    if page.number > 0:
        items.append(button("gallery", page.browse_id, "Back", place=page.number - 1, emoji="◀️", row=1))
    if page.has_more:
        items.append(button("gallery", page.browse_id, "More", place=page.number + 1, emoji="▶️", row=1))
    return view_of(*items)


async def show(bot: DarkroomBot, interaction: discord.Interaction[Any], page: GalleryPage) -> None:
    """Fill the answer that was put off."""
    sheet = await draw_sheet(bot.services.blobs, [(entry.adapter.name, entry.cover) for entry in page.entries])
    viewer_id = interaction.user.id
    await interaction.edit_original_response(
        embed=embed(page, viewer_id, covers=sheet is not None),
        view=under(page, viewer_id),
        attachments=[adapter_page.attachment(sheet, COVERS)] if sheet is not None else [],
    )


class GalleryButton(JobButton, template=r"dr:gallery:(?P<id>[0-9a-f]{16}):(?P<place>\d{1,3})"):
    """Leads to another page."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Of whoever opened the list, with what they may use by now."""
        page = await bot.services.browsing.page(
            self.subject_id, self.place or 0, viewer_id=interaction.user.id, guild_id=interaction.guild_id
        )
        await interaction.response.defer()
        await show(bot, interaction, page)


class OpenMenu(ChoiceMenu, template=r"dr:open:(?P<id>0)"):
    """Opens an adapter's page."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """For whoever may use it."""
        if not re.fullmatch(r"[0-9a-f]{32}", value):
            raise UserError(f"{quoted(value)} is no adapter: open a page with `/gallery`.")
        await adapter_page.show(bot, interaction, value)
