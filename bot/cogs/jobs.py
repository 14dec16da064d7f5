"""`/jobs` and `/cancel`: a member's own work under way."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import UserError
from bot.jobs import Jobs
from bot.ui import cards, views
from bot.ui.choices import job_choices
from trainer.contract import looks


class JobsCog(commands.Cog):
    """Looking at one's jobs and stopping them. Told to the member alone."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @app_commands.command(description="What of yours is waiting and running, and what came of the last ones")
    async def jobs(self, interaction: discord.Interaction[Any]) -> None:
        """With a button to stop each."""
        active = await self._jobs.of_member(interaction.user.id)
        recent = await self._jobs.of_member(interaction.user.id, active=False)
        embed = cards.jobs_list(
            active,
            await self._jobs.positions(active),
            await self._jobs.progress_of([job for job in active if job.state == "running"]),
            [job for job in recent if job.is_final],
        )
        view = views.under_jobs(active, [cards.describe(job) for job in active])
        if view is None:
            await interaction.response.send_message(embed=embed, ephemeral=True)
        else:
            await interaction.response.send_message(embed=embed, view=view, ephemeral=True)

    @app_commands.command(description="Stop one of your jobs")
    @app_commands.describe(job="Which one; not needed when there is only one")
    async def cancel(self, interaction: discord.Interaction[Any], job: str | None = None) -> None:
        """A job that waits ends at once, one that runs after its step."""
        stopped = await self._jobs.cancel(job or await self._only_job(interaction.user.id), interaction.user.id)
        words = "is stopped." if stopped.state == "cancelled" else "stops after the step it is at."
        await interaction.response.send_message(f"“{looks.plain(cards.describe(stopped))}” {words}", ephemeral=True)

    async def _only_job(self, member_id: int) -> str:
        active = await self._jobs.of_member(member_id)
        if not active:
            raise UserError("Nothing of yours is under way, so there is nothing to stop.")
        if len(active) > 1:
            raise UserError(
                f"You have {len(active)} jobs under way: choose one in `job`, or use the buttons of `/jobs`."
            )
        return active[0].id

    @cancel.autocomplete("job")
    async def _complete_job(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        return job_choices(await self._jobs.of_member(interaction.user.id), typed)
