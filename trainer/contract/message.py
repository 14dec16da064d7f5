"""The base of everything that crosses the border between the bot and the trainer."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Immutable, and unknown fields are refused."""
