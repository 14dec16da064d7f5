"""What the buttons on an adapter's page do. Each asks anew whether whoever presses it may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord

from bot.drafts import Draft
from bot.errors import UserError
from bot.library import AdapterPage
from bot.store.records import Adapter, Picture
from bot.ui import adapter_page, cards, described, views
from bot.ui.adapter_forms import PageForm, RenameForm
from bot.ui.answers import think_privately
from bot.ui.choice_menu import ChoiceMenu, read_picture, read_place
from bot.ui.described import Described
from bot.ui.job_button import JobButton
from bot.ui.remixing import EditForm
from trainer.contract import looks
from trainer.contract.names import Action, button_id

if TYPE_CHECKING:
    from bot.client import DarkroomBot

WHICH = "Choose one, for its settings and what can be done with it"
WHICH_COVER = "Choose the picture that the page shows"
USE_VERSION, DELETE_VERSION = "Put another version in use", "Delete a version for good"
_MOST_OPTIONS = 25  # Discord's limit
_ROOM = 0.9  # of what may be uploaded; the rest is the message around it


class AdapterButton(JobButton, template=r"dr:noadapter:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Base of those about an adapter."""

    async def page(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> AdapterPage:
        """As whoever presses sees it. Raises UserError."""
        return await bot.services.library.page(
            self.subject_id, viewer_id=interaction.user.id, guild_id=interaction.guild_id
        )

    async def own(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> AdapterPage:
        """Likewise, for its owner alone. Raises UserError."""
        await bot.services.adapters.own(self.subject_id, owner_id=interaction.user.id)
        return await self.page(bot, interaction)


class OpenPageButton(AdapterButton, template=r"dr:page:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Opens the page."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever may use it."""
        await adapter_page.show(bot, interaction, self.subject_id)


class UseButton(AdapterButton, template=r"dr:use:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Opens a form with a prompt that uses it."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever may use it; what is sent is read as a prompt of theirs."""
        adapter = (await self.page(bot, interaction)).adapter
        draft = Draft(prompt=first_prompt(adapter, interaction.user.id), strict=False)
        await interaction.response.send_modal(EditForm(draft, title=f"Draw with {adapter.name}"))


class LikeButton(AdapterButton, template=r"dr:like:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Makes it a favourite, or one no more."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever may use it."""
        liked = await bot.services.library.like(
            self.subject_id, viewer_id=interaction.user.id, guild_id=interaction.guild_id
        )
        words = "One of your favourites." if liked else "Not one of your favourites any more."
        await adapter_page.refresh(bot, interaction, self.subject_id, words)


class ExamplesButton(AdapterButton, template=r"dr:examples:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Shows pictures that it made, each with the way to its settings."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Those that whoever presses may see."""
        page = await self.page(bot, interaction)
        if not page.examples:
            raise UserError(
                f"There is no picture of `{page.adapter.name}` that you can see here: draw one with **Use it**."
            )
        await think_privately(interaction)
        files, named = await _fitting(bot, page.examples, int(interaction.filesize_limit * _ROOM))
        menu = _picture_menu("kept", "0", WHICH, named)
        words = f"What `{page.adapter.name}` has drawn, the newest first."
        await interaction.edit_original_response(content=words, attachments=files, view=views.view_of(menu))


class RecipeButton(AdapterButton, template=r"dr:recipe:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Tells how exactly it was made."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For whoever may use it."""
        page = await self.page(bot, interaction)
        job = await bot.services.jobs.get(page.adapter.job_id)
        if job is not None and job.lane == "merge":
            text = cards.merge_settings(page.adapter, job)
        elif page.adapter.origin == "imported":
            text = cards.file_settings(page.adapter)
        else:
            recipe = page.recipe or await bot.services.adapters.recipe(page.adapter)
            text = cards.training_settings(page.adapter, recipe)
        words, files = described.message([Described("", text)])
        await interaction.response.send_message(words, files=files, ephemeral=True)


class WriteButton(AdapterButton, template=r"dr:write:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Opens the form of what stands on the page."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For its owner."""
        await interaction.response.send_modal(PageForm(bot, await self.own(bot, interaction)))


class RenameButton(AdapterButton, template=r"dr:rename:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Opens the form of its name."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For its owner."""
        await interaction.response.send_modal(RenameForm(bot, (await self.own(bot, interaction)).adapter))


class CoverButton(AdapterButton, template=r"dr:cover:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Shows its owner their own examples, to choose the one that the page shows."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For its owner."""
        page = await self.own(bot, interaction)
        own = [each for each in page.examples if each.owner_id == interaction.user.id]
        if not own:
            raise UserError(
                f"You have drawn nothing with `{page.adapter.name}` that could be its cover: **Use it** first."
            )
        await think_privately(interaction)
        files, named = await _fitting(bot, own, int(interaction.filesize_limit * _ROOM))
        menu = _picture_menu("cover", self.subject_id, WHICH_COVER, named)
        await interaction.edit_original_response(
            content="Everybody who can use it sees its cover.", attachments=files, view=views.view_of(menu)
        )


class VersionsButton(AdapterButton, template=r"dr:versions:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Lists its versions, to put another one in use or to delete one."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For its owner."""
        shown, view = versions_card(await self.own(bot, interaction))
        await interaction.response.send_message(embed=shown, view=view, ephemeral=True)


class RemoveButton(AdapterButton, template=r"dr:remove:(?P<id>[0-9a-f]{32})(?P<place>)"):
    """Asks its owner once more whether to delete it."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """For its owner."""
        adapter = (await self.own(bot, interaction)).adapter
        view = views.under_forgetting(adapter.id, adapter.name)
        await interaction.response.send_message(cards.asks_to_forget(adapter), view=view, ephemeral=True)


class CoverMenu(ChoiceMenu, template=r"dr:cover:(?P<id>[0-9a-f]{32}):0"):
    """Puts a picture on the page."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """For its owner."""
        adapter = await bot.services.library.set_cover(
            self.subject_id, *read_picture(value), owner_id=interaction.user.id
        )
        words = f"The page of `{adapter.name}` shows this picture now."
        await interaction.response.edit_message(content=words, attachments=[], view=None)


class UseVersionMenu(ChoiceMenu, template=r"dr:version:(?P<id>[0-9a-f]{32})"):
    """Puts another version in use."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """For its owner."""
        await bot.services.library.use_version(self.subject_id, read_place(value), owner_id=interaction.user.id)
        await _show_versions(bot, interaction, self.subject_id)


class DeleteVersionMenu(ChoiceMenu, template=r"dr:unversion:(?P<id>[0-9a-f]{32})"):
    """Deletes a version that is not in use."""

    async def choose(self, bot: DarkroomBot, interaction: discord.Interaction[Any], value: str) -> None:
        """For its owner."""
        await bot.services.library.delete_version(self.subject_id, read_place(value), owner_id=interaction.user.id)
        await _show_versions(bot, interaction, self.subject_id)


async def _show_versions(bot: DarkroomBot, interaction: discord.Interaction[Any], adapter_id: str) -> None:
    page = await bot.services.library.page(
        adapter_id, viewer_id=interaction.user.id, guild_id=interaction.guild_id
    )  # fmt: skip
    shown, view = versions_card(page)
    await interaction.response.edit_message(embed=shown, view=view)


def first_prompt(adapter: Adapter, viewer_id: int) -> str:
    """The beginning of a prompt that uses it at its best weight, with its trigger word where that is only offered."""
    if adapter.kind == "textual_inversion":
        return f"{adapter.trigger} "
    words = adapter.trigger_words[0] if adapter.trigger_words and not adapter.class_word else ""
    return f"{cards.tag(adapter, viewer_id)} {words}{' ' if words else ''}"


def versions_card(page: AdapterPage) -> tuple[discord.Embed, discord.ui.View]:
    """A line for each version, and the menus that change which one is in use."""
    adapter = page.adapter
    every = sorted([adapter, *page.others], key=lambda each: -each.version)
    lines = [
        f"`{adapter.name}@{each.version}` {_how(each)}, {looks.size(each.size_bytes)}, made"
        f" <t:{int(each.created_at)}:R>{' · **in use**' if each.version == adapter.version else ''}"
        for each in every
    ]
    shown = discord.Embed(
        title=f"Versions of {adapter.name}", description=looks.cut("\n".join(lines), 4_096), colour=looks.DONE
    )  # fmt: skip
    if not page.others:
        shown.description = f"{lines[0]}\nTraining `{adapter.name}` again makes the next version; this one is kept."
        return shown, views.view_of()
    menus: list[discord.ui.Item[discord.ui.View]] = []
    actions: dict[Action, str] = {"version": USE_VERSION, "unversion": DELETE_VERSION}
    for row, (action, words) in enumerate(actions.items()):
        menu: discord.ui.Select[Any] = discord.ui.Select(
            custom_id=button_id(action, adapter.id), placeholder=words, row=row
        )
        for each in page.others[:_MOST_OPTIONS]:
            menu.add_option(label=f"Version {each.version}, {_how(each)}", value=str(each.version))
        menus.append(menu)
    return shown, views.view_of(*menus)


def _how(version: Adapter) -> str:
    """How it came about; only a training has steps."""
    return f"{version.method}, {version.steps:,} steps" if version.origin == "trained" else version.origin


async def _fitting(
    bot: DarkroomBot, pictures: list[Picture] | tuple[Picture, ...], room: int
) -> tuple[list[discord.File], list[Picture]]:
    """As many of the pictures as a message takes, in order, with their files."""
    files: list[discord.File] = []
    named: list[Picture] = []
    for picture in pictures:
        room -= picture.size_bytes
        if room < 0 and named:
            break
        file = await adapter_page.picture_file(bot.services.blobs, picture, f"{len(named) + 1}")
        if file is not None:
            files.append(file)
            named.append(picture)
    return files, named


def _picture_menu(action: Action, subject_id: str, words: str, pictures: list[Picture]) -> discord.ui.Select[Any]:
    place = 0 if action == "cover" else None
    menu: discord.ui.Select[Any] = discord.ui.Select(
        custom_id=button_id(action, subject_id, place), placeholder=words
    )  # fmt: skip
    for number, picture in enumerate(pictures, 1):
        prompt = looks.one_line(picture.parameters.partition("\n")[0], 80)
        menu.add_option(label=looks.cut(f"{number}. {prompt}", 100), value=f"{picture.job_id}:{picture.position}")
    return menu


ALL: tuple[type[discord.ui.DynamicItem[Any]], ...] = (
    OpenPageButton, UseButton, LikeButton, ExamplesButton, RecipeButton, WriteButton, RenameButton, CoverButton,
    VersionsButton, RemoveButton, CoverMenu, UseVersionMenu, DeleteVersionMenu,
)  # fmt: skip
