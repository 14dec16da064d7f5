"""What the buttons do; those under pictures are in `picture_buttons.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.errors import UserError
from bot.orders import ImagineOrder
from bot.prompts import read_prompt
from bot.ui import cards, moderating, picture_buttons, sharing
from bot.ui.answers import accept, is_moderator, origin_of, show_crops, think_privately, waiting_card
from bot.ui.consenting import AgreeButton
from bot.ui.erasing import EraseButton
from bot.ui.favourites import PageButton
from bot.ui.job_button import JobButton

if TYPE_CHECKING:
    from bot.client import DarkroomBot


class CancelButton(JobButton, template=r"dr:cancel:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Stops a job that waits or runs."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Stop it; the card tells the rest."""
        jobs = bot.services.jobs
        job = await jobs.cancel(self.subject_id, interaction.user.id, moderator=is_moderator(interaction))
        words = "Stopped." if job.state == "cancelled" else "It stops after the step it is at."
        await interaction.response.send_message(words, ephemeral=True)


class PauseButton(JobButton, template=r"dr:pause:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Pauses a training."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        job = await bot.services.control.pause(self.subject_id, interaction.user.id)
        words = "Paused." if job.held is not None else "It pauses after the step it is at."
        await interaction.response.send_message(words, ephemeral=True)


class ResumeButton(JobButton, template=r"dr:resume:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Lets a paused training go on."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest, a new one where the old one is too old to be edited often."""
        with bot.services.control.resuming(self.subject_id):
            await self._resume(bot, interaction)

    async def _resume(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        control = bot.services.control
        job = await control.check_resumable(self.subject_id, interaction.user.id)
        anew = control.is_card_old(job) and interaction.channel_id == job.channel_id
        if anew:  # before it goes to a worker, which is told the card
            embed, view = await waiting_card(bot.services.jobs, job)
            posted = await interaction.response.send_message(embed=embed, view=view)
            if posted.message_id is not None:
                await bot.services.jobs.attach_card(job.id, posted.message_id)
                await bot.herald.point_on(job, posted.message_id)
        await control.resume(self.subject_id, interaction.user.id)
        if not anew:
            await interaction.response.send_message(cards.resumed(job), ephemeral=True)


class FinishButton(JobButton, template=r"dr:finish:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Ends a training early and keeps what was learned."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        await bot.services.control.finish(self.subject_id, interaction.user.id)
        words = "It ends after the step it is at, and what it has learned becomes your adapter."
        await interaction.response.send_message(words, ephemeral=True)


class TrainButton(JobButton, template=r"dr:train:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Lets a training begin with all its photos, whatever was found in them."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        job = await bot.services.reviews.train(self.subject_id, interaction.user.id)
        words = f"All {len(job.train.photos)} photos are learned from, as soon as there is room."
        await interaction.response.send_message(words, ephemeral=True)


class DropButton(JobButton, template=r"dr:drop:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Lets a training begin without the photos that would teach it little."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        job = await bot.services.reviews.drop(self.subject_id, interaction.user.id)
        words = f"The others are deleted; {len(job.train.photos)} photos are learned from, as soon as there is room."
        await interaction.response.send_message(words, ephemeral=True)


class CropsButton(JobButton, template=r"dr:crops:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Shows the photos of a training that waits, and how they are cropped."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """To its owner alone; looking through them may take seconds."""
        await think_privately(interaction)
        await show_crops(interaction, bot.services.reviews, self.subject_id)


class ExampleButton(JobButton, template=r"dr:example:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Draws one of the example prompts with the adapter that this training or merge made."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever clicks, if the adapter is theirs or shared with them."""
        job, made, services = await self.job(bot), await self.made(bot), bot.services
        viewer_id, guild_id = interaction.user.id, interaction.guild_id
        adapter = await services.adapters.by_id(made.adapter_id, viewer_id=viewer_id, guild_id=guild_id)
        examples = await services.jobs.example_prompts(job)
        if self.place is None or self.place >= len(examples):
            raise UserError("This base has other examples by now: write a prompt of your own with `/imagine`.")
        written = f"{cards.tag(adapter, viewer_id)} {examples[self.place]}"
        read = await read_prompt(services.adapters, written, viewer_id=viewer_id, guild_id=guild_id)
        order = ImagineOrder(
            origin=origin_of(interaction), prompt=read.prompt, prompt_written=read.written, adapters=read.adapters
        )
        await accept(interaction, services.jobs, services.jobs.submit_imagine(order))


class RetryButton(JobButton, template=r"dr:retry:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Trains again from the photos of a training that failed or was cancelled."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may, as long as the photos are kept."""
        services = bot.services
        retrying = services.trainings.retry(self.subject_id, origin_of(interaction))
        await accept(interaction, services.jobs, retrying)


class ForgetButton(JobButton, template=r"dr:forget:(?P<id>\w+)(?::(?P<place>\d{1,3}))?"):
    """Deletes an adapter for good."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may."""
        adapters = bot.services.adapters
        adapter = await adapters.own(self.subject_id, owner_id=interaction.user.id)
        deleted = await adapters.delete(adapter.name, owner_id=interaction.user.id)
        words = f"`{deleted.name}` is deleted; its file goes within the hour."
        await interaction.response.edit_message(content=words, view=None)


ALL: tuple[type[JobButton], ...] = (
    CancelButton, PauseButton, ResumeButton, FinishButton, TrainButton, DropButton, CropsButton, ExampleButton,
    RetryButton, ForgetButton, PageButton, AgreeButton, EraseButton,
    *sharing.ALL, *picture_buttons.ALL, *moderating.ALL,
)  # fmt: skip
