"""The form for a training, where photos come by upload or from a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import discord

from bot.orders import CONSENT_STATEMENT, Upload
from bot.photos import LEAST_PHOTOS, MOST_PHOTOS
from bot.ui.answers import answer_fault, uploads_of
from trainer.contract.requests import Kind

KINDS: dict[Kind, str] = {
    "subject": "A character, an animal, a thing",
    "face": "A person's face (slower, keeps other people as they are)",
    "style": "The look of the pictures, not what is in them",
}


class TrainForm(discord.ui.Modal):
    """Name, photos (unless they are known), kind, class word and consent: the five parts that a form may have.

    ``on_filled`` gets (interaction, name, uploads, kind, class word or None, consent).
    """

    def __init__(
        self,
        on_filled: Callable[
            [discord.Interaction[Any], str, tuple[Upload, ...], Kind, str | None, bool], Awaitable[None]
        ],
        *,
        name: str = "",
        kind: Kind = "subject",
        class_word: str | None = None,
        consent: bool = False,
        uploads: tuple[Upload, ...] | None = None,
    ) -> None:
        title = "Train on your photos" if uploads is None else f"Train on {len(uploads)} photos"
        super().__init__(title=title, timeout=15 * 60)
        self._on_filled = on_filled
        self._uploads = uploads
        self._name: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id="name", default=name or None, placeholder="thnos", max_length=200
        )
        self._files: discord.ui.FileUpload[Any] = discord.ui.FileUpload(
            custom_id="photos", min_values=1, max_values=MOST_PHOTOS
        )
        self._kind: discord.ui.Select[Any] = discord.ui.Select(
            custom_id="kind",
            options=[
                discord.SelectOption(label=value.capitalize(), value=value, description=words, default=value == kind)
                for value, words in KINDS.items()
            ],
        )
        self._class_word: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id="class_word", default=class_word or None, placeholder="dog, monster, mug …", required=False
        )
        self._consent: discord.ui.Checkbox[Any] = discord.ui.Checkbox(custom_id="consent", default=consent)
        self.add_item(_label("Name", "What you will write in prompts: a word that means nothing else", self._name))
        if uploads is None:
            photos = f"{LEAST_PHOTOS} to {MOST_PHOTOS} photos, or one zip of up to 100"
            self.add_item(_label("Photos", photos, self._files))
        self.add_item(_label("Kind", "What is to be learned", self._kind))
        self.add_item(_label("Class word", "What it is, in one to three words", self._class_word))
        self.add_item(_label("Consent", CONSENT_STATEMENT, self._consent))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Hand over what was filled in."""
        uploads = uploads_of(self._files.values) if self._uploads is None else self._uploads
        kind = cast("Kind", self._kind.values[0])
        word = self._class_word.value.strip() or None
        await self._on_filled(interaction, self._name.value, uploads, kind, word, bool(self._consent.value))

    async def on_error(  # type: ignore[override]  # a form's has no item
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """A fault goes to the one who sent the form."""
        await answer_fault(interaction, error)


def _label(text: str, description: str, component: discord.ui.Item[Any]) -> discord.ui.Label[Any]:
    return discord.ui.Label(text=text, description=description, component=component)
