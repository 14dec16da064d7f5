"""The form for drawing from a picture in a message: what to draw, how far from it, and in which styles."""

from __future__ import annotations

import re

import discord

from bot.drafts import Draft
from bot.orders import Upload
from bot.sources import FromPicture
from bot.ui.remixing import DraftForm
from bot.ui.typed import TextField
from trainer.contract import infotext
from trainer.contract.prompt import MAX_PROMPT

_DECIMAL_COMMA = re.compile(r"\s*(\d*),(\d+)\s*")


class FromPictureForm(DraftForm):
    """Asks for a prompt, a strength and styles."""

    def __init__(self, picture: Upload) -> None:
        super().__init__(title="Draw from this picture", timeout=15 * 60)
        self._picture = picture
        self._prompt = TextField(
            custom_id="prompt", style=discord.TextStyle.paragraph, max_length=MAX_PROMPT,
            placeholder="<lora:thnos:0.8> in a suit",
        )  # fmt: skip
        self._strength = TextField(custom_id="strength", required=False, max_length=20, placeholder="0.75")
        self._styles = TextField(custom_id="styles", required=False, max_length=300, placeholder="film noir, grainy")
        self.add_item(discord.ui.Label(text="What to draw", component=self._prompt))
        self.add_item(
            discord.ui.Label(text="Strength", description="0 keeps the picture, 1 draws anew", component=self._strength)
        )
        self.add_item(
            discord.ui.Label(text="Styles", description="By name, with commas between them", component=self._styles)
        )

    def draft(self) -> Draft:
        """Typed here, so that triggers are put in."""
        strength = _DECIMAL_COMMA.sub(r"\1.\2", self._strength.value).strip()
        return Draft(
            prompt=self._prompt.value,
            settings=infotext.write("", "", {"Denoising strength": strength} if strength else {}),
            strict=False,
            styles=self._styles.value.strip() or None,
            wanted=FromPicture(image=self._picture),
        )
