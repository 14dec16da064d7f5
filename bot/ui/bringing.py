"""How far an adapter is that comes from an address, and the button that stops it; for its member alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import discord

from bot.addresses.bringing import Telling
from bot.addresses.page import Page
from bot.ui.job_button import JobButton
from trainer.contract import looks

if TYPE_CHECKING:
    from bot.client import DarkroomBot

EVERY_S = 4.0


class StopBringingButton(JobButton, template=r"dr:leave:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Stops what is being fetched."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its member alone may; the answer to the command tells the rest."""
        bot.services.bringer.stop(self.subject_id, interaction.user.id)
        await interaction.response.defer()


@asynccontextmanager
async def showing(interaction: discord.Interaction[Any]) -> AsyncIterator[Telling]:
    """Edit the private answer to a command every some seconds, with what the given function was told last."""
    now: list[tuple[Page, int, int | None]] = []
    shown = asyncio.create_task(_show(interaction, now))
    try:
        yield lambda page, received, size: now.__setitem__(slice(None), [(page, received, size)])
    finally:
        shown.cancel()
        with suppress(asyncio.CancelledError, discord.HTTPException):
            if await shown:
                await interaction.edit_original_response(view=None)


async def _show(interaction: discord.Interaction[Any], now: list[tuple[Page, int, int | None]]) -> bool:
    """Until it is cancelled; whether anything was shown."""
    any_shown = False
    button: discord.ui.Button[Any] = discord.ui.Button(label="Stop", custom_id=f"dr:leave:{interaction.id}")
    view = discord.ui.View(timeout=None).add_item(button)
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(EVERY_S)
            if now:
                with suppress(discord.HTTPException):  # the next one may reach it
                    await interaction.edit_original_response(content=progress(*now[0]), view=view)
                    any_shown = True
    return any_shown


def progress(page: Page, received: int, size: int | None) -> str:
    """``Fetching moss v2.0 from Civitai: 12 MB of 144 MB``."""
    name = looks.one_line(f"{page.title} {page.version or ''}", 100)
    of = f" of {looks.size(size)}" if size is not None else ""
    return f"Fetching {name} from {page.site.name}: {looks.size(received)}{of}"
