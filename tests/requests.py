"""Requests for pictures, as the bot writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.contract.drawings import AdapterUse, Drawing, DrawingSettings
from trainer.contract.requests import Card, ImagineRequest


def picture_request(
    card: Card,
    prompt: str = "a fox",
    *,
    job_id: str = "7",
    base: str = "emoji-64",
    negative_prompt: str = "",
    adapters: Sequence[AdapterUse] = (),
    seed: int = 11,
    count: int = 1,
    **settings: Any,
) -> ImagineRequest:
    """``count`` pictures whose seeds count up; ``settings`` are those of :class:`DrawingSettings`."""
    drawings = tuple(
        Drawing(
            prompt=prompt, prompt_written=prompt, negative_prompt=negative_prompt, seed=seed + place,
            adapters=tuple(adapters), settings=DrawingSettings(**settings),
        )
        for place in range(count)
    )  # fmt: skip
    return ImagineRequest(job_id=job_id, attempt=1, base=base, drawings=drawings, card=card)
