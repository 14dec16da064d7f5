"""`/grid`: one sheet of pictures whose settings change along its sides."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import sources
from bot.drafts import draft_of_options
from bot.grids import Sides
from bot.imagining import make_wish
from bot.jobs import Jobs
from bot.orders import ImagineOrder
from bot.photos import Photos
from bot.styles import Styles
from bot.templates import Templates
from bot.ui.answers import accept, origin_of, uploads_of
from bot.ui.choices import base_choices
from bot.ui.keepsakes import complete_styles
from bot.ui.remixing import give_back

EXAMPLES = (
    "weight(0.4, 0.6, 0.8, 1)", "guidance(3, 5, 7, 9)", "steps(10, 20, 30)", "seed(1-4)", "words(suit, gown)",
    "sampler(Euler a, DPM++ 2M, DDIM)", "adapter(thnos, ada/moss)", "model(thnos, ada/moss)",
    "size(square, portrait, 512x768)", "clip skip(1, 2)", "variation(0-0.3 [4])", "guidance rescale(0, 0.7)",
    "strength(0.3, 0.5, 0.7)", "vae(ft-mse, kl-f8)",
)  # fmt: skip


class GridCog(commands.Cog):
    """Comparing settings."""

    def __init__(self, jobs: Jobs, templates: Templates, styles: Styles, photos: Photos) -> None:
        self._jobs, self._templates, self._styles, self._photos = jobs, templates, styles, photos

    @app_commands.command(description="Draw a sheet of pictures that differ along its sides")
    @app_commands.describe(
        prompt="What to draw; <lora:name:0.8> brings in an adapter",
        x="What changes from left to right, such as weight(0.5, 0.7, 0.9)",
        y="What changes from top to bottom, such as guidance(4, 7, 10) or words(suit, gown)",
        negative_prompt="What is not to be in the pictures",
        model="The base model; that of the adapter unless you say otherwise",
        steps="Denoising steps: more is finer and slower",
        guidance="How closely to follow the prompt (CFG scale)",
        seed="All pictures begin with the same seed, this one if you name it",
        size="Width x height, such as 512x768; or portrait, wide, 2:3 and the like",
        strict="Leave the prompt's words exactly as they are: put no trigger words in",
        style="Styles by name, with commas between them",
        settings="A picture's settings as A1111 writes them; what you say in the options goes before them",
        image="A picture that all of them are drawn from; it is deleted a day later",
    )
    async def grid(
        self,
        interaction: discord.Interaction[Any],
        prompt: str,
        x: str,
        y: str | None = None,
        negative_prompt: str | None = None,
        model: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int | None = None,
        size: str | None = None,
        strict: bool = False,
        style: str | None = None,
        settings: str | None = None,
        image: discord.Attachment | None = None,
    ) -> None:
        """Sides become pictures, all in one job."""
        wanted = sources.FromPicture(image=uploads_of([image])[0] if image else None)
        bases, has_source = await self._jobs.bases(), image is not None
        wish = make_wish(
            prompt, settings, bases, negative_prompt=negative_prompt, model=model, seed=seed, strict=strict, size=size,
            has_source=has_source, num_inference_steps=steps, guidance_scale=guidance,
        )  # fmt: skip
        order = ImagineOrder(
            origin=origin_of(interaction), prompt=wish.prompt, prompt_written=wish.prompt,
            negative_prompt=wish.negative_prompt, base=wish.base, seed=wish.seed, strict=wish.strict,
            settings=wish.settings, aspect=wish.aspect, ignored=wish.ignored,
        )  # fmt: skip
        names = [base.name for base in bases]
        order = await self._templates.read_grid(order, Sides(x=x, y=y), names, style, has_source=has_source)
        await accept(interaction, self._jobs, sources.submit(self._photos, self._jobs, order, wanted))

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        """What was refused comes back, to be edited; the tree says why."""
        options = vars(interaction.namespace)
        if {"prompt", "x"} <= options.keys():
            image = options.get("image")
            upload = uploads_of([image])[0] if image else None
            await give_back(interaction, draft_of_options(options | {"image": upload}), self._styles)

    @grid.autocomplete("model")
    async def _complete_model(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return base_choices(await self._jobs.bases(), typed)

    @grid.autocomplete("style")
    async def _complete_style(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return await complete_styles(interaction, self._styles, typed)

    @grid.autocomplete("x")
    @grid.autocomplete("y")
    async def _complete_axis(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        words = [example for example in EXAMPLES if example.startswith(typed.strip().lower())]
        own = [typed] if typed.strip() and typed not in words else []
        return [app_commands.Choice(name=word[:100], value=word[:100]) for word in (*own, *words)][:25]
