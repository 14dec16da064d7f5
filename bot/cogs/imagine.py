"""`/imagine`: from a prompt to a job."""

from __future__ import annotations

import re
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.adapters import Adapters
from bot.errors import UserError, quoted
from bot.jobs import Jobs
from bot.orders import ImagineOrder
from bot.prompts import read_prompt, with_adapter
from bot.ui.answers import accept, origin_of
from bot.ui.choices import adapter_choices, base_choices, size_choices
from trainer.contract.drawings import DrawingSettings

_SIZE = re.compile(r"\s*(\d{1,5})\s*(?:[x×*]\s*(\d{1,5})\s*)?", re.IGNORECASE)


def read_size(written: str | None) -> tuple[int | None, int | None]:
    """Width and height of ``512x768``; one number is a square. Raises UserError."""
    if written is None:
        return None, None
    match = _SIZE.fullmatch(written)
    if match is None:
        raise UserError(f"{quoted(written)} is no size: write width x height in pixels, for example `512x768`.")
    return int(match[1]), int(match[2] or match[1])


class ImagineCog(commands.Cog):
    """Drawing."""

    def __init__(self, jobs: Jobs, adapters: Adapters) -> None:
        self._jobs, self._adapters = jobs, adapters

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
        size="Width x height, such as 512x768, in multiples of 8",
        count="How many pictures, 1 to 4",
        strict="Leave the prompt's words exactly as they are: put no trigger words in",
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
        count: int = 1,
        strict: bool = False,
    ) -> None:
        """A prompt becomes pictures."""
        read = await read_prompt(
            self._adapters, with_adapter(prompt, adapter, weight), negative_prompt or "", viewer_id=interaction.user.id,
            guild_id=interaction.guild_id, strict=strict,
        )  # fmt: skip
        width, height = read_size(size)
        order = ImagineOrder(
            origin=origin_of(interaction), prompt=read.prompt, prompt_written=read.written, adapters=read.adapters,
            negative_prompt=negative_prompt or "", base=model, seed=seed, count=count, strict=strict,
            ignored=read.ignored,
            settings=DrawingSettings(
                num_inference_steps=steps, guidance_scale=guidance, width=width, height=height
            ),
        )  # fmt: skip
        await accept(interaction, self._jobs, self._jobs.submit_imagine(order))

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
