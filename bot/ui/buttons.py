"""What the buttons do. A click is authorised anew each time: the button carries an opaque id and nothing else."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.errors import UserError
from bot.orders import ImagineOrder
from bot.prompts import read_prompt
from bot.store.records import Job
from bot.ui import cards
from bot.ui.answers import accept, answer_fault, is_moderator, origin_of, show_crops, think_privately, waiting_card
from trainer.contract.names import Lane

if TYPE_CHECKING:
    from bot.client import DarkroomBot

_LONGEST_SHOWN = 1_900  # of a message's 2,000 characters


class JobButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"dr:none:(?P<id>\w+)(?::(?P<place>\d+))?"):
    """Base of all: finds itself in the custom_id, and tells a fault to whoever clicked."""

    def __init__(self, custom_id: str, subject_id: str, place: int) -> None:
        super().__init__(discord.ui.Button(custom_id=custom_id))
        self.subject_id = subject_id  # of a job, or of an adapter
        self.place = place

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew at every click, from the custom_id alone."""
        return cls(match[0], match["id"], int(match["place"] or 0))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Do what the button says; a fault goes to the one who clicked."""
        try:
            await self.press(interaction.client, interaction)
        except Exception as error:
            await answer_fault(interaction, error)

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """What this button does."""
        raise NotImplementedError

    async def job(self, bot: DarkroomBot, lane: Lane | None = None) -> Job:
        """The button's job, of that lane. Raises UserError."""
        job = await bot.services.jobs.get(self.subject_id)
        if job is None or lane not in {None, job.lane}:
            raise UserError("Darkroom knows nothing of this card any more: start anew with `/imagine` or `/train`.")
        return job


class CancelButton(JobButton, template=r"dr:cancel:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Stops a job that waits or runs."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Stop it; the card tells the rest."""
        jobs = bot.services.jobs
        job = await jobs.cancel(self.subject_id, interaction.user.id, moderator=is_moderator(interaction))
        words = "Stopped." if job.state == "cancelled" else "It stops after the step it is at."
        await interaction.response.send_message(words, ephemeral=True)


class PauseButton(JobButton, template=r"dr:pause:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Pauses a training."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        job = await bot.services.control.pause(self.subject_id, interaction.user.id)
        words = "Paused." if job.held is not None else "It pauses after the step it is at."
        await interaction.response.send_message(words, ephemeral=True)


class ResumeButton(JobButton, template=r"dr:resume:(?P<id>\d+)(?::(?P<place>\d+))?"):
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


class FinishButton(JobButton, template=r"dr:finish:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Ends a training early and keeps what was learned."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        await bot.services.control.finish(self.subject_id, interaction.user.id)
        words = "It ends after the step it is at, and what it has learned becomes your adapter."
        await interaction.response.send_message(words, ephemeral=True)


class TrainButton(JobButton, template=r"dr:train:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Lets a training begin with all its photos, whatever was found in them."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        job = await bot.services.reviews.train(self.subject_id, interaction.user.id)
        words = f"All {len(job.train.photos)} photos are learned from, as soon as there is room."
        await interaction.response.send_message(words, ephemeral=True)


class DropButton(JobButton, template=r"dr:drop:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Lets a training begin without the photos that would teach it little."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; the card tells the rest."""
        job = await bot.services.reviews.drop(self.subject_id, interaction.user.id)
        words = f"The others are deleted; {len(job.train.photos)} photos are learned from, as soon as there is room."
        await interaction.response.send_message(words, ephemeral=True)


class CropsButton(JobButton, template=r"dr:crops:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Shows the photos of a training that waits, and how they are cropped."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """To its owner alone; looking through them may take seconds."""
        await think_privately(interaction)
        await show_crops(interaction, bot.services.reviews, self.subject_id)


class SettingsButton(JobButton, template=r"dr:settings:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Shows the exact settings, to be copied."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """To the one who asked, as text; what is longer than a message, as a file."""
        text = await self._text(bot, interaction)
        if len(text) <= _LONGEST_SHOWN and "```" not in text:
            await interaction.response.send_message(f"```\n{text}\n```", ephemeral=True)
            return
        file = discord.File(io.BytesIO(text.encode()), "settings.txt")
        await interaction.response.send_message("The settings are longer than a message:", file=file, ephemeral=True)

    async def _text(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> str:
        job = await self.job(bot)
        if job.lane == "train":
            adapter = await bot.services.adapters.by_id(
                job.train.adapter_id, viewer_id=interaction.user.id, guild_id=interaction.guild_id
            )
            return cards.training_settings(adapter, job.train.recipe)
        pictures = await bot.services.pictures.of_job(job.id)
        if not pictures:
            raise UserError("These pictures were deleted, and their settings with them.")
        return cards.picture_settings(pictures)


class AgainButton(JobButton, template=r"dr:again:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Draws the same once more with another seed, for whoever clicks."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """A new job with a card of its own; adapters are checked for this member."""
        job = await self.job(bot, "imagine")
        spec = job.imagine
        order = ImagineOrder(
            origin=origin_of(interaction), prompt=spec.prompt, prompt_written=spec.prompt_written,
            negative_prompt=spec.negative_prompt, adapters=spec.adapters, base=job.base, count=spec.count,
            settings=spec.settings, source=spec.source, exact=spec.exact, strict=spec.strict,
        )  # fmt: skip
        await accept(interaction, bot.services.jobs, bot.services.jobs.submit_imagine(order))


class DeleteButton(JobButton, template=r"dr:delete:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Deletes the pictures and their message."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """From the store first; a message that stays by a failure goes at the next click."""
        pictures = bot.services.pictures
        await pictures.delete(self.subject_id, interaction.user.id, moderator=is_moderator(interaction))
        try:
            await interaction.response.defer()
            await interaction.delete_original_response()
        except discord.NotFound:  # two taps, or a moderator was quicker
            if not interaction.response.is_done():
                await interaction.response.send_message("These pictures are deleted.", ephemeral=True)


class ExampleButton(JobButton, template=r"dr:example:(?P<id>\d+):(?P<place>\d+)"):
    """Draws one of the example prompts with the adapter that this training made."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever clicks, if the adapter is theirs or shared with them."""
        job, services = await self.job(bot, "train"), bot.services
        viewer_id, guild_id = interaction.user.id, interaction.guild_id
        adapter = await services.adapters.by_id(job.train.adapter_id, viewer_id=viewer_id, guild_id=guild_id)
        examples = await services.jobs.example_prompts(job)
        if self.place >= len(examples):
            raise UserError("This base has other examples by now: write a prompt of your own with `/imagine`.")
        written = f"{cards.tag(adapter, viewer_id)} {examples[self.place]}"
        read = await read_prompt(services.adapters, written, viewer_id=viewer_id, guild_id=guild_id)
        order = ImagineOrder(
            origin=origin_of(interaction), prompt=read.prompt, prompt_written=read.written, adapters=read.adapters
        )
        await accept(interaction, services.jobs, services.jobs.submit_imagine(order))


class ShareButton(JobButton, template=r"dr:share:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Shares the adapter that this training made with the server."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may."""
        job, adapters = await self.job(bot, "train"), bot.services.adapters
        adapter = await adapters.own(job.train.adapter_id, owner_id=interaction.user.id)
        shared = await adapters.share(adapter.name, owner_id=interaction.user.id, guild_id=interaction.guild_id)
        await interaction.response.send_message(cards.shared(shared), ephemeral=True)


class RetryButton(JobButton, template=r"dr:retry:(?P<id>\d+)(?::(?P<place>\d+))?"):
    """Trains again from the photos of a training that failed or was cancelled."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may, as long as the photos are kept."""
        services = bot.services
        retrying = services.trainings.retry(self.subject_id, origin_of(interaction))
        await accept(interaction, services.jobs, retrying)


class ForgetButton(JobButton, template=r"dr:forget:(?P<id>\w+)(?::(?P<place>\d+))?"):
    """Deletes an adapter for good."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may."""
        adapters = bot.services.adapters
        adapter = await adapters.own(self.subject_id, owner_id=interaction.user.id)
        deleted = await adapters.delete(adapter.name, owner_id=interaction.user.id)
        words = f"`{deleted.name}` is deleted; its file goes within the hour."
        await interaction.response.edit_message(content=words, view=None)


ALL: tuple[type[JobButton], ...] = (
    CancelButton, PauseButton, ResumeButton, FinishButton, TrainButton, DropButton, CropsButton, SettingsButton,
    AgainButton, DeleteButton, ExampleButton, ShareButton, RetryButton, ForgetButton,
)  # fmt: skip
