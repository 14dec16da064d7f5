"""The forms of an adapter's page: its name, and what its owner writes on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.adapters import LONGEST_NAME
from bot.library import LICENCE, LONGEST_DESCRIPTION, AdapterPage, PageText
from bot.store.records import Adapter
from bot.ui import adapter_page
from bot.ui.keepsake_forms import KeepsakeForm
from bot.ui.typed import TextField
from trainer.contract import looks

if TYPE_CHECKING:
    from bot.client import DarkroomBot


class PageForm(KeepsakeForm):
    """Description, tags, trigger words and licence, as they stand."""

    def __init__(self, bot: DarkroomBot, page: AdapterPage) -> None:
        super().__init__(title=looks.cut(f"The page of {page.adapter.name}", 45), timeout=15 * 60)
        self._bot, self._adapter = bot, page.adapter
        self._description = _text("description", page.adapter.description, LONGEST_DESCRIPTION, paragraph=True)
        self._tags = _text("tags", ", ".join(page.tags), 300)
        self._words = _text("trigger_words", ", ".join(page.adapter.trigger_words), 300)
        self._licence: discord.ui.Select[Any] = discord.ui.Select(
            custom_id="licence", required=False, min_values=0, max_values=len(LICENCE),
            options=[
                discord.SelectOption(label=words, value=flag, default=getattr(page.adapter, flag))
                for flag, words in LICENCE.items()
            ],
        )  # fmt: skip
        self.add_item(discord.ui.Label(text="About it", component=self._description))
        self.add_item(discord.ui.Label(text="Tags", description="With commas between", component=self._tags))
        self.add_item(discord.ui.Label(text="Trigger words", description="Likewise", component=self._words))
        self.add_item(discord.ui.Label(text="Licence", component=self._licence))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Its owner alone may, which is asked anew."""
        text = PageText(
            description=self._description.value,
            tags=self._tags.value,
            trigger_words=self._words.value,
            licence=frozenset(self._licence.values),
        )
        await self._bot.services.library.edit(
            self._adapter.id, text, owner_id=interaction.user.id, guild_id=interaction.guild_id
        )
        await adapter_page.refresh(self._bot, interaction, self._adapter.id, "The page says it now.")


class RenameForm(KeepsakeForm):
    """One field."""

    def __init__(self, bot: DarkroomBot, adapter: Adapter) -> None:
        super().__init__(title=looks.cut(f"Rename {adapter.name}", 45), timeout=15 * 60)
        self._bot, self._adapter = bot, adapter
        self._name = _text("name", adapter.name, LONGEST_NAME)
        words = "Prompts find it by the new name alone; its trigger word stays"
        self.add_item(discord.ui.Label(text="Name", description=words, component=self._name))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Its owner alone may, which is asked anew."""
        renamed = await self._bot.services.library.rename(
            self._adapter.id, self._name.value, owner_id=interaction.user.id, guild_id=interaction.guild_id
        )
        await adapter_page.refresh(self._bot, interaction, renamed.id, f"It is called `{renamed.name}` now.")


def _text(custom_id: str, was: str, longest: int, *, paragraph: bool = False) -> TextField:
    style = discord.TextStyle.paragraph if paragraph else discord.TextStyle.short
    return TextField(
        custom_id=custom_id, style=style, default=was or None, max_length=longest, required=custom_id == "name"
    )
