"""What members type, as it comes from Discord: each text goes through ``clean`` here before anything else is done."""

from __future__ import annotations

from typing import Any

import discord

from trainer.contract.looks import clean


def clean_options(options: list[dict[str, Any]]) -> None:
    """Take out of all texts what nobody sees, in place: before any command reads them, and in subcommands, too."""
    for option in options:
        if isinstance(option.get("value"), str):
            option["value"] = clean(option["value"])
        clean_options(option.get("options", []))


class TextField(discord.ui.TextInput[Any]):
    """The field of a form for text, without what nobody sees."""

    @property
    def value(self) -> str:
        """What was typed."""
        return clean(super().value)
