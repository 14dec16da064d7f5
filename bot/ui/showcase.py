"""Putting pictures into a server's showcase, with the way to their settings and adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
import structlog

from bot.showcase import Exhibit
from bot.ui import adapter_page, cards
from bot.ui.views import button, view_of
from trainer.contract import looks

if TYPE_CHECKING:
    from bot.client import DarkroomBot

log = structlog.get_logger(__name__)


def embed(exhibit: Exhibit, filename: str) -> discord.Embed:
    """Who drew it, what was asked for, and where."""
    job = exhibit.job
    shown = discord.Embed(description=f"⭐ {cards.link(job)}\nby <@{job.owner_id}>", colour=looks.DONE)
    return shown.set_image(url=f"attachment://{filename}")


def under(exhibit: Exhibit) -> discord.ui.View:
    """For everybody there."""
    job_id, place = exhibit.job.id, exhibit.picture.position
    return view_of(
        button("remix", job_id, "Remix", place=place, emoji="✏️"),
        button("settings", job_id, "Settings", place=place, emoji="⚙️"),
        button("made", job_id, "Adapters", place=place, emoji="🧩"),
        button("star", job_id, "Favourite", place=place, emoji="⭐"),
    )


async def exhibit_all(bot: DarkroomBot, job_id: str) -> None:
    """Put what has got enough stars into the channel. A channel that can't be reached is logged, and tried again."""
    for exhibit in await bot.services.showcase.claim(job_id):
        file = await adapter_page.picture_file(bot.services.blobs, exhibit.picture, "picture")
        if file is None:
            continue
        channel = bot.get_partial_messageable(exhibit.channel_id)
        nonce = f"s{exhibit.job.id}-{exhibit.picture.position}"[-25:]
        try:
            sent = await channel.send(embed=embed(exhibit, file.filename), file=file, view=under(exhibit), nonce=nonce)
            await bot.services.showcase.hang(exhibit, sent.id)
        except discord.HTTPException as error:
            log.warning("showcase.not_reached", channel=exhibit.channel_id, job=exhibit.job.id, error=str(error))
            await bot.services.showcase.give_up(exhibit)
    await take_down_fallen(bot)  # what was reported while it was put there


async def take_down_fallen(bot: DarkroomBot) -> None:
    """Delete the messages of what was deleted or reported. One that can't be now is tried at the next time."""
    for hung in await bot.services.showcase.fallen():
        try:
            await bot.herald.delete_message(hung.channel_id, hung.message_id)
        except discord.HTTPException as error:
            log.warning("showcase.not_taken_down", channel=hung.channel_id, job=hung.job_id, error=str(error))
        else:
            await bot.services.showcase.forget(hung)
