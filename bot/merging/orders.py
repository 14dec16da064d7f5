"""What the cogs hand to the merging service."""

from __future__ import annotations

from bot.orders import Order, Origin
from trainer.contract.merges import AdapterMethod, ModelMethod


class MergeOrder(Order, frozen=True):
    """``/merge``: the adapters of a prompt become one, or become part of a whole model."""

    origin: Origin
    prompt: str
    name: str
    into: str | None = None  # a base, or a member's checkpoint
    method: AdapterMethod = "exact"
    rank: int | None = None
    density: float | None = None
    seed: int | None = None


class ModelsOrder(Order, frozen=True):
    """``/checkpoint merge``: A and B, and C of a difference; names of bases, or of members' checkpoints."""

    origin: Origin
    name: str
    a: str
    b: str
    c: str | None = None
    method: ModelMethod = "weighted_sum"
    alpha: float | None = None
    blocks: str | None = None
    vae: str | None = None


class ExtractOrder(Order, frozen=True):
    """``/checkpoint extract``: what ``tuned`` has over ``original``, as a LoRA."""

    origin: Origin
    name: str
    tuned: str
    original: str | None = None  # None: the base that `tuned` was made of
    rank: int | None = None
