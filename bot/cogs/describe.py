"""`/describe`, and "Describe picture" on a message: the settings of any picture, to be copied."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.describing.reading import PictureReader
from bot.errors import UserError
from bot.orders import Upload
from bot.pictures import Pictures
from bot.ui import described, views
from bot.ui.answers import think_privately, uploads_of
from bot.ui.described import Described

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


class DescribeCog(commands.Cog):
    """Reading settings. Told to whoever asks, alone."""

    def __init__(self, bot: commands.AutoShardedBot, reader: PictureReader, pictures: Pictures) -> None:
        self._bot, self._reader, self._pictures = bot, reader, pictures
        self._menu: app_commands.ContextMenu = app_commands.ContextMenu(
            name="Describe picture", callback=self.describe_message
        )

    async def cog_load(self) -> None:
        """A cog's decorators know no context menus: it is added by hand."""
        self._bot.tree.add_command(self._menu)

    @app_commands.command(description="Read the settings that a picture was made with out of its file")
    @app_commands.describe(picture="A PNG, JPEG or WEBP as Darkroom, A1111, ComfyUI, InvokeAI or Civitai made it")
    async def describe(self, interaction: discord.Interaction[Any], picture: discord.Attachment) -> None:
        """Told to the one who asks, alone."""
        await think_privately(interaction)
        (upload,) = uploads_of([picture])
        await _answer(interaction, [await self._read(upload)])

    async def describe_message(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        """The same for all pictures of a message; of the house's own, the database knows the settings."""
        ours = self._bot.user is not None and message.author.id == self._bot.user.id
        uploads = uploads_of([file for file in message.attachments if _may_be_picture(file)])
        await think_privately(interaction)
        if ours and (known := await self._pictures.of_message(message.id)):
            await _answer(interaction, [described.of_pictures(known, "As they were drawn here:")])
        elif not uploads:
            raise UserError("There is no picture in this message: use it on one with a PNG, JPEG or WEBP attached.")
        elif len(uploads) == 1:
            await _answer(interaction, [await self._read(uploads[0])])
        else:
            await _answer(interaction, [await self._try(upload) for upload in uploads])

    async def _read(self, upload: Upload) -> Described:
        return described.of_picture(upload.filename, await self._reader.read(upload))

    async def _try(self, upload: Upload) -> Described:
        """One of several, where a picture without settings keeps nobody from those of the others."""
        try:
            return await self._read(upload)
        except UserError as error:
            return Described(error.message)


async def _answer(interaction: discord.Interaction[Any], parts: list[Described]) -> None:
    words, files = described.message(parts)
    one = len([part for part in parts if part.text]) == 1
    view = views.under_description() if one else None
    await interaction.edit_original_response(content=words, attachments=files, view=view)


def _may_be_picture(file: discord.Attachment) -> bool:
    """By its name alone; its bytes are looked at later."""
    return (file.content_type or "").startswith("image/") or file.filename.lower().endswith(_PICTURES)
