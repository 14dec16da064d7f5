"""`/settings …`: what a server's managers say of who may do what."""

from __future__ import annotations

from typing import Any, Literal

import discord
import msgspec
from discord import app_commands
from discord.ext import commands

from bot.errors import UserError
from bot.guilds import MOST_CHANNELS, MOST_ROLES, Guilds, Manager, with_limits, with_member
from bot.showcase import FEWEST_STARS, MOST_STARS
from bot.ui.guild_cards import settings_card, words_card
from trainer.contract import looks

_MB = 10**6
Limit = app_commands.Range[int, 0, 1_000_000]


class Place(app_commands.Transformer):
    """A channel that jobs can come from; discord.py's own forums bring media channels, which Discord's API lacks."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        """A channel."""
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        """Text, announcements, voice's own text, forums."""
        kinds = discord.ChannelType
        return [kinds.text, kinds.news, kinds.voice, kinds.forum]

    async def transform(
        self, interaction: discord.Interaction[Any], value: app_commands.AppCommandChannel, /
    ) -> app_commands.AppCommandChannel:
        """As it came."""
        return value


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class SettingsCog(
    commands.GroupCog, group_name="settings", group_description="Who may do what with Darkroom on this server"
):
    """For members with Manage Server. Everything here is told to the manager alone."""

    def __init__(self, guilds: Guilds) -> None:
        super().__init__()
        self._guilds = guilds

    @app_commands.command(description="All settings of this server, and who is blocked")
    async def show(self, interaction: discord.Interaction[Any]) -> None:
        """As they stand."""
        await self._show(interaction, _manager_of(interaction))

    @app_commands.command(description="Which roles may draw, or train, merge and import; without any, everybody may")
    @app_commands.describe(
        may="What the role is about", role="The role", allowed="Whether it may; no takes it out of the list"
    )
    async def roles(
        self,
        interaction: discord.Interaction[Any],
        may: Literal["draw", "train"],
        role: discord.Role,
        allowed: bool = True,
    ) -> None:
        """One role at a time."""
        manager, name = _manager_of(interaction), "imagine_roles" if may == "draw" else "train_roles"
        await self._guilds.change(
            manager,
            lambda settings: msgspec.structs.replace(
                settings,
                **{name: with_member(getattr(settings, name), role.id, wanted=allowed, most=MOST_ROLES, what="roles")},
            ),
        )
        await self._show(interaction, manager)

    @app_commands.command(description="Where Darkroom is used; threads go with their channel")
    @app_commands.describe(
        place="The channel", used="only here and in others so named, never here, or as everywhere else"
    )
    async def channels(
        self,
        interaction: discord.Interaction[Any],
        place: app_commands.Transform[app_commands.AppCommandChannel, Place],
        used: Literal["only", "never", "as usual"],
    ) -> None:
        """One channel at a time."""
        manager = _manager_of(interaction)
        await self._guilds.change(
            manager,
            lambda settings: msgspec.structs.replace(
                settings,
                allowed_channels=with_member(
                    settings.allowed_channels, place.id, wanted=used == "only", most=MOST_CHANNELS, what="channels"
                ),
                forbidden_channels=with_member(
                    settings.forbidden_channels, place.id, wanted=used == "never", most=MOST_CHANNELS, what="channels"
                ),
            ),
        )
        await self._show(interaction, manager)

    @app_commands.command(description="How much a member may have within 24 hours; 0 is no limit")
    @app_commands.describe(
        jobs="Trainings, drawings and merges",
        pictures="Pictures",
        gpu_minutes="Minutes that the member's jobs took",
        storage_mb="Megabytes of adapters and pictures in all",
        account_days="How many days old a member's Discord account must be",
    )
    async def limits(
        self,
        interaction: discord.Interaction[Any],
        jobs: Limit | None = None,
        pictures: Limit | None = None,
        gpu_minutes: Limit | None = None,
        storage_mb: Limit | None = None,
        account_days: app_commands.Range[int, 0, 3650] | None = None,
    ) -> None:
        """What is left out stays."""
        manager = _manager_of(interaction)
        await self._guilds.change(
            manager,
            lambda settings: with_limits(
                settings, most_jobs=jobs, most_pictures=pictures, most_gpu_minutes=gpu_minutes,
                most_storage_bytes=None if storage_mb is None else storage_mb * _MB, account_days=account_days,
            ),
        )  # fmt: skip
        await self._show(interaction, manager)

    @app_commands.command(description="Whether age-restricted channels may show explicit pictures; others never do")
    @app_commands.describe(
        allowed="No: they are refused in every channel",
        words="Whether prompts may hold words for nudity and sex in other channels, where nothing of it is shown",
    )
    async def explicit(
        self, interaction: discord.Interaction[Any], allowed: bool | None = None, words: bool | None = None
    ) -> None:
        """What is left out stays."""
        manager = _manager_of(interaction)
        given = {name: said for name, said in (("explicit", allowed), ("explicit_words", words)) if said is not None}
        await self._guilds.change(manager, lambda settings: msgspec.structs.replace(settings, **given))
        await self._show(interaction, manager)

    @app_commands.command(description="A channel for pictures that members star; without a channel there is none")
    @app_commands.describe(channel="Where they hang", stars="How many others have to make one their favourite")
    async def showcase(
        self,
        interaction: discord.Interaction[Any],
        channel: discord.TextChannel | None = None,
        stars: app_commands.Range[int, FEWEST_STARS, MOST_STARS] = 3,
    ) -> None:
        """For pictures that are starred from now on."""
        manager = _manager_of(interaction)
        channel_id = None if channel is None else channel.id
        await self._guilds.change(
            manager,
            lambda settings: msgspec.structs.replace(settings, showcase_channel=channel_id, showcase_stars=stars),
        )
        await self._show(interaction, manager)

    @app_commands.command(description="Let a member start nothing here any more, also after leaving and coming back")
    @app_commands.describe(member="Who; an id does, too", reason="For the managers; the member is not told")
    async def block(
        self,
        interaction: discord.Interaction[Any],
        member: discord.User,
        reason: app_commands.Range[str, 0, 200] | None = None,
    ) -> None:
        """What they have stays."""
        await self._guilds.block(_manager_of(interaction), member.id, reason or "")
        await interaction.response.send_message(f"<@{member.id}> is blocked.", ephemeral=True)

    @app_commands.command(description="Let a blocked member start jobs again")
    @app_commands.describe(member="Who; an id does, too")
    async def unblock(self, interaction: discord.Interaction[Any], member: discord.User) -> None:
        """At once."""
        await self._guilds.unblock(_manager_of(interaction), member.id)
        await interaction.response.send_message(f"<@{member.id}> is not blocked any more.", ephemeral=True)

    @app_commands.command(description="Block a word or phrase in prompts, names and captions")
    @app_commands.describe(word="The word or phrase", regex="It is a regular expression, as RE2 takes them")
    async def forbid(self, interaction: discord.Interaction[Any], word: str, regex: bool = False) -> None:
        """Read in all the ways in which people hide words."""
        added = await self._guilds.forbid(_manager_of(interaction), word, regex=regex)
        await interaction.response.send_message(f"“{looks.plain(added.pattern)}” is blocked.", ephemeral=True)

    @app_commands.command(description="Let a blocked word be said again")
    @app_commands.describe(word="The word or expression")
    async def allow(self, interaction: discord.Interaction[Any], word: str) -> None:
        """At once."""
        removed = await self._guilds.allow(_manager_of(interaction), word)
        await interaction.response.send_message(f"“{looks.plain(removed)}” may be said again.", ephemeral=True)

    @app_commands.command(description="The words that are blocked here")
    async def words(self, interaction: discord.Interaction[Any]) -> None:
        """By the alphabet."""
        found = await self._guilds.words(_manager_of(interaction).guild_id)
        await interaction.response.send_message(embed=words_card(found), ephemeral=True)

    @allow.autocomplete("word")
    async def _complete(self, interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        if interaction.guild_id is None or not interaction.permissions.manage_guild:
            return []
        found = [word.pattern for word in await self._guilds.words(interaction.guild_id)]
        near = [pattern for pattern in dict.fromkeys(found) if typed.strip().lower() in pattern.lower()]
        return [app_commands.Choice(name=pattern, value=pattern) for pattern in near if 0 < len(pattern) <= 100][:25]

    @app_commands.command(description="Where moderators read of reports; without a channel: in /reports alone")
    @app_commands.describe(where="A channel that only moderators see")
    async def log(self, interaction: discord.Interaction[Any], where: discord.TextChannel | None = None) -> None:
        """Of all that members report."""
        manager, chosen = _manager_of(interaction), None if where is None else where.id
        await self._guilds.change(manager, lambda settings: msgspec.structs.replace(settings, log_channel=chosen))
        await self._show(interaction, manager)

    async def _show(self, interaction: discord.Interaction[Any], manager: Manager) -> None:
        settings = await self._guilds.settings(manager.guild_id)
        blocked, words = await self._guilds.blocked(manager.guild_id), await self._guilds.words(manager.guild_id)
        await interaction.response.send_message(embed=settings_card(settings, blocked, len(words)), ephemeral=True)


def _manager_of(interaction: discord.Interaction[Any]) -> Manager:
    """Who asks. Discord shows the commands to managers alone, unless somebody changed that. Raises UserError."""
    if interaction.guild_id is None:
        raise UserError("Settings are a server's: use this command in the server that they are for.")
    if not interaction.permissions.manage_guild:
        raise UserError("The settings are for members with Manage Server: ask one of them.")
    return Manager(guild_id=interaction.guild_id, member_id=interaction.user.id)
