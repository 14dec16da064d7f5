"""What ``darkroom models`` and ``darkroom convert`` ask the trainer's children, and what they say."""

from __future__ import annotations

from typing import Literal

from trainer.contract.message import Message


class Look(Message, frozen=True):
    """To ``python -m trainer.models.inventory``: what lies there?"""

    folder: str | None = None  # a whole DARKROOM_BASES, or none: the embedded base
    place: str | None = None  # one file, or one folder in diffusers format
    hashes: str | None = None  # the book of hashes that are known; None: none are counted


class SeenBase(Message, frozen=True):
    """A base that can be used."""

    name: str
    place: str
    family: Literal["sd1", "sd2", "sdxl"]
    width: int
    height: int
    size_bytes: int
    hash: str = ""
    embedded: bool = False


class Seen(Message, frozen=True):
    """What there is, and a sentence for each that can't be used."""

    bases: tuple[SeenBase, ...] = ()
    refused: tuple[str, ...] = ()


class Conversion(Message, frozen=True):
    """To ``python -m trainer.models.converting``: a pickle's tensors into a new .safetensors file."""

    source: str
    target: str


class Converted(Message, frozen=True):
    """What came of it: either an error, one sentence, or what the new file holds."""

    error: str = ""
    tensors: int = 0
    size_bytes: int = 0
    made_for: str = ""  # what its header says it is
