"""`/train`, and "Train on these photos" on a message: from photos to a job."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.adapters import Adapters
from bot.advanced import read_advanced
from bot.captions import check_form
from bot.errors import UserError
from bot.jobs import Jobs
from bot.orders import CONSENT_STATEMENT, TrainOrder
from bot.photos import check_uploads
from bot.reviews import Reviews
from bot.store.records import Likeness
from bot.trainings import Trainings
from bot.ui.answers import accept, origin_of, show_crops, uploads_of
from bot.ui.choices import METHOD_CHOICES, PERSON_CHOICES, PRESET_CHOICES, adapter_choices, base_choices
from bot.ui.forms import CaptionsForm, TrainForm
from trainer.contract.requests import Kind, Method, Preset


class TrainCog(commands.Cog):
    """Teaching a subject, a face or a style."""

    def __init__(
        self, bot: commands.AutoShardedBot, jobs: Jobs, trainings: Trainings, reviews: Reviews, adapters: Adapters
    ) -> None:
        self._tree, self._jobs, self._trainings = bot.tree, jobs, trainings
        self._reviews, self._adapters = reviews, adapters
        self._menu: app_commands.ContextMenu = app_commands.ContextMenu(
            name="Train on these photos", callback=self.train_on_message
        )

    async def cog_load(self) -> None:
        """A cog's decorators know no context menus: it is added by hand."""
        self._tree.add_command(self._menu)

    @app_commands.command(description="Teach Darkroom a subject, a face or a style from your photos")
    @app_commands.choices(method=METHOD_CHOICES, preset=PRESET_CHOICES, person=PERSON_CHOICES)
    @app_commands.describe(
        name="What you will write in prompts, for example thnos",
        consent=CONSENT_STATEMENT,
        photo1="3 to 10 photos, or one zip of up to 100; attach none to upload them in a form",
        class_word="What it is in one to three words: dog, monster, mug",
        kind="What is to be learned; a subject unless you say otherwise",
        base="The model to teach; the default unless you say otherwise",
        method="How it is learned; a LoRA unless you say otherwise",
        preset="How long and how thoroughly; balanced unless you say otherwise",
        advanced="Settings as key: value with commas between, for example steps: 800, rank: 8",
        write_captions="Say what is in each photo, in a form",
        keep_photos="Keep the photos for a while after the training, so that it can go on learning from them",
        person="Whose likeness it is; to be said of a face, nobody real unless you say otherwise",
        continue_from="An adapter of yours that goes on learning; under its own name it is replaced",
        **{f"photo{number}": "Another photo" for number in range(2, 11)},
    )
    async def train(
        self,
        interaction: discord.Interaction[Any],
        name: str,
        consent: bool,
        photo1: discord.Attachment | None = None,
        photo2: discord.Attachment | None = None,
        photo3: discord.Attachment | None = None,
        photo4: discord.Attachment | None = None,
        photo5: discord.Attachment | None = None,
        photo6: discord.Attachment | None = None,
        photo7: discord.Attachment | None = None,
        photo8: discord.Attachment | None = None,
        photo9: discord.Attachment | None = None,
        photo10: discord.Attachment | None = None,
        class_word: str | None = None,
        kind: Kind = "subject",
        base: str | None = None,
        method: str | None = None,
        preset: str | None = None,
        advanced: str | None = None,
        write_captions: bool = False,
        keep_photos: bool = False,
        continue_from: str | None = None,
        person: str | None = None,
    ) -> None:
        """Photos become an adapter; without photos a form asks for them."""
        options = (photo1, photo2, photo3, photo4, photo5, photo6, photo7, photo8, photo9, photo10)
        recipe = read_advanced(
            advanced or "", method=cast("Method | None", method), preset=cast("Preset | None", preset)
        )
        order = TrainOrder(
            origin=origin_of(interaction), name=name, uploads=uploads_of([photo for photo in options if photo]),
            consent=consent, class_word=class_word, kind=kind, base=base, recipe=recipe,
            keep_photos=keep_photos, continue_from=continue_from, likeness=cast("Likeness | None", person),
        )  # fmt: skip
        if write_captions:
            check_form(order)
            await self._trainings.check(order)
            await interaction.response.send_modal(CaptionsForm(order, self._submit))
        elif not order.uploads and continue_from is None:
            await self._trainings.check_recipe(recipe, base)
            await interaction.response.send_modal(TrainForm(order, self._submit))
        else:
            await self._submit(interaction, order)

    @train.autocomplete("base")
    async def _complete_base(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        return base_choices(await self._jobs.bases(), typed)

    @train.autocomplete("continue_from")
    async def _complete_own(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=None)
        return adapter_choices([each for each in found if each.owner_id == viewer_id], viewer_id)

    async def train_on_message(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        """The same for the attachments of one's own message; a form asks for the rest, consent first of all."""
        if message.author.id != interaction.user.id:
            raise UserError("These photos are somebody else's: only who posted them can have them learned.")
        uploads = uploads_of([file for file in message.attachments if _may_be_photos(file)])
        if not uploads:
            raise UserError("There are no photos in this message: attach 3 to 10, or use `/train`.")
        check_uploads(uploads)  # before anybody fills in a form in vain
        order = TrainOrder(origin=origin_of(interaction), name="", uploads=uploads, consent=False)
        await interaction.response.send_modal(TrainForm(order, self._submit))

    async def _submit(self, interaction: discord.Interaction[Any], order: TrainOrder) -> None:
        job = await accept(interaction, self._jobs, self._trainings.submit(order))
        if job.held == "review":
            # a failure is no fault of the training's, and its card has a button for the same
            with suppress(UserError, discord.HTTPException, aiohttp.ClientError, OSError):
                await show_crops(interaction, self._reviews, job.id)


def _may_be_photos(file: discord.Attachment) -> bool:
    """By its name alone; its bytes are looked at later."""
    return (file.content_type or "").startswith("image/") or file.filename.lower().endswith((".zip", ".heic", ".heif"))
