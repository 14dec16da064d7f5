"""What autocomplete offers. It comes back unchecked, so each command looks it up again."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands

from bot.store.records import Adapter, Job
from bot.ui import cards
from trainer.contract.events import BaseInfo

MOST = 25  # Discord's limit, as are 100 characters
_LONGEST = 100


def base_choices(bases: Sequence[BaseInfo], typed: str) -> list[app_commands.Choice[str]]:
    """Base models whose name holds what was typed."""
    return [
        app_commands.Choice(name=f"{base.name} · {base.width} × {base.height}"[:_LONGEST], value=base.name[:_LONGEST])
        for base in bases
        if typed.strip().lower() in base.name.lower()
    ][:MOST]


def adapter_choices(adapters: Sequence[Adapter], viewer_id: int) -> list[app_commands.Choice[str]]:
    """Adapters by the name that this viewer writes."""
    choices = []
    for adapter in adapters[:MOST]:
        name = adapter.name_for(viewer_id)
        choices.append(
            app_commands.Choice(name=f"{name} · {adapter.class_word} · {adapter.base}"[:_LONGEST], value=name)
        )
    return choices


def job_choices(jobs: Sequence[Job], typed: str) -> list[app_commands.Choice[str]]:
    """Jobs by what they do."""
    described = [(cards.describe(job), job.id) for job in jobs]
    return [
        app_commands.Choice(name=words[:_LONGEST], value=job_id)
        for words, job_id in described
        if typed.strip().lower() in words.lower()
    ][:MOST]


def size_choices(bases: Sequence[BaseInfo], model: str | None, typed: str) -> list[app_commands.Choice[str]]:
    """Square, portrait and landscape of the base, in the sizes that it was made for."""
    base = next((base for base in bases if base.name == model), bases[0] if bases else None)
    if base is None:
        return []
    side, long = base.width, min(base.max_side, base.width * 3 // 2 // 8 * 8)
    sizes = {f"{side}x{side}": "square", f"{side}x{long}": "portrait", f"{long}x{side}": "landscape"}
    return [
        app_commands.Choice(name=f"{size} · {words}", value=size)
        for size, words in sizes.items()
        if typed.strip().lower() in f"{size} {words}"
    ]
