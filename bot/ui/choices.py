"""What options offer. What autocomplete offers comes back unchecked, so each command looks it up again."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands

from bot.errors import UserError
from bot.likeness import PERSONS
from bot.sizes import ASPECTS, fit, read_size
from bot.store.records import Adapter, Job
from bot.ui import cards
from trainer.contract import looks
from trainer.contract.events import BaseInfo
from trainer.contract.requests import Method, Preset
from trainer.contract.samplers import suggest_samplers

MOST = 25  # Discord's limit, as are 100 characters
_LONGEST = 100


_METHODS: dict[Method, str] = {
    "lora": "LoRA: quick, a small file, good for nearly everything",
    "textual_inversion": "Textual inversion: a new word only, a file of kilobytes",
    "pivotal": "Pivotal: a new word and a LoRA on top, closer to the photos",
    "dreambooth": "DreamBooth: the whole model learns, the closest and the slowest",
}
_PRESETS: dict[Preset, str] = {
    "fast": "Fast: a first look",
    "balanced": "Balanced: what most photos need",
    "detailed": "Detailed: longer, and more of the model learns",
}
PERSON_CHOICES = [app_commands.Choice[str](name=words, value=likeness) for likeness, words in PERSONS.items()]
METHOD_CHOICES = [app_commands.Choice[str](name=words, value=method) for method, words in _METHODS.items()]
PRESET_CHOICES = [app_commands.Choice[str](name=words, value=preset) for preset, words in _PRESETS.items()]


def base_choices(bases: Sequence[BaseInfo], typed: str) -> list[app_commands.Choice[str]]:
    """Base models whose name holds what was typed."""
    return [
        app_commands.Choice(
            name=looks.cut(f"{base.name} · {base.width} × {base.height}", _LONGEST), value=base.name[:_LONGEST]
        )
        for base in bases
        if typed.strip().lower() in base.name.lower()
    ][:MOST]


def adapter_choices(adapters: Sequence[Adapter], viewer_id: int) -> list[app_commands.Choice[str]]:
    """Adapters by the name that this viewer writes."""
    choices = []
    for adapter in adapters[:MOST]:
        name = adapter.name_for(viewer_id)
        words = " · ".join(filter(None, (name, adapter.class_word, adapter.base)))
        choices.append(app_commands.Choice(name=looks.cut(words, _LONGEST), value=name))
    return choices


def job_choices(jobs: Sequence[Job], typed: str) -> list[app_commands.Choice[str]]:
    """Jobs by what they do."""
    described = [(cards.describe(job), job.id) for job in jobs]
    return [
        app_commands.Choice(name=looks.cut(words, _LONGEST), value=job_id)
        for words, job_id in described
        if typed.strip().lower() in words.lower()
    ][:MOST]


def size_choices(bases: Sequence[BaseInfo], model: str | None, typed: str) -> list[app_commands.Choice[str]]:
    """Sizes by their words, with the pixels that the base makes of them; a ratio that was typed, too."""
    base = next((base for base in bases if base.name == model), bases[0] if bases else None)
    if base is None:
        return []
    aspects = {word: aspect for word, aspect in ASPECTS.items() if typed.strip().lower() in word}
    try:
        if (aspect := read_size(typed).aspect) is not None:
            aspects.setdefault(typed.strip().lower(), aspect)
    except UserError:
        pass
    return [
        app_commands.Choice(name="{} · {} × {}".format(word, *fit(aspect, base)), value=word)
        for word, aspect in aspects.items()
    ]


def sampler_choices(typed: str) -> list[app_commands.Choice[str]]:
    """Samplers with their schedulers, as one name."""
    return [app_commands.Choice(name=name, value=name) for name in suggest_samplers(typed[:_LONGEST], limit=MOST)]
