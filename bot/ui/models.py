"""The models, as members see them."""

from __future__ import annotations

import discord

from bot.bases.overview import Overview, Shelf
from bot.store.records import Adapter
from bot.ui import cards
from trainer.contract import looks
from trainer.contract.adapter_marks import TITLES

_DESCRIPTION, _FIELD = 4_096, 1_024  # Discord's limits


def card(overview: Overview, viewer_id: int) -> discord.Embed:
    """Bases with what is to be known of them, the default first; then what members made of them."""
    embed = discord.Embed(title="Models", colour=looks.DONE if overview.shelves else looks.WAITING)
    lines = [_base(shelf, is_default=not number) for number, shelf in enumerate(overview.shelves)]
    text = cards.fitting(lines, _DESCRIPTION, "and {} more; typing in `model` finds them")
    embed.description = text or "None yet: no worker has said what it has. Try again in a minute."
    if overview.checkpoints:
        made = [_checkpoint(adapter, viewer_id) for adapter in overview.checkpoints]
        more = "and {} more; `/gallery` shows all"
        embed.add_field(name="Whole models of members", value=cards.fitting(made, _FIELD, more), inline=False)
    return embed


def _base(shelf: Shelf, *, is_default: bool) -> str:
    info = shelf.info
    count = f"{shelf.adapters:,} adapter{'' if shelf.adapters == 1 else 's'}"
    count_of_workers = f"{len(shelf.devices)} worker{'' if len(shelf.devices) == 1 else 's'}"
    devices = ", ".join(looks.plain(device) for device in dict.fromkeys(shelf.devices))
    where = f"{count_of_workers} ({devices})" if shelf.devices else "no worker has it now"
    default = " · taken where none is chosen" if is_default else ""
    return (
        f"**{looks.plain(info.name)}** · {TITLES[info.family]} · {info.width} × {info.height},"
        f" up to {info.max_side:,} a side{default}\n{looks.plain(info.hash)} · {count} · {where}"
    )


def _checkpoint(adapter: Adapter, viewer_id: int) -> str:
    return f"`{cards.tag(adapter, viewer_id)}` · made of {looks.plain(adapter.base)} · {looks.size(adapter.size_bytes)}"
