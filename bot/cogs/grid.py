"""`/grid`: one sheet of pictures whose settings change along its sides."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import checks, grids
from bot.jobs import Jobs
from bot.orders import ImagineOrder, Shot
from bot.sizes import read_size
from bot.templates import Templates
from bot.ui.answers import accept, origin_of
from bot.ui.choices import base_choices
from trainer.contract.drawings import DrawingSettings


class GridCog(commands.Cog):
    """Comparing settings."""

    def __init__(self, jobs: Jobs, templates: Templates) -> None:
        self._jobs, self._templates = jobs, templates

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
    ) -> None:
        """Axes become pictures, all in one job."""
        width, height, aspect = read_size(size)
        settings = DrawingSettings(num_inference_steps=steps, guidance_scale=guidance, width=width, height=height)
        first_seed = checks.seed(seed)
        plain = grids.Cell(prompt, negative_prompt or "", settings, first_seed)
        grid, cells = grids.expand(plain, x, y)
        shots, ignored = await self._templates.read_shots(
            [_shot(cell, aspect) for cell in cells],
            viewer_id=interaction.user.id,
            guild_id=interaction.guild_id,
            strict=strict,
        )
        first = shots[0]
        order = ImagineOrder(
            origin=origin_of(interaction), prompt=first.prompt, prompt_written=prompt,
            negative_prompt=plain.negative_prompt, adapters=first.adapters, base=model, seed=first_seed,
            settings=settings, aspect=aspect, shots=shots, grid=grid, strict=strict, ignored=ignored,
        )  # fmt: skip
        await accept(interaction, self._jobs, self._jobs.submit_imagine(order))

    @grid.autocomplete("model")
    async def _complete_model(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return base_choices(await self._jobs.bases(), typed)

    @grid.autocomplete("x")
    @grid.autocomplete("y")
    async def _complete_axis(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        words = [example for example in EXAMPLES if example.startswith(typed.strip().lower())]
        own = [typed] if typed.strip() and typed not in words else []
        return [app_commands.Choice(name=word[:100], value=word[:100]) for word in (*own, *words)][:25]


EXAMPLES = (
    "weight(0.4, 0.6, 0.8, 1)", "guidance(3, 5, 7, 9)", "steps(10, 20, 30)", "seed(1-4)", "words(suit, gown)",
    "sampler(Euler a, DPM++ 2M, DDIM)", "adapter(thnos, ada/moss)", "size(512x512, 512x768)", "clip skip(1, 2)",
    "variation(0-0.3 [4])", "guidance rescale(0, 0.7)",
)  # fmt: skip


def _shot(cell: grids.Cell, aspect: float | None) -> Shot:
    """A cell; the ratio of all is for those whose side does not name a size."""
    return Shot(
        prompt=cell.prompt, prompt_written=cell.prompt, negative_prompt=cell.negative_prompt, seed=cell.seed,
        settings=cell.settings, aspect=aspect if cell.settings.width is None else None,
    )  # fmt: skip
