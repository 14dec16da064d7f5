"""What the options of `/imagine` ask for, over what was pasted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bot.errors import UserError, quoted
from bot.orders import Order
from bot.pasted import Pasted, holds_settings, read_pasted
from bot.sizes import read_size
from trainer.contract import looks
from trainer.contract.drawings import DrawingSettings, HighRes, Upscale
from trainer.contract.events import BaseInfo
from trainer.contract.samplers import find_sampler

LANCZOS = Upscale().upscaler


class Wish(Order, frozen=True):
    """What is to be drawn, before the prompt's adapters are looked up. ``ignored``: what has no effect."""

    prompt: str
    negative_prompt: str = ""
    base: str | None = None
    seed: int | None = None
    count: int = 1
    strict: bool = False
    aspect: float | None = None
    settings: DrawingSettings = DrawingSettings()
    ignored: tuple[str, ...] = ()


def make_wish(
    prompt: str,
    pasted: str | None,
    bases: Sequence[BaseInfo],
    *,
    negative_prompt: str | None = None,
    model: str | None = None,
    seed: int | None = None,
    count: int | None = None,
    strict: bool = False,
    size: str | None = None,
    sampler: str | None = None,
    has_source: bool = False,
    **settings: Any,
) -> Wish:
    """Lay the options that were given over the ``pasted`` settings, or over those that a prompt was pasted with.

    ``settings`` are those of :class:`DrawingSettings` by their names; None: the option was not given. What is pasted is
    strict: its words are as they are to be. Raises UserError.
    """
    found, prompt = _read(prompt, pasted)
    width, height, aspect = read_size(size)
    changes = {"width": width, "height": height, **_sampler(sampler), **settings}
    wished: DrawingSettings = msgspec.structs.replace(
        found.settings, **{name: value for name, value in changes.items() if value is not None}
    )
    if aspect is not None:
        wished = msgspec.structs.replace(wished, width=None, height=None)
    if settings.get("variation_seed") is not None and not wished.variation_strength:
        raise UserError("variation_seed does nothing without `variation_strength`: give that too, for example 0.2.")
    wished, ignored = _without_what_has_no_effect(wished, found, prompt, has_source=has_source)
    base, missing = find_model(found, bases) if model is None else (model, ())
    return Wish(
        prompt=prompt,
        negative_prompt=found.negative_prompt if negative_prompt is None else negative_prompt,
        base=base,
        seed=found.seed if seed is None else seed,
        count=found.count if count is None else count,
        strict=strict or found.is_pasted,
        aspect=aspect,
        settings=wished,
        ignored=(*ignored, *missing),
    )


def find_model(found: Pasted, bases: Sequence[BaseInfo]) -> tuple[str | None, tuple[str, ...]]:
    """The base that pasted settings name, by its hash or its name; without it the sentence that says so."""
    if found.model is None and found.model_hash is None:
        return None, ()
    name, hash_ = (found.model or "").lower(), (found.model_hash or "").lower()
    by_hash = [base.name for base in bases if len(hash_) >= 8 and base.hash.lower().startswith(hash_)]
    by_name = [base.name for base in bases if base.name.lower() == name]
    if by_hash or by_name:
        return (by_hash or by_name)[0], ()
    return None, (f"The model {quoted(found.model or hash_)} of the settings is not here, so another one draws.",)


def _read(prompt: str, pasted: str | None) -> tuple[Pasted, str]:
    """What was pasted, if anything, and the prompt."""
    in_prompt = holds_settings(prompt)
    if pasted is None or not pasted.strip():
        found = read_pasted(prompt if in_prompt else "")
        return found, found.prompt if in_prompt else prompt
    if in_prompt:
        raise UserError("Settings were pasted into `prompt` and into `settings`: leave one of them out.")
    found = read_pasted(pasted)
    if not found.is_pasted:
        raise UserError(
            f"{quoted(pasted)} holds no settings: paste what a picture's settings say, for example"
            " `Steps: 20, Sampler: Euler a, Seed: 5`."
        )
    return found, prompt


def _sampler(written: str | None) -> dict[str, str]:
    if written is None or not written.strip():
        return {}
    try:
        sampler, scheduler = find_sampler(written)
    except ValueError as error:
        raise UserError(looks.sentence(str(error))) from error
    return {"sampler": sampler, "scheduler": scheduler}


def _without_what_has_no_effect(
    settings: DrawingSettings, found: Pasted, prompt: str, *, has_source: bool
) -> tuple[DrawingSettings, tuple[str, ...]]:
    """The settings that act, and a sentence for each of the others."""
    ignored: list[str] = []
    if found.prompt and found.prompt != prompt:
        ignored.append("The prompt of the settings was ignored, for `prompt` says another.")
    if settings.strength is not None and not has_source:
        ignored.append("Denoising strength does nothing without a picture to draw from.")
        settings = msgspec.structs.replace(settings, strength=None)
    settings, replaced = _with_upscalers_that_are_here(settings)
    ignored += replaced
    if found.ignored:
        do = "does" if len(found.ignored) == 1 else "do"
        ignored.append(f"{', '.join(map(quoted, found.ignored))} of the settings {do} nothing here.")
    return settings, tuple(ignored)


def _with_upscalers_that_are_here(settings: DrawingSettings) -> tuple[DrawingSettings, list[str]]:
    """Lanczos in place of any model that enlarges, and a sentence for each; a second pass may enlarge latents, too."""
    changes: dict[str, HighRes | Upscale] = {}
    names: list[str] = []
    if (high_res := settings.high_res) is not None and not _is_known(high_res.upscaler, "latent", "lanczos"):
        changes["high_res"] = msgspec.structs.replace(high_res, upscaler=LANCZOS)
        names.append(high_res.upscaler)
    if (upscale := settings.upscale) is not None and not _is_known(upscale.upscaler, "lanczos"):
        changes["upscale"] = msgspec.structs.replace(upscale, upscaler=LANCZOS)
        names.append(upscale.upscaler)
    sentences = [f"The upscaler {quoted(name)} is not here, so {LANCZOS} enlarges." for name in names]
    return msgspec.structs.replace(settings, **changes), sentences


def _is_known(upscaler: str, *known: str) -> bool:
    return upscaler.strip().lower().startswith(known)
