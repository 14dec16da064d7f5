"""The panel of sharing: who can use an adapter now, and each step there and back, of its owner's own choice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.errors import UserError
from bot.sharing import MOST_NAMED
from bot.store.records import Adapter
from bot.ui import cards
from bot.ui.answers import answer_fault
from bot.ui.job_button import JobButton
from bot.ui.reach import who_can_use
from bot.ui.views import button, view_of
from trainer.contract import looks
from trainer.contract.names import button_id

if TYPE_CHECKING:
    from bot.client import DarkroomBot

MEMBERS = "Members who can use it anywhere"
SERVER, NOT_SERVER = "Share with this server", "Take back from this server"
EVERYONE, NOT_EVERYONE = "Share with everyone", "Take back from everyone"
NOBODY = "Make private"


def told(adapter: Adapter, guild_id: int | None) -> str:
    """What its owner is told after a step: who can use it now, and how others write it."""
    words = f"`{adapter.name}`: {who_can_use(adapter, guild_id)}"
    if adapter.hidden_at is None and (adapter.public_at is not None or adapter.shared_with or adapter.named):
        tag = cards.written(adapter, f"{adapter.owner_name}/{adapter.name}")
        words += f" Others write `{tag}`, or its name alone. `/adapter unshare` takes it back."
    return words


def panel(adapter: Adapter, guild_id: int | None) -> tuple[discord.Embed, discord.ui.View]:
    """Who can use it, and the steps that are open."""
    lines = [who_can_use(adapter, guild_id), *_limits(adapter)]
    embed = discord.Embed(title=f"Sharing {adapter.name}", description="\n".join(lines), colour=looks.DONE)
    here, public = guild_id in adapter.shared_with, adapter.public_at is not None
    items: list[discord.ui.Item[discord.ui.View]] = [_members_menu(adapter)]
    if guild_id is not None:
        items.append(button("server", adapter.id, NOT_SERVER if here else SERVER, place=int(not here), row=1))
    if public or adapter.likeness == "none":
        words = NOT_EVERYONE if public else EVERYONE
        items.append(button("everyone", adapter.id, words, place=int(not public), row=1))
    if here or public or adapter.named or adapter.shared_with:
        items.append(button("private", adapter.id, NOBODY, row=1))
    return embed, view_of(*items)


def _limits(adapter: Adapter) -> list[str]:
    if adapter.likeness == "none":
        return []
    if adapter.likeness == "other" and adapter.agreed_at is None:
        return [
            "It is somebody else's likeness: servers have it once that person has agreed, which"
            f" `/adapter consent name:{adapter.name}` asks them. It is never for everyone."
        ]
    return ["It is the likeness of a real person, so it is never for everyone."]


def _members_menu(adapter: Adapter) -> discord.ui.UserSelect[Any]:
    return discord.ui.UserSelect(
        custom_id=button_id("members", adapter.id), placeholder=MEMBERS, min_values=0, max_values=MOST_NAMED, row=0,
        default_values=[
            discord.SelectDefaultValue(id=member_id, type=discord.SelectDefaultValueType.user)
            for member_id in adapter.named[:MOST_NAMED]
        ],
    )  # fmt: skip


async def open_panel(bot: DarkroomBot, interaction: discord.Interaction[Any], adapter_id: str) -> None:
    """To its owner alone. Raises UserError: somebody else's, or gone."""
    adapter = await bot.services.adapters.own(adapter_id, owner_id=interaction.user.id)
    embed, view = panel(adapter, interaction.guild_id)
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


async def _show(interaction: discord.Interaction[Any], adapter: Adapter) -> None:
    embed, view = panel(adapter, interaction.guild_id)
    await interaction.response.edit_message(embed=embed, view=view)


class ShareButton(JobButton, template=r"dr:share:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Opens the panel of the adapter that a training or a merge made."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may."""
        made = await self.made(bot)
        await open_panel(bot, interaction, made.adapter_id)


class SharingButton(JobButton, template=r"dr:sharing:(?P<id>\w+)(?P<place>)"):
    """Opens the panel from an adapter's page."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may."""
        await open_panel(bot, interaction, self.subject_id)


class ServerButton(JobButton, template=r"dr:server:(?P<id>\w+):(?P<place>[01])"):
    """Shares with the server where it is pressed (1), or takes back from it (0)."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; an old panel does what its button says, and not the opposite."""
        sharing, owner_id, guild_id = bot.services.sharing, interaction.user.id, interaction.guild_id
        step = sharing.with_server if self.place else sharing.not_with_server
        await _show(interaction, await step(self.subject_id, guild_id, owner_id=owner_id))


class EveryoneButton(JobButton, template=r"dr:everyone:(?P<id>\w+):(?P<place>[01])"):
    """Shares with everybody (1), or takes that back (0)."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may."""
        sharing = bot.services.sharing
        step = sharing.with_everyone if self.place else sharing.not_with_everyone
        await _show(interaction, await step(self.subject_id, owner_id=interaction.user.id))


class PrivateButton(JobButton, template=r"dr:private:(?P<id>\w+)(?P<place>)"):
    """Takes it back from everybody."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may."""
        await _show(interaction, await bot.services.sharing.with_nobody(self.subject_id, owner_id=interaction.user.id))


class MembersMenu(discord.ui.DynamicItem[discord.ui.UserSelect[Any]], template=r"dr:members:(?P<id>\w+)"):
    """Names the members who may use it anywhere."""

    def __init__(self, menu: discord.ui.UserSelect[Any], adapter_id: str) -> None:
        super().__init__(menu)
        self.adapter_id = adapter_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew at every choice, from the menu as it stands in the message."""
        if not isinstance(item, discord.ui.UserSelect):
            raise TypeError(f"{match[0]} is no menu of members")
        return cls(item, match["id"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Its owner alone may; those who are not chosen any more have lost it."""
        try:
            chosen = [check_person(person).id for person in self.item.values]
            sharing = interaction.client.services.sharing
            await _show(interaction, await sharing.with_members(self.adapter_id, chosen, owner_id=interaction.user.id))
        except Exception as error:
            await answer_fault(interaction, error)


def check_person(person: discord.User | discord.Member) -> discord.User | discord.Member:
    """Somebody whom one can share with. Raises UserError: a bot."""
    if person.bot:
        raise UserError(f"<@{person.id}> is a bot, and can't use adapters: choose a member.")
    return person


ALL: tuple[type[JobButton], ...] = (ShareButton, SharingButton, ServerButton, EveryoneButton, PrivateButton)
