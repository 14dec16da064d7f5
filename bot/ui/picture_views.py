"""The buttons under pictures: what is done with all of them, and with each. What they do is in `picture_buttons.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord

from bot.redrawing import is_enlarged, words_to_toggle
from bot.store.records import AdapterPick, Job
from bot.ui.views import button, view_of
from trainer.contract import looks
from trainer.contract.names import Action, button_id

MOST_NUMBERS = 8  # in two rows of four, which a thumb can hit; more are put into menus
MOST_OPTIONS = 25  # Discord's limit
LAST_ROW = 4  # as is this
WHICH = "Choose a picture to vary or enlarge"
FAVOURITE = "Favourite"
REDRAWING: dict[Action, str] = {
    "subtle": "Vary (subtle)", "strong": "Vary (strong)", "upscale": "Upscale ×2", "highres": "High-res ×1.5",
}  # fmt: skip
_Item = discord.ui.Item[discord.ui.View]


def under_pictures(job: Job) -> discord.ui.View:
    """Draw again, change, look up, keep, delete; below it each picture's number, or what a single one can become."""
    count = len(job.imagine.drawings)
    each = _redrawing(job, 0, row=1) if count == 1 else _numbers(job.id, count)
    return view_of(
        button("again", job.id, "Again", emoji="🔁", style=discord.ButtonStyle.primary, row=0),
        button("remix", job.id, "Remix", emoji="✏️", row=0),
        button("settings", job.id, "Settings", emoji="⚙️", row=0),
        button("favourite", job.id, FAVOURITE, emoji="⭐", row=0),
        button("delete", job.id, "Delete", emoji="🗑️", row=0),
        *each,
        *_report(job),
        *_words(job),
    )


def _words(job: Job) -> list[_Item]:
    """Draw with the trigger words of an adapter that was brought in, or without them again; where there is room."""
    words, adding = words_to_toggle(job.imagine)
    count = len(job.imagine.drawings)
    row = 1 if count == 1 else 3 if count <= MOST_NUMBERS else 1 + -(-count // MOST_OPTIONS)
    if not words or row > LAST_ROW:
        return []
    return [button("words", job.id, f"{'Add' if adding else 'Leave out'} {words}", emoji="💬", row=row)]


def _report(job: Job) -> list[_Item]:
    """Tell the moderators; in a direct message there are none."""
    count = len(job.imagine.drawings)
    row = 2 if count == 1 else 3 if count <= MOST_NUMBERS else 1 + -(-count // MOST_OPTIONS)
    if job.guild_id is None or row > LAST_ROW:
        return []
    return [button("report", job.id, "Report", place=0, emoji="🚩", row=row)]


def of_picture(job: Job, place: int, *, favourite: bool) -> discord.ui.View:
    """All that can be done with one of several pictures."""
    has_adapters = bool(job.imagine.picks(place))
    made = [button("made", job.id, "Adapters", place=place, emoji="🧩", row=1)] if has_adapters else []
    keeping = "No favourite any more" if favourite else FAVOURITE
    return view_of(
        *_redrawing(job, place, row=0),
        button("remix", job.id, "Remix", place=place, emoji="✏️", row=1),
        button("settings", job.id, "Settings", place=place, emoji="⚙️", row=1),
        button("favourite", job.id, keeping, place=place, emoji="⭐", row=1),
        *made,
    )


def to_pages(picks: Sequence[AdapterPick]) -> discord.ui.View:
    """A menu of adapters that opens their pages."""
    menu: discord.ui.Select[Any] = discord.ui.Select(custom_id=button_id("open", "0"), placeholder="Open a page")
    for adapter_id, written in {pick.adapter_id: pick.written for pick in picks}.items():
        menu.add_option(label=looks.cut(written, 100), value=adapter_id)
    return view_of(menu)


def _redrawing(job: Job, place: int, *, row: int) -> list[_Item]:
    """None for what was only enlarged: the picture that it came from has them."""
    if is_enlarged(job.imagine.drawings[place]):
        return []
    return [button(action, job.id, words, place=place, row=row) for action, words in REDRAWING.items()]


def _numbers(job_id: str, count: int) -> list[_Item]:
    if count <= MOST_NUMBERS:
        across = 4 if count > 5 else count
        return [
            button("picture", job_id, str(place + 1), place=place, row=1 + place // across) for place in range(count)
        ]
    return [_menu(job_id, first, min(first + MOST_OPTIONS, count)) for first in range(0, count, MOST_OPTIONS)]


def _menu(job_id: str, first: int, end: int) -> discord.ui.Select[Any]:
    words = f"{WHICH}, {first + 1} to {end}"
    menu: discord.ui.Select[Any] = discord.ui.Select(
        custom_id=button_id("pictures", job_id, first), placeholder=words, row=1 + first // MOST_OPTIONS
    )
    for place in range(first, end):
        menu.add_option(label=f"Picture {place + 1}", value=str(place))
    return menu
