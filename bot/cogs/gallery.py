"""`/gallery` and `/search`: looking for adapters by what they are, and by words."""

from __future__ import annotations

from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.adapters import Adapters
from bot.browsing import Browsing
from bot.jobs import Jobs
from bot.library import Library
from bot.store.gallery import Asked, Sort
from bot.ui import gallery
from bot.ui.answers import think_privately
from bot.ui.choices import adapter_choices, base_choices
from trainer.contract.drawings import AdapterKind

_KINDS = [
    app_commands.Choice(name="LoRA", value="lora"),
    app_commands.Choice(name="Textual inversion", value="textual_inversion"),
    app_commands.Choice(name="Whole model", value="checkpoint"),
]


class GalleryCog(commands.Cog):
    """Looking through the library. Told to the member alone, for everybody sees what they can use themselves."""

    def __init__(self, adapters: Adapters, library: Library, browsing: Browsing, jobs: Jobs) -> None:
        self._adapters, self._library, self._browsing, self._jobs = adapters, library, browsing, jobs

    @app_commands.command(description="What you can draw with, by pictures")
    @app_commands.describe(
        sort="The newest first unless you choose",
        kind="Of one kind alone",
        base="For one base model alone",
        owner="Of one member alone, by their user name",
        tag="With one tag alone",
    )
    @app_commands.choices(kind=_KINDS)
    async def gallery(
        self,
        interaction: discord.Interaction[Any],
        sort: Literal["new", "used", "liked"] = "new",
        kind: str | None = None,
        base: str | None = None,
        owner: str | None = None,
        tag: str | None = None,
    ) -> None:
        """The first page; buttons lead to the others, also after a restart."""
        chosen: Sort = sort
        kinds: dict[str | None, AdapterKind | None] = {
            "lora": "lora", "textual_inversion": "textual_inversion", "checkpoint": "checkpoint", None: None,
        }  # fmt: skip
        asked = Asked(sort=chosen, kind=kinds.get(kind), base=base, tag=tag)
        await think_privately(interaction)
        page = await self._browsing.open(
            asked, owner=owner, viewer_id=interaction.user.id, guild_id=interaction.guild_id
        )
        await gallery.show(interaction.client, interaction, page)

    @app_commands.command(description="Find adapters by words in names, tags, descriptions, triggers or owners")
    @app_commands.describe(words="A few words; a typing error is forgiven")
    async def search(self, interaction: discord.Interaction[Any], words: app_commands.Range[str, 1, 100]) -> None:
        """The likeliest first."""
        await think_privately(interaction)
        page = await self._browsing.search(words, viewer_id=interaction.user.id, guild_id=interaction.guild_id)
        await gallery.show(interaction.client, interaction, page)

    @gallery.autocomplete("base")
    async def _complete_base(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        return base_choices(await self._jobs.bases(), typed)

    @gallery.autocomplete("tag")
    async def _complete_tag(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        viewer_id, guild_id = interaction.user.id, interaction.guild_id
        found = await self._library.complete_tag(typed, viewer_id=viewer_id, guild_id=guild_id)
        return [app_commands.Choice(name=tag, value=tag) for tag in found]

    @search.autocomplete("words")
    async def _complete_words(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=interaction.guild_id)
        return [
            app_commands.Choice(name=choice.name, value=adapter.name)
            for choice, adapter in zip(adapter_choices(found, viewer_id), found, strict=False)
        ]
