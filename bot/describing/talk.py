"""What the bot asks the child that reads pictures, and what it answers."""

from __future__ import annotations

import msgspec

from trainer.contract.infotext import Infotext


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, and what its member calls it."""

    path: str
    filename: str


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the file, None for no settings; or what is wrong with it."""

    found: Infotext | None = None
    error: str | None = None
