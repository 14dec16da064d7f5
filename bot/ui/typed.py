"""What members type into the options of commands, as it comes from Discord."""

from __future__ import annotations

from typing import Any

from trainer.contract.looks import clean


def clean_options(options: list[dict[str, Any]]) -> None:
    """Take out of all texts what nobody sees, in place: before any command reads them, and in subcommands, too."""
    for option in options:
        if isinstance(option.get("value"), str):
            option["value"] = clean(option["value"])
        clean_options(option.get("options", []))
