"""The buttons under a card: an action and an opaque id each. What they do, also after a restart, is in `buttons.py`."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.store.records import Adapter, Job
from bot.ui.choosing import choice_menu
from trainer.contract import looks
from trainer.contract.names import Action, button_id

_LONGEST_LABEL = 80
MOST_CANCELS = 5


def view_of(*items: discord.ui.Item[discord.ui.View]) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()  # its clicks are answered by `buttons.py`; discord.py would else keep every view of every message
    return view


def button(
    action: Action, job_id: str, label: str, *, place: int | None = None, emoji: str | None = None,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary, row: int | None = None,
) -> discord.ui.Button[discord.ui.View]:  # fmt: skip
    shown = looks.cut(label, _LONGEST_LABEL)
    custom_id = button_id(action, job_id, place)
    return discord.ui.Button(label=shown, custom_id=custom_id, emoji=emoji, style=style, row=row)


def under_waiting(job: Job) -> discord.ui.View:
    """Stop it; look at a training's photos."""
    photos = [button("crops", job.id, "Show the photos", emoji="🔍")] if job.lane == "train" else []
    return view_of(*photos, button("cancel", job.id, "Cancel"))


def under_paused(job_id: str) -> discord.ui.View:
    """Go on, or stop it."""
    return view_of(
        button("resume", job_id, "Resume", emoji="▶️", style=discord.ButtonStyle.primary),
        button("cancel", job_id, "Cancel"),
    )


def under_review(job_id: str, *, can_drop: bool) -> discord.ui.View:
    """Learn from all photos, or from those without a finding; look at them; stop it."""
    drop = [button("drop", job_id, "Leave them out", style=discord.ButtonStyle.primary)] if can_drop else []
    return view_of(
        *drop,
        button("train", job_id, "Train anyway"),
        button("crops", job_id, "Show the photos", emoji="🔍"),
        button("cancel", job_id, "Cancel"),
    )


def under_training(job_id: str, examples: Sequence[str], adapter: Adapter | None) -> discord.ui.View:
    """Prompts to try, sharing, the exact settings, and the adapter's other versions where there are any.

    Under a merge also a form to draw with it.
    """
    tries = [
        button("example", job_id, words, place=place, style=discord.ButtonStyle.primary, row=0)
        for place, words in enumerate(examples[:5])
    ]
    menu = choice_menu(job_id, adapter, row=2) if adapter is not None else None
    choices = [menu] if menu is not None else []
    share = button("share", job_id, "Share", emoji="🤝", row=1)
    merged = adapter is not None and adapter.origin == "merged"
    use = [button("use", adapter.id, "Use it", emoji="🎨", row=1)] if adapter is not None and merged else []
    return view_of(*tries, *use, share, button("settings", job_id, "Settings", emoji="⚙️", row=1), *choices)


def under_ended(job: Job) -> discord.ui.View | None:
    """Once more, after it failed or was cancelled; a merge is said anew."""
    if job.lane == "merge":
        return None
    return view_of(button("retry" if job.lane == "train" else "again", job.id, "Try again", emoji="🔁"))


def under_jobs(active: Sequence[Job], names: Sequence[str]) -> discord.ui.View | None:
    """Buttons that stop each of the first few jobs, or pause it or let it go on, a row a job."""
    buttons: list[discord.ui.Button[discord.ui.View]] = []
    for row, (job, name) in enumerate(list(zip(active, names, strict=True))[:MOST_CANCELS]):
        buttons.append(button("cancel", job.id, f"Cancel {name}", row=row))
        if job.held == "paused":
            buttons.append(button("resume", job.id, f"Resume {name}", row=row))
        elif job.lane == "train" and job.held is None:
            buttons.append(button("pause", job.id, f"Pause {name}", row=row))
    return view_of(*buttons) if buttons else None


def under_description() -> discord.ui.View:
    """Draw what is described; the message itself holds it."""
    return view_of(button("paste", "0", "Draw this", emoji="🎨"))


def under_erasing() -> discord.ui.View:
    """Delete everything of whoever presses it."""
    style = discord.ButtonStyle.danger
    return view_of(button("erase", "0", "Delete everything of mine for good", style=style))


def under_forgetting(adapter_id: str, name: str) -> discord.ui.View:
    """Delete an adapter for good."""
    return view_of(button("forget", adapter_id, f"Delete {name} for good", style=discord.ButtonStyle.danger))
