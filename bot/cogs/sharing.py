"""`/adapter share | unshare | consent`: who may use one's adapters, and whose likeness they are."""

from __future__ import annotations

from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.adapters import Adapters
from bot.errors import UserError
from bot.sharing import Sharing
from bot.store.records import Adapter
from bot.ui import consenting
from bot.ui.answers import is_moderator
from bot.ui.choices import adapter_choices
from bot.ui.sharing import check_person, told

With = Literal["member", "server", "everyone"]
From = Literal["member", "server", "everyone", "all"]
_WITH: dict[With, str] = {
    "member": "a member, anywhere", "server": "this server", "everyone": "everyone, on every server of this bot",
}  # fmt: skip
_FROM: dict[From, str] = {
    "member": "a member", "server": "this server", "everyone": "everyone", "all": "all of these: make it private",
}  # fmt: skip
WITH_CHOICES = [app_commands.Choice[str](name=words, value=value) for value, words in _WITH.items()]
FROM_CHOICES = [app_commands.Choice[str](name=words, value=value) for value, words in _FROM.items()]
_WHOM = "Whom do you mean? Choose somebody as `member`."


class SharingCommands(commands.Cog):
    """The part of ``/adapter`` that says who may use what. Told to the member alone, but for a question to another."""

    _adapters: Adapters
    _sharing: Sharing

    @app_commands.command(description="Let a member, this server or everyone draw with one of your adapters")
    @app_commands.rename(with_="with")
    @app_commands.choices(with_=WITH_CHOICES)
    @app_commands.describe(
        name="One of yours", with_="This server unless you say otherwise", member="Who may use it, wherever they are"
    )
    async def share(
        self,
        interaction: discord.Interaction[Any],
        name: str,
        with_: str | None = None,
        member: discord.User | None = None,
    ) -> None:
        """One step, of its owner's choice; moderators let in again what they took back."""
        guild_id, owner_id = interaction.guild_id, interaction.user.id
        if is_moderator(interaction) and "/" in name:
            lifted = await self._sharing.lift_bar(name, guild_id)
            if lifted is not None:
                words = f"{lifted.owner_name} can share `{lifted.name}` with this server again."
                await interaction.response.send_message(words, ephemeral=True)
                return
        adapter = await self._adapters.own_of_name(name, owner_id=owner_id, guild_id=guild_id)
        if member is not None:
            if with_ not in {None, "member"}:
                raise UserError("Share with one at a time: leave `member` out, or choose a member in `with`.")
            adapter = await self._sharing.with_member(adapter.id, check_person(member).id, owner_id=owner_id)
        elif with_ == "member":
            raise UserError(_WHOM)
        elif with_ == "everyone":
            adapter = await self._sharing.with_everyone(adapter.id, owner_id=owner_id)
        else:
            adapter = await self._sharing.with_server(adapter.id, guild_id, owner_id=owner_id)
        await interaction.response.send_message(told(adapter, guild_id), ephemeral=True)

    @app_commands.command(description="Take one of your adapters back from a member, this server or everyone")
    @app_commands.rename(from_="from")
    @app_commands.choices(from_=FROM_CHOICES)
    @app_commands.describe(
        name="One of yours; moderators may name anybody's, as ada/thnos",
        from_="This server unless you say otherwise",
        member="Who may not use it any more",
    )
    async def unshare(
        self,
        interaction: discord.Interaction[Any],
        name: str,
        from_: str | None = None,
        member: discord.User | None = None,
    ) -> None:
        """Pictures that are there stay."""
        guild_id, member_id = interaction.guild_id, interaction.user.id
        if is_moderator(interaction):
            adapter = await self._adapters.resolve(name, viewer_id=member_id, guild_id=guild_id)
            if adapter.owner_id != member_id:
                await self._bar(interaction, adapter, from_, member)
                return
        adapter = await self._adapters.own_of_name(name, owner_id=member_id, guild_id=guild_id)
        adapter = await self._take_back(adapter, from_, member, guild_id)
        words = f"{told(adapter, guild_id)} Pictures that were made with it stay."
        await interaction.response.send_message(words, ephemeral=True)

    async def _take_back(
        self, adapter: Adapter, from_: str | None, member: discord.User | None, guild_id: int | None
    ) -> Adapter:
        owner_id = adapter.owner_id
        if member is not None:
            if from_ not in {None, "member"}:
                raise UserError("Take it back from one at a time: leave `member` out, or choose a member in `from`.")
            return await self._sharing.not_with_member(adapter.id, member.id, owner_id=owner_id)
        if from_ == "member":
            raise UserError(_WHOM)
        if from_ == "everyone":
            return await self._sharing.not_with_everyone(adapter.id, owner_id=owner_id)
        if from_ == "all":
            return await self._sharing.with_nobody(adapter.id, owner_id=owner_id)
        return await self._sharing.not_with_server(adapter.id, guild_id, owner_id=owner_id)

    async def _bar(
        self, interaction: discord.Interaction[Any], adapter: Adapter, from_: str | None, member: discord.User | None
    ) -> None:
        if member is not None or from_ not in {None, "server"}:
            raise UserError("Moderators take back from their own server: leave `from` and `member` out.")
        await self._sharing.bar(adapter.id, interaction.guild_id, moderator_id=interaction.user.id)
        whose = f"{adapter.owner_name}/{adapter.name}"
        await interaction.response.send_message(
            f"`{whose}` is taken back from this server, and {adapter.owner_name} can't share it here again. Pictures"
            f" that were made with it stay. `/adapter share name:{whose}` lets it in again.",
            ephemeral=True,
        )

    @app_commands.command(description="Ask whose likeness an adapter is, or see and take back what you agreed to")
    @app_commands.describe(
        name="One of yours that is somebody else's likeness; nothing: what others asked you", member="Whose it is"
    )
    async def consent(
        self, interaction: discord.Interaction[Any], name: str | None = None, member: discord.User | None = None
    ) -> None:
        """The owner asks, in the channel; whoever was asked sees all that they said, and changes it."""
        member_id, guild_id = interaction.user.id, interaction.guild_id
        if name is None:
            if member is not None:
                raise UserError("Which adapter do you mean? Choose it as `name`.")
            embed, view = consenting.asked_list(await self._sharing.asked_of(member_id))
            await interaction.response.send_message(embed=embed, view=view, ephemeral=True)
            return
        adapter = await self._adapters.own_of_name(name, owner_id=member_id, guild_id=guild_id)
        if member is None:
            adapter, consents = await self._sharing.consents_of(adapter.id, owner_id=member_id)
            await interaction.response.send_message(consenting.state(adapter, consents), ephemeral=True)
            return
        if guild_id is None:
            raise UserError("Whoever is asked has to see the question: ask in a server where both of you are.")
        adapter = await self._sharing.ask(adapter.id, check_person(member).id, guild_id, owner_id=member_id)
        _, consents = await self._sharing.consents_of(adapter.id, owner_id=member_id)
        asked = next(each for each in consents if each.member_id == member.id)
        embed, view = consenting.question(adapter, asked)
        await interaction.response.send_message(embed=embed, view=view)

    @unshare.autocomplete("name")
    async def _complete_unshare(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        viewer_id, moderator = interaction.user.id, is_moderator(interaction)
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=interaction.guild_id)
        return adapter_choices([each for each in found if moderator or each.owner_id == viewer_id], viewer_id)

    @share.autocomplete("name")
    @consent.autocomplete("name")
    async def _complete_mine(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        viewer_id = interaction.user.id
        found = await self._adapters.complete(typed, viewer_id=viewer_id, guild_id=None)
        return adapter_choices([each for each in found if each.owner_id == viewer_id], viewer_id)
