"""`/imagine`: from a prompt to a job."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import sources
from bot.adapters import Adapters
from bot.drafts import draft_of_options
from bot.errors import UserError
from bot.imagining import make_wish
from bot.jobs import Jobs
from bot.orders import ImagineOrder, Upload
from bot.photos import Photos
from bot.prompts import with_adapter
from bot.styles import Styles
from bot.templates import Templates
from bot.ui.answers import accept, origin_of, uploads_of
from bot.ui.choices import adapter_choices, base_choices, sampler_choices, size_choices
from bot.ui.from_picture import FromPictureForm
from bot.ui.keepsakes import complete_styles
from bot.ui.remixing import give_back


def _upload(attachment: discord.Attachment | None) -> Upload | None:
    return None if attachment is None else uploads_of([attachment])[0]


class ImagineCog(commands.Cog):
    """Drawing."""

    def __init__(
        self,
        bot: commands.AutoShardedBot,
        jobs: Jobs,
        adapters: Adapters,
        templates: Templates,
        styles: Styles,
        photos: Photos,
    ) -> None:
        self._bot, self._jobs, self._adapters, self._photos = bot, jobs, adapters, photos
        self._templates, self._styles = templates, styles
        self._menu: app_commands.ContextMenu = app_commands.ContextMenu(
            name="Draw from this picture", callback=self.draw_from_message
        )

    async def cog_load(self) -> None:
        """A cog's decorators know no context menus: it is added by hand."""
        self._bot.tree.add_command(self._menu)

    @app_commands.command(description="Draw a picture, with any adapters you may use")
    @app_commands.describe(
        prompt="What to draw; <lora:name:0.8> brings in an adapter",
        adapter="An adapter, as if its tag stood first in the prompt",
        weight="How strongly the adapter acts: 1 unless you say otherwise",
        negative_prompt="What is not to be in the picture",
        model="The base model; that of the adapter unless you say otherwise",
        steps="Denoising steps: more is finer and slower",
        guidance="How closely to follow the prompt (CFG scale)",
        seed="The same seed and settings give the same picture",
        size="Width x height, such as 512x768; or portrait, wide, 2:3 and the like",
        count="How many pictures, 1 to 8",
        strict="Leave the prompt's words exactly as they are: put no trigger words in",
        sampler="How noise becomes the picture, by A1111's name; the base has one of its own",
        clip_skip="Stop reading so many layers before the end of the text encoder: 1 is all of it",
        guidance_rescale="Take back what much guidance adds to the contrast, from 0 to 1",
        variation_seed="Turn the picture towards that of another seed",
        variation_strength="How far towards the other seed, from 0 to 1",
        exact="Draw it alone, so that the same settings give the same picture to the last bit",
        settings="A picture's settings as A1111 writes them; what you say in the options goes before them",
        style="Styles by name, with commas between them",
        image="A picture to draw from; it is deleted a day later",
        strength="How far from that picture: 0 keeps it, 1 draws anew; 0.75 unless you say otherwise",
        mask="A picture of the same size: white is drawn anew, black stays",
        outpaint="Pixels to add around the picture: 64 for all sides, or left 64, top 32",
        high_res="Draw once more, that many times as large, for detail: 1 to 4",
        upscale="Enlarge the finished picture, 1 to 4 times, without drawing again",
    )
    async def imagine(
        self,
        interaction: discord.Interaction[Any],
        prompt: str,
        adapter: str | None = None,
        weight: float | None = None,
        negative_prompt: str | None = None,
        model: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        size: str | None = None,
        count: int | None = None,
        strict: bool = False,
        sampler: str | None = None,
        clip_skip: int | None = None,
        guidance_rescale: float | None = None,
        variation_seed: int | None = None,
        variation_strength: float | None = None,
        exact: bool = False,
        settings: str | None = None,
        style: str | None = None,
        image: discord.Attachment | None = None,
        strength: float | None = None,
        mask: discord.Attachment | None = None,
        outpaint: str | None = None,
        high_res: float | None = None,
        upscale: float | None = None,
    ) -> None:
        """A prompt becomes pictures."""
        wanted = sources.FromPicture(
            image=_upload(image), mask=_upload(mask), strength=strength, outpaint=outpaint, high_res=high_res,
            upscale=upscale,
        )  # fmt: skip
        wish = make_wish(
            prompt, settings, await self._jobs.bases(), negative_prompt=negative_prompt, model=model, seed=seed,
            count=count, strict=strict, size=size, sampler=sampler, num_inference_steps=steps, guidance_scale=guidance,
            guidance_rescale=guidance_rescale, clip_skip=clip_skip, variation_seed=variation_seed,
            variation_strength=variation_strength, has_source=image is not None,
        )  # fmt: skip
        written = with_adapter(wish.prompt, adapter, weight)
        order = ImagineOrder(
            origin=origin_of(interaction), prompt=written, prompt_written=written, negative_prompt=wish.negative_prompt,
            base=wish.base, seed=wish.seed, count=wish.count, strict=wish.strict, exact=exact, settings=wish.settings,
            aspect=wish.aspect, ignored=wish.ignored,
        )  # fmt: skip
        order = await self._templates.read(sources.settle(order, wanted), style)
        await accept(interaction, self._jobs, sources.submit(self._photos, self._jobs, order, wanted))

    async def draw_from_message(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        """The first picture of a message, anybody's; a form asks what to draw."""
        pictures = [file for file in message.attachments if (file.content_type or "").startswith("image/")]
        if not pictures:
            raise UserError("There is no picture in this message: use it on one with a picture attached.")
        await interaction.response.send_modal(FromPictureForm(uploads_of(pictures[:1])[0]))

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        """What was refused comes back, to be edited; the tree says why."""
        options = vars(interaction.namespace)
        if "prompt" in options:
            uploads = {name: _upload(options.get(name)) for name in ("image", "mask")}
            await give_back(interaction, draft_of_options(options | uploads), self._styles)

    @imagine.autocomplete("adapter")
    async def _complete_adapter(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=interaction.guild_id)
        return adapter_choices(found, viewer_id)

    @imagine.autocomplete("model")
    async def _complete_model(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return base_choices(await self._jobs.bases(), typed)

    @imagine.autocomplete("size")
    async def _complete_size(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        model = getattr(interaction.namespace, "model", None)
        return size_choices(await self._jobs.bases(), model, typed)

    @imagine.autocomplete("sampler")
    async def _complete_sampler(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return sampler_choices(typed)

    @imagine.autocomplete("style")
    async def _complete_style(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return await complete_styles(interaction, self._styles, typed)
