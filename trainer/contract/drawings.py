"""What is to be drawn: one frozen message a picture, with nothing left open but what the base model decides.

The bot expands whatever stands for several pictures (a count, ``{a|b}``, an X/Y grid) into one drawing each, so that
the worker knows of pictures alone.
"""

from __future__ import annotations

from typing import Literal

from trainer.contract.message import Message

AdapterKind = Literal["lora", "textual_inversion", "checkpoint"]
Emphasis = Literal["original", "no_norm", "ignore"]
"""How ``(words:1.3)`` act, as A1111's setting of that name says: original restores the mean, no_norm does not."""


class AdapterUse(Message, frozen=True):
    """One adapter in one prompt."""

    name: str  # as written, for the settings text
    blob: str  # path of its safetensors file
    weight: float
    kind: AdapterKind = "lora"
    trigger: str = ""  # the word that its vectors stand for, if it has any
    te_weight: float | None = None  # on the text encoders; None: as `weight`


class HighRes(Message, frozen=True):
    """A second pass over the enlarged picture (A1111's Hires. fix)."""

    scale: float = 2.0
    strength: float = 0.7
    steps: int | None = None  # None: as many as the first pass
    upscaler: str = "Latent"


class Upscale(Message, frozen=True):
    """The finished picture enlarged, without drawing again."""

    scale: float = 2.0
    upscaler: str = "Lanczos"


class DrawingSettings(Message, frozen=True):
    """How to draw. None means the base's default."""

    sampler: str | None = None  # by A1111's name
    scheduler: str | None = None  # A1111's "Schedule type"
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    guidance_rescale: float = 0.0  # Lin et al. 2023, §3.4
    clip_skip: int = 1  # 1 is the text encoder's last layer, as A1111 counts
    width: int | None = None
    height: int | None = None
    emphasis: Emphasis = "original"
    vae: str | None = None  # by name; None: the base's own
    strength: float | None = None  # of a drawing from a picture (A1111's Denoising strength); 0 keeps it as it is
    variation_seed: int | None = None
    variation_strength: float = 0.0
    high_res: HighRes | None = None
    upscale: Upscale | None = None


class Source(Message, frozen=True):
    """A picture to draw from, by its blob path."""

    picture: str
    mask: str | None = None  # of the picture's size: white is drawn anew, black stays
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)  # pixels added at the left, top, right and bottom


class Drawing(Message, frozen=True):
    """One picture."""

    prompt: str  # as used: tags taken out or replaced by triggers, choices made
    prompt_written: str  # as it stands in the picture's settings, with its tags
    negative_prompt: str
    seed: int
    adapters: tuple[AdapterUse, ...] = ()
    settings: DrawingSettings = DrawingSettings()
    source: Source | None = None
    template: str = ""  # what the prompt's choices were made of, for the settings text; empty where there were none
    negative_template: str = ""


class Axis(Message, frozen=True):
    """What changes along one side of a grid, and what is written at each of its places."""

    name: str
    labels: tuple[str, ...]


class Grid(Message, frozen=True):
    """A sheet of pictures, row by row: ``x`` changes fastest."""

    x: Axis
    y: Axis | None = None
