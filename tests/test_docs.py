"""The docs name every setting, every command with its options, and only make targets that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from discord import app_commands
from discord.ext import commands

from bot.advanced import read_advanced
from bot.cogs.adapters import AdapterCog
from bot.cogs.describe import DescribeCog
from bot.cogs.favourites import FavouritesCog
from bot.cogs.grid import GridCog
from bot.cogs.imagine import ImagineCog
from bot.cogs.jobs import JobsCog
from bot.cogs.merging import CheckpointCog, MergeCog
from bot.cogs.models import ModelsCog
from bot.cogs.photos import PhotosCog
from bot.cogs.settings import SettingsCog
from bot.cogs.styles import StyleCog
from bot.cogs.train import TrainCog
from bot.cogs.wildcards import WildcardCog
from bot.recipes import METHODS, SETTINGS, Setting
from bot.settings import Settings
from trainer.adapters.files import read_header, write_lora
from trainer.settings import WorkerSettings

ROOT = Path(__file__).parents[1]
DOCS = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))])
COGS: tuple[type[commands.Cog], ...] = (
    TrainCog,
    PhotosCog,
    ImagineCog,
    AdapterCog,
    JobsCog,
    ModelsCog,
    DescribeCog,
    FavouritesCog,
    GridCog,
    WildcardCog,
    StyleCog,
    SettingsCog,
    MergeCog,
    CheckpointCog,
)


def options() -> Iterator[tuple[str, str]]:
    """(command, option) of every slash command."""
    for cog in COGS:
        prefix = f"{cog.__cog_group_name__} " if issubclass(cog, commands.GroupCog) else ""
        command: app_commands.Command[Any, ..., Any]
        for command in cog.__cog_app_commands__:
            yield f"{prefix}{command.name}", ""
            for parameter in command.parameters:
                yield f"{prefix}{command.name}", parameter.display_name


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


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    shown = re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
    for link, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", shown):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), f"{link}#{anchor}"


def headings(page: Path) -> set[str]:
    """As GitHub names them in addresses."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_file_of_a_room_that_is_named_exists(page: Path) -> None:
    rooms = "bot|common|migrations|sandbox|tests|trainer"
    for path in re.findall(rf"`((?:{rooms})/[\w/.-]*)`", page.read_text()):
        assert (ROOT / path).exists(), path


def test_files_in_the_table_of_papers_exist() -> None:
    [table] = re.findall(r"\| what \| where in `trainer/` \| after \|\n((?:\|.*\n)+)", training_page())
    paths = re.findall(r"`([\w/]+\.py)`", table)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / "trainer" / path).exists()] == []


def test_the_lines_that_write_a_lora_for_others_do_so(tmp_path: Path) -> None:
    [lines] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "files.md").read_text(), re.DOTALL)
    module = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    weights = {f"{module}.lora_A.weight": torch.ones(4, 8), f"{module}.lora_B.weight": torch.ones(8, 4)}
    source, target = tmp_path / "source.safetensors", tmp_path / "thnos.safetensors"
    source.write_bytes(write_lora(weights, {}))
    paths = iter([source, target])
    exec(re.sub(r'Path\("[^"]+"\)', lambda _: f"Path({str(next(paths))!r})", lines), {})
    assert any(name.startswith("lora_unet_mid_block") for name in read_header(target.read_bytes())[0])


def training_page() -> str:
    return (ROOT / "docs" / "training.md").read_text()


def test_the_names_of_other_trainers_are_those_that_are_understood() -> None:
    [table] = re.findall(r"\| there \| here \|\n\|---\|---\|\n((?:\|.*\n)+)", training_page())
    rows = [re.findall(r"`(\w+)`", row) for row in table.splitlines()]
    assert {key: set(names) for *names, key in rows} == {s.key: set(s.aliases) for s in SETTINGS if s.aliases}


def test_the_example_for_who_knows_other_trainers_is_taken() -> None:
    [example] = re.findall(r"`(network_dim: [^`]+)`", training_page())
    recipe = read_advanced(example)
    assert (recipe.rank, recipe.lora_alpha, recipe.learning_rate) == (32, 16, 1e-4)


def test_the_invite_link_asks_for_what_is_used_and_no_more() -> None:
    import discord

    asked = re.search(r"permissions=(\d+)", (ROOT / "README.md").read_text())
    assert asked is not None
    used = discord.Permissions(
        view_channel=True, send_messages=True, send_messages_in_threads=True, embed_links=True, attach_files=True,
        read_message_history=True,
    )  # fmt: skip
    assert discord.Permissions(int(asked[1])) == used
