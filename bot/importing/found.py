"""What an imported file says of itself, what a page on the web says of it, and what goes between bot and child."""

from __future__ import annotations

import msgspec

from trainer.contract.adapter_headers import AdapterIdentity


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all of them."""


class Licence(Value, frozen=True):
    """What may be done with an adapter and what it draws."""

    credit: bool = True  # its maker is to be named
    commercial: bool = False  # pictures that it made may be sold
    derivatives: bool = True  # it may be merged into others


class Page(Value, frozen=True):
    """What a page on the web says of a file; more than the file's own header, and believed before it."""

    address: str
    title: str = ""
    maker: str = ""
    trigger_words: tuple[str, ...] = ()
    base_model: str = ""  # as the page names it: SD 1.5, SDXL 1.0, stabilityai/stable-diffusion-xl-base-1.0
    weights: tuple[float, float, float] | None = None  # recommended: from, best, to
    description: str = ""
    licence: Licence | None = None
    age_restricted: bool = False


class Found(Value, frozen=True):
    """What was found in a file that may be used."""

    identity: AdapterIdentity
    used: int  # keys that act
    unused: tuple[str, ...] = ()  # some of those that do not
    ranks: tuple[int, int] = (0, 0)  # the least and the greatest of its layers; 0: a whole difference
    vectors: int = 0  # of a textual inversion: how many tokens of a prompt it takes
    trigger_words: tuple[str, ...] = ()  # as the header gives them
    proposed_words: tuple[str, ...] = ()  # what its training captions all had; nobody says that it is a trigger
    weight: float | None = None  # recommended
    base_hash: str | None = None  # SHA-256 of the base that it was trained on
    title: str = ""
    size_bytes: int = 0  # of the file as it is kept

    @property
    def keys(self) -> int:
        """How many there are."""
        return self.identity.keys


class Asked(Value, frozen=True):
    """One file for the child. ``kept``: where it writes the file as it may be kept."""

    path: str
    filename: str
    kept: str
    widths: tuple[int, ...] = ()  # channels of what the UNets attend to that are here, besides the three families' own


class Said(Value, frozen=True):
    """What the child says of it: either of the two."""

    found: Found | None = None
    error: str | None = None
