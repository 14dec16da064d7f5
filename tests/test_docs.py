"""The docs name every setting, every command with its options, and only make targets that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from discord import app_commands
from discord.ext import commands

from bot.cogs.adapters import AdapterCog
from bot.cogs.imagine import ImagineCog
from bot.cogs.jobs import JobsCog
from bot.cogs.photos import PhotosCog
from bot.cogs.train import TrainCog
from bot.recipes import METHODS, SETTINGS, Setting
from bot.settings import Settings
from trainer.settings import WorkerSettings

ROOT = Path(__file__).parents[1]
COGS: tuple[type[commands.Cog], ...] = (TrainCog, PhotosCog, ImagineCog, AdapterCog, JobsCog)


def options() -> Iterator[tuple[str, str]]:
    """(command, option) of every slash command."""
    for cog in COGS:
        prefix = f"{cog.__cog_group_name__} " if issubclass(cog, commands.GroupCog) else ""
        command: app_commands.Command[Any, ..., Any]
        for command in cog.__cog_app_commands__:
            yield f"{prefix}{command.name}", ""
            for parameter in command.parameters:
                yield f"{prefix}{command.name}", parameter.name


@pytest.mark.parametrize("setting", sorted({*Settings.model_fields, *WorkerSettings.model_fields}))
def test_every_setting_is_documented(setting: str) -> None:
    assert f"| `{setting.upper()}` |" in (ROOT / "docs" / "settings.md").read_text()


def test_no_setting_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    assert {name.lower() for name in documented} == {*Settings.model_fields, *WorkerSettings.model_fields}


@pytest.mark.parametrize(("command", "option"), list(options()))
def test_every_command_and_option_is_documented(command: str, option: str) -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    assert f"`/{command}`" in text
    assert not option or f"`{option}`" in text or re.fullmatch(r"photo[2-9]", option)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_advanced_setting_is_documented_with_its_range_and_methods(setting: Setting) -> None:
    lines = (ROOT / "docs" / "commands.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.count("|") == 7]
    ((_, _, _, bounds, methods, _),) = [row for row in rows if f"`{setting.key}`" in row[0]]
    assert methods == ("all" if setting.methods == METHODS else ", ".join(setting.methods))
    if setting.most is not None and setting.key != "resolution":  # that depends on the model
        assert [float(bound.replace(",", "")) for bound in bounds.split(" to ")] == [setting.least, setting.most]


def test_the_readme_names_targets_and_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"\bmake ([a-z]+)", readme))
    assert targets <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for link in re.findall(r"\]\((?!http)([^)#]+)", readme):
        assert (ROOT / link).exists(), link


def test_the_invite_link_asks_for_what_is_used_and_no_more() -> None:
    import discord

    asked = re.search(r"permissions=(\d+)", (ROOT / "README.md").read_text())
    assert asked is not None
    used = discord.Permissions(
        view_channel=True, send_messages=True, send_messages_in_threads=True, embed_links=True, attach_files=True,
        read_message_history=True,
    )  # fmt: skip
    assert discord.Permissions(int(asked[1])) == used
