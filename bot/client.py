"""The Discord client: it loads the commands and the buttons, and runs the services while it is connected."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, cast

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands
from discord.ext import commands, tasks
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.cogs.adapters import AdapterCog
from bot.cogs.describe import DescribeCog
from bot.cogs.favourites import FavouritesCog
from bot.cogs.gallery import GalleryCog
from bot.cogs.grid import GridCog
from bot.cogs.imagine import ImagineCog
from bot.cogs.jobs import JobsCog
from bot.cogs.merging import CheckpointCog, MergeCog
from bot.cogs.models import ModelsCog
from bot.cogs.moderation import ReportsCog
from bot.cogs.photos import PhotosCog
from bot.cogs.privacy import PrivacyCog
from bot.cogs.settings import SettingsCog
from bot.cogs.styles import StyleCog
from bot.cogs.train import TrainCog
from bot.cogs.wildcards import WildcardCog
from bot.errors import UserError
from bot.herald import Herald
from bot.metrics import ACKNOWLEDGED
from bot.services import Services
from bot.settings import Settings
from bot.ui import adapter_buttons, buttons, showcase
from bot.ui.albums import AlbumButton, DiscardMenu
from bot.ui.answers import answer_fault
from bot.ui.bringing import StopBringingButton
from bot.ui.choosing import ChooseMenu
from bot.ui.favourites import FavouriteMenu
from bot.ui.gallery import GalleryButton, OpenMenu
from bot.ui.picture_buttons import PictureMenu
from bot.ui.sharing import MembersMenu
from bot.ui.typed import clean_options

log = structlog.get_logger(__name__)

FORM_PATIENCE_S = 2.5  # of Discord's 3; a form that nobody has answered by then is none that this bot has open
PLACES_EVERY_S = 15.0


def configure_endpoints(api_base: str, gateway_url: str | None) -> None:
    """Point discord.py at ``api_base`` and ``gateway_url``; without one, Discord says where its gateway is."""
    Route.BASE = api_base
    if gateway_url is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


class DarkroomTree(app_commands.CommandTree["DarkroomBot"]):
    """The commands, with one place where every fault of a command ends."""

    async def interaction_check(self, interaction: discord.Interaction[DarkroomBot], /) -> bool:
        """Nobody is kept out here; what was typed is cleaned before a command, or an autocomplete, reads it."""
        clean_options(cast("dict[str, Any]", interaction.data or {}).get("options", []))
        return True

    async def on_error(
        self, interaction: discord.Interaction[DarkroomBot], error: app_commands.AppCommandError, /
    ) -> None:
        """Tell the member, and nobody else, what is wrong and what to do."""
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        await answer_fault(interaction, cause)


class DarkroomBot(commands.AutoShardedBot):
    """The client: its commands, its buttons, and the services' loops while it is connected, on all shards at once."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,  # commands are slash commands; it reads no messages
            help_command=None,
            tree_cls=DarkroomTree,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),  # nothing that a member types pings anybody
            # results are posted as the bot, so it has to be where it is used: in a server, or in its own direct channel
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            max_messages=None,
            http_trace=_trace_acknowledgements(),
        )
        self.services = services
        self.herald = Herald(self, services.jobs, services.adapters, services.exports)

    async def setup_hook(self) -> None:
        """Load the cogs, register the commands, finish what a bot before left open, start the services' loops."""
        services = self.services
        jobs, reviews, adapters = services.jobs, services.reviews, services.adapters
        cogs: tuple[commands.Cog, ...] = (
            TrainCog(self, jobs, services.trainings, reviews, adapters), PhotosCog(jobs, reviews),
            ImagineCog(self, jobs, adapters, services.templates, services.styles, services.photos),
            GridCog(jobs, services.templates, services.styles, services.photos),
            AdapterCog(adapters, services.sharing, services.importer, services.bringer, services.exports, jobs),
            JobsCog(jobs),
            MergeCog(jobs, services.merges), CheckpointCog(jobs, services.merges),
            WildcardCog(services.wildcards, services.text_reader), StyleCog(services.styles),
            FavouritesCog(services.favourites, services.pictures),
            GalleryCog(adapters, services.library, services.browsing, jobs),
            ModelsCog(services.models), PrivacyCog(services.privacy), ReportsCog(services.moderation),
            SettingsCog(services.guilds), DescribeCog(self, services.picture_reader, services.pictures),
        )  # fmt: skip
        for cog in cogs:
            await self.add_cog(cog)
        self.add_dynamic_items(*buttons.ALL, *adapter_buttons.ALL, GalleryButton, OpenMenu, AlbumButton, DiscardMenu)
        self.add_dynamic_items(StopBringingButton, ChooseMenu, PictureMenu, FavouriteMenu, MembersMenu)
        await self.tree.sync()
        await self.herald.finish_cards()
        self.services.start(self.herald)
        self._keep_places_fresh.start()

    async def close(self) -> None:
        """Stop the loops before the connection, so that none writes to a closed one."""
        self._keep_places_fresh.cancel()
        await self.services.stop()
        await super().close()

    async def on_interaction(self, interaction: discord.Interaction[DarkroomBot]) -> None:
        """Answer forms that outlived the bot that opened them, or their quarter of an hour: discord.py ignores them."""
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        await asyncio.sleep(FORM_PATIENCE_S)
        if not interaction.response.is_done():
            words = "This form is too old, and nothing of it was kept: open it anew."
            await answer_fault(interaction, UserError(words))

    @tasks.loop(seconds=PLACES_EVERY_S)
    async def _keep_places_fresh(self) -> None:
        try:
            await self.herald.show_places()
            await showcase.take_down_fallen(self)
        except Exception:
            log.exception("places.failed")  # a loop of discord.py ends at an exception


def _trace_acknowledgements() -> aiohttp.TraceConfig:
    """Times every first answer to an interaction from the moment that Discord made it, which its id says."""
    trace = aiohttp.TraceConfig()

    async def ended(session: object, context: object, request: aiohttp.TraceRequestEndParams) -> None:
        answered = re.search(r"/interactions/(\d+)/[^/]+/callback$", request.url.path)
        if answered is not None:
            ACKNOWLEDGED.observe(max(0.0, time.time() - discord.utils.snowflake_time(int(answered[1])).timestamp()))

    trace.on_request_end.append(ended)
    return trace


def build_bot(settings: Settings, services: Services) -> DarkroomBot:
    """The client of these settings, not yet connected."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it has nothing to do with voice
    configure_endpoints(settings.discord_api_base, settings.discord_gateway_url)
    return DarkroomBot(services)
