"""What the buttons under pictures do. Whoever sees a picture may draw it again with what they may use themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot import redrawing
from bot.errors import UserError
from bot.orders import ImagineOrder
from bot.store.records import Job, Picture
from bot.ui import cards, described, picture_views, showcase
from bot.ui.answers import accept, is_moderator, origin_of
from bot.ui.choice_menu import ChoiceMenu, read_place
from bot.ui.described import Described
from bot.ui.job_button import JobButton
from bot.ui.remixing import EditForm, open_form
from bot.versions import split_version

if TYPE_CHECKING:
    from bot.client import DarkroomBot


_KEPT = {
    True: "Among your favourites: `/favourites` shows them.", False: "Not among your favourites any more.",
}  # fmt: skip
_MOST_PASTED_BYTES = 32_000  # what a form holds, in the longest characters


class PictureButton(JobButton, template=r"dr:nopicture:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Base of those under pictures."""

    async def pictures(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> tuple[Job, list[Picture]]:
        """The job and its pictures, of which there is at least one. Raises UserError: deleted, or not to be seen."""
        return await find_pictures(bot, interaction, self.subject_id)

    async def picture(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> tuple[Job, Picture]:
        """The job and the button's one picture; the first where it has no place. Raises UserError."""
        job, pictures = await self.pictures(bot, interaction)
        return job, at_place(pictures, self.place or 0)


async def find_pictures(
    bot: DarkroomBot, interaction: discord.Interaction[Any], job_id: str
) -> tuple[Job, list[Picture]]:
    """A job with its pictures, for somebody who sees it. Raises UserError."""
    services = bot.services
    return await services.pictures.seen(job_id, interaction.user.id, interaction.guild_id)


def at_place(pictures: list[Picture], place: int) -> Picture:
    """The one at that place. Raises UserError."""
    found = next((picture for picture in pictures if picture.position == place), None)
    if found is None:
        raise UserError(f"There is no picture {place + 1} in here: the last one is {len(pictures)}.")
    return found


class SettingsButton(JobButton, template=r"dr:settings:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Shows the exact settings, to be copied."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """To the one who asked, as text; what is longer than a message, as a file."""
        words, files = described.message([await self._describe(bot, interaction)])
        long = "The settings are longer than a message:"
        await interaction.response.send_message(
            "\n".join(filter(None, [long if files else "", words])), files=files, ephemeral=True
        )

    async def _describe(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> Described:
        job = await self.job(bot)
        if (made := job.makes) is not None:
            adapter = await bot.services.adapters.by_id(
                made.adapter_id, viewer_id=interaction.user.id, guild_id=interaction.guild_id
            )
            if job.lane == "merge":
                return Described("", cards.merge_settings(adapter, job))
            return Described("", cards.training_settings(adapter, job.train.recipe))
        _, pictures = await find_pictures(bot, interaction, job.id)
        return described.of_pictures(pictures if self.place is None else [at_place(pictures, self.place)])


class PanelButton(PictureButton, template=r"dr:picture:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Shows what can be done with one of several pictures."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """To the one who asked."""
        job, picture = await self.picture(bot, interaction)
        await show_panel(bot, interaction, job, picture)


async def show_panel(bot: DarkroomBot, interaction: discord.Interaction[Any], job: Job, picture: Picture) -> None:
    """What can be done with one picture, told to this member alone."""
    kept = await bot.services.favourites.holds(job.id, picture.position, member_id=interaction.user.id)
    words = f"Picture {picture.position + 1} of {len(job.imagine.drawings)}, seed {picture.seed}"
    view = picture_views.of_picture(job, picture.position, favourite=kept)
    await interaction.response.send_message(words, view=view, ephemeral=True)


class PictureMenu(ChoiceMenu, template=r"dr:pictures:(?P<id>\d+):\d{1,3}"):
    """Shows what can be done with one of many pictures."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """As the button of a number."""
        job, pictures = await find_pictures(bot, interaction, self.subject_id)
        await show_panel(bot, interaction, job, at_place(pictures, read_place(value)))


class AgainButton(JobButton, template=r"dr:again:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Draws the same once more with another seed, for whoever clicks; also what failed."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """A new job with a card of its own; adapters are checked for this member."""
        job = await self.job(bot, "imagine")
        if job.state == "succeeded":
            await find_pictures(bot, interaction, job.id)
        order = redrawing.draw_again(job, origin_of(interaction))
        await _submit(bot, interaction, await bot.services.templates.choose_anew(order))


class SubtleButton(PictureButton, template=r"dr:subtle:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Draws nearly the same picture."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """A new job, for whoever clicks."""
        job, picture = await self.picture(bot, interaction)
        order = redrawing.vary(job, picture.position, origin_of(interaction), redrawing.SUBTLE)
        await _submit(bot, interaction, order)


class StrongButton(PictureButton, template=r"dr:strong:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Draws a similar picture."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """A new job, for whoever clicks."""
        job, picture = await self.picture(bot, interaction)
        order = redrawing.vary(job, picture.position, origin_of(interaction), redrawing.STRONG)
        await _submit(bot, interaction, order)


class UpscaleButton(PictureButton, template=r"dr:upscale:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Enlarges the finished picture."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """A new job, for whoever clicks."""
        job, picture = await self.picture(bot, interaction)
        await _submit(bot, interaction, redrawing.upscale(job, picture, origin_of(interaction)))


class HighResButton(PictureButton, template=r"dr:highres:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Draws the picture with a second, larger pass."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """A new job, for whoever clicks."""
        job, picture = await self.picture(bot, interaction)
        await _submit(bot, interaction, redrawing.draw_high_res(job, picture.position, origin_of(interaction)))


class WordsButton(JobButton, template=r"dr:words:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Draws the same with the trigger words of an adapter that was brought in, or without them again."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """A new job, for whoever clicks; adapters are checked for this member."""
        job = await self.job(bot, "imagine")
        await find_pictures(bot, interaction, job.id)
        await _submit(bot, interaction, redrawing.toggle_words(job, origin_of(interaction)))


class RemixButton(PictureButton, template=r"dr:remix:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Opens the settings in a form, to be changed and drawn."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever may use its adapters, which the form names as they write them."""
        job, picture = await self.picture(bot, interaction)
        viewer_id, guild_id, named = interaction.user.id, interaction.guild_id, []
        for pick in job.imagine.picks(picture.position):
            adapter = await bot.services.adapters.by_id(pick.adapter_id, viewer_id=viewer_id, guild_id=guild_id)
            _, version = split_version(pick.written)
            named.append((pick, adapter.name_for(viewer_id) + ("" if version is None else f"@{version}")))
        drawing = job.imagine.drawings[picture.position]
        source = None if redrawing.is_enlarged(drawing) else drawing.source
        await open_form(interaction, redrawing.remix_text(job, picture, named), source)


class FavouriteButton(PictureButton, template=r"dr:favourite:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Keeps pictures, or keeps them no longer."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever clicks; the buttons of one picture, which are told to them alone, say how it stands."""
        job, _ = await self.pictures(bot, interaction)
        kept = await bot.services.favourites.toggle(
            job.id, self.place, member_id=interaction.user.id, guild_id=interaction.guild_id
        )
        if self.place is not None:
            view = picture_views.of_picture(job, self.place, favourite=kept)
            await interaction.response.edit_message(view=view)
        else:
            await interaction.response.send_message(_KEPT[kept], ephemeral=True)
        await showcase.exhibit_all(bot, job.id)


class StarButton(PictureButton, template=r"dr:star:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Keeps a picture that hangs in the showcase, where all see the button."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever clicks."""
        job, picture = await self.picture(bot, interaction)
        kept = await bot.services.favourites.toggle(
            job.id, picture.position, member_id=interaction.user.id, guild_id=interaction.guild_id
        )
        await interaction.response.send_message(_KEPT[kept], ephemeral=True)


class MadeButton(PictureButton, template=r"dr:made:(?P<id>\d+):(?P<place>\d{1,3})"):
    """Tells which adapters made a picture, with the way to their pages."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Pages open for whoever may use the adapter; of the others the picture's settings say the name anyway."""
        job, picture = await self.picture(bot, interaction)
        picks = job.imagine.picks(picture.position)
        if not picks:
            raise UserError("This picture was drawn with no adapter: the base model alone made it.")
        words = "\n".join(f"`{pick.written}` at {pick.weight:g}" for pick in picks)
        await interaction.response.send_message(words, view=picture_views.to_pages(picks), ephemeral=True)


class EditButton(JobButton, template=r"dr:edit:(?P<id>[0-9a-f]{16})(?P<place>)"):
    """Opens what was refused in a form."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For who wrote it, as long as it is kept."""
        draft = bot.services.drafts.get(self.subject_id, interaction.user.id)
        await interaction.response.send_modal(EditForm(draft))


class PasteButton(JobButton, template=r"dr:paste:(?P<id>0)(?P<place>)"):
    """Opens the settings that stand in its message in the remix form."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """The message is told to this member alone, and what is in it is checked as anything that is pasted."""
        message = interaction.message
        text = None if message is None else described.find_text(message)
        if message is not None and text is None and message.attachments:
            file = message.attachments[0]
            if file.size > _MOST_PASTED_BYTES:
                raise UserError("These settings are longer than a form holds: shorten them, and paste them.")
            text = (await file.read()).decode("utf-8", "replace")
        if text is None:
            raise UserError("There are no settings in this message: use `/describe` on the picture itself.")
        await open_form(interaction, text)


async def _submit(bot: DarkroomBot, interaction: discord.Interaction[Any], order: ImagineOrder) -> None:
    services = bot.services
    for blob in {shot.source.picture for shot in order.shots if shot.source is not None}:
        if not await services.blobs.exists(blob):
            raise UserError(
                "This was drawn from a picture that is deleted by now: draw from it anew, with `image` of `/imagine`."
            )
    await accept(interaction, services.jobs, services.jobs.submit_imagine(order))


class DeleteButton(JobButton, template=r"dr:delete:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Deletes the pictures and their message."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """From the store first; a message that stays by a failure goes at the next click."""
        pictures = bot.services.pictures
        await pictures.delete(
            self.subject_id, interaction.user.id, guild_id=interaction.guild_id, moderator=is_moderator(interaction)
        )
        try:
            await interaction.response.defer()
            await interaction.delete_original_response()
        except discord.NotFound:  # two taps, or a moderator was quicker
            if not interaction.response.is_done():
                await interaction.response.send_message("These pictures are deleted.", ephemeral=True)
        await showcase.take_down_fallen(bot)


ALL: tuple[type[JobButton], ...] = (
    SettingsButton, PanelButton, AgainButton, SubtleButton, StrongButton, UpscaleButton, HighResButton, RemixButton,
    FavouriteButton, StarButton, MadeButton, EditButton, PasteButton, WordsButton, DeleteButton,
)  # fmt: skip
