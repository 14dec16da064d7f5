"""`/merge`, and `/checkpoint merge | extract`: making adapters and whole models out of others."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.jobs import Jobs
from bot.merging.merges import MOST_RANK, Merges
from bot.merging.orders import ExtractOrder, MergeOrder, ModelsOrder
from bot.ui.answers import accept, origin_of
from trainer.contract.merge_blocks import PRESETS
from trainer.contract.merges import AdapterMethod, ModelMethod

_ADAPTER_METHODS: dict[AdapterMethod, str] = {
    "exact": "exact: what a prompt with these tags draws; then cut to a rank, if one is given",
    "linear": "linear: the averages of their factors, of adapters of one rank",
    "ties": "TIES: what most of them agree on",
    "dare": "DARE: a random part of each, made stronger",
}
_MODEL_METHODS: dict[ModelMethod, str] = {
    "weighted_sum": "weighted sum: A × (1 − alpha) + B × alpha",
    "add_difference": "add difference: A + (B − C) × alpha",
    "slerp": "SLERP: from A to B on an arc",
}
_BY_ADAPTERS = [app_commands.Choice[str](name=words, value=method) for method, words in _ADAPTER_METHODS.items()]
_BY_MODELS = [app_commands.Choice[str](name=words, value=method) for method, words in _MODEL_METHODS.items()]
_MOST = 25  # Discord's limit of choices
Rank = app_commands.Range[int, 1, MOST_RANK]


def model_choices(names: list[str]) -> list[app_commands.Choice[str]]:
    """Bases and checkpoints by their names."""
    return [app_commands.Choice(name=name[:100], value=name[:100]) for name in names[:_MOST]]


class MergeCog(commands.Cog):
    """Merging adapters, weighted as in a prompt."""

    def __init__(self, jobs: Jobs, merges: Merges) -> None:
        self._jobs, self._merges = jobs, merges

    @app_commands.command(description="Make one adapter out of several, or put them into a model")
    @app_commands.choices(method=_BY_ADAPTERS)
    @app_commands.describe(
        prompt="The adapters with their weights, as in a prompt: <lora:a:0.6><lora:b:0.4>",
        name="What you will write in prompts, for example ab",
        method="How; exact unless you say otherwise",
        rank="The most that what is made may have; a lower one is a smaller file",
        density="For TIES and DARE: the share of each adapter that is kept, 0.5 unless you say otherwise",
        seed="For DARE: the same seed keeps the same",
        into="A model that they are put into for good, instead: one of the bases, or a checkpoint of yours",
    )
    async def merge(
        self,
        interaction: discord.Interaction[Any],
        prompt: str,
        name: str,
        method: str = "exact",
        rank: Rank | None = None,
        density: app_commands.Range[float, 0.01, 1.0] | None = None,
        seed: app_commands.Range[int, 0, 2**32 - 1] | None = None,
        into: str | None = None,
    ) -> None:
        """Adapters become one, or part of a whole model."""
        order = MergeOrder(
            origin=origin_of(interaction), prompt=prompt, name=name, into=into, method=cast("AdapterMethod", method),
            rank=rank, density=density, seed=seed,
        )  # fmt: skip
        await accept(interaction, self._jobs, self._merges.merge_adapters(order))

    @merge.autocomplete("into")
    async def _complete_into(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        viewer_id, guild_id = interaction.user.id, interaction.guild_id
        return model_choices(await self._merges.models(typed, viewer_id=viewer_id, guild_id=guild_id))


class CheckpointCog(commands.GroupCog, group_name="checkpoint", group_description="Making whole models out of others"):
    """Merging whole models as A1111's Checkpoint Merger does, and taking adapters out of them."""

    def __init__(self, jobs: Jobs, merges: Merges) -> None:
        super().__init__()
        self._jobs, self._merges = jobs, merges

    @app_commands.command(description="Make one model out of two or three, as A1111's Checkpoint Merger does")
    @app_commands.choices(method=_BY_MODELS)
    @app_commands.describe(
        a="A: a base, or a checkpoint",
        b="B: the other one",
        name="What you will write in prompts",
        c="C: what B was made of, for add difference",
        method="How; a weighted sum unless you say otherwise",
        alpha="A1111's multiplier: 0 is A; 0.5 unless you say otherwise, of a difference 1",
        blocks=f"In place of alpha: 25 numbers with commas between (19 of SDXL), or a name such as {PRESETS[0]}",
        vae="Whose VAE it gets; that of A unless you say otherwise",
    )
    async def merge(
        self,
        interaction: discord.Interaction[Any],
        a: str,
        b: str,
        name: str,
        c: str | None = None,
        method: str = "weighted_sum",
        alpha: app_commands.Range[float, 0.0, 2.0] | None = None,
        blocks: str | None = None,
        vae: str | None = None,
    ) -> None:
        """Whole models become one."""
        order = ModelsOrder(
            origin=origin_of(interaction), name=name, a=a, b=b, c=c, method=cast("ModelMethod", method), alpha=alpha,
            blocks=blocks, vae=vae,
        )  # fmt: skip
        await accept(interaction, self._jobs, self._merges.merge_models(order))

    @app_commands.command(description="Take out of a model what it has over another, as an adapter")
    @app_commands.describe(
        tuned="The model that has learned something",
        name="What you will write in prompts",
        original="What it was made of; its base unless you say otherwise",
        rank="How much the adapter can hold; 32 unless you say otherwise",
    )
    async def extract(
        self,
        interaction: discord.Interaction[Any],
        tuned: str,
        name: str,
        original: str | None = None,
        rank: Rank | None = None,
    ) -> None:
        """The difference of two whole models becomes an adapter."""
        order = ExtractOrder(
            origin=origin_of(interaction), name=name, tuned=tuned, original=original, rank=rank
        )  # fmt: skip
        await accept(interaction, self._jobs, self._merges.extract(order))

    @merge.autocomplete("a")
    @merge.autocomplete("b")
    @merge.autocomplete("c")
    @merge.autocomplete("vae")
    @extract.autocomplete("tuned")
    @extract.autocomplete("original")
    async def _complete_model(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        viewer_id, guild_id = interaction.user.id, interaction.guild_id
        return model_choices(await self._merges.models(typed, viewer_id=viewer_id, guild_id=guild_id))
