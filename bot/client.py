"""The bot's face: the Discord client, its one error handler, and what it tells of jobs that changed."""

from __future__ import annotations

import discord
import structlog
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.errors import QueueDown, UserError, new_reference
from bot.services import Services
from bot.settings import Settings
from bot.store.records import Job

log = structlog.get_logger(__name__)

FAILED_COLOUR = discord.Colour(0xD0433B)
CANCELLED_COLOUR = discord.Colour(0x8A8F98)


def configure_endpoints(api_base: str, gateway_url: str | None) -> None:
    """Point discord.py at ``api_base`` and ``gateway_url``; without one, Discord says where its gateway is."""
    Route.BASE = api_base
    if gateway_url is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


class DarkroomTree(app_commands.CommandTree["DarkroomBot"]):
    """The slash commands, with one place where every fault of a command ends."""

    async def on_error(
        self, interaction: discord.Interaction[DarkroomBot], error: app_commands.AppCommandError, /
    ) -> None:
        """Tell the member, and nobody else, what is wrong and what to do."""
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        await answer_fault(interaction, cause)


async def answer_fault(interaction: discord.Interaction[DarkroomBot], error: BaseException) -> None:
    """One sentence to the person who caused it; what nobody caused is logged under a reference code they are shown."""
    if isinstance(error, UserError):
        words = error.message
    elif isinstance(error, QueueDown):
        words = "Darkroom's queue does not answer at the moment. Nothing was lost; please try again in a minute."
        log.warning("queue.down", error=str(error))
    else:
        reference = new_reference()
        words = f"Something went wrong on our side. The operator finds it in the log under {reference}."
        log.error("interaction.failed", reference=reference, exc_info=error)
    if interaction.response.is_done():
        await interaction.followup.send(words, ephemeral=True)
    else:
        await interaction.response.send_message(words, ephemeral=True)


class DarkroomBot(discord.Client):
    """The client. It is a :class:`bot.outbox.Listener`: whatever it is told may be told twice."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),  # nothing that a member types pings anybody
        )
        self.services = services
        self.tree = DarkroomTree(self)

    async def setup_hook(self) -> None:
        """Register the commands and start the services' loops."""
        await self.tree.sync()
        self.services.start(self)

    async def close(self) -> None:
        """Stop the loops before the connection, so that none writes to a closed one."""
        await self.services.stop()
        await super().close()

    def _card(self, job: Job) -> discord.PartialMessage | None:
        """The message that shows the job, editable with the bot's token however old the interaction is."""
        if job.message_id is None:
            return None
        return self.get_partial_messageable(job.channel_id).get_partial_message(job.message_id)

    async def _show(self, job: Job, title: str, text: str, colour: discord.Colour) -> None:
        """Replace the card's content; a card that somebody deleted is no error."""
        card = self._card(job)
        if card is None:
            return
        try:
            await card.edit(embed=discord.Embed(title=title, description=text, colour=colour), view=None)
        except discord.NotFound:
            log.info("card.gone", job=job.id)

    async def on_started(self, job: Job) -> None:
        """The worker writes the card from here on."""

    async def on_requeued(self, job: Job) -> None:
        """The card is the bot's again."""
        await self._show(job, "In the queue again", "The machine that worked on this stopped; another one takes over.",
                         CANCELLED_COLOUR)  # fmt: skip

    async def on_delivered(self, job: Job) -> None:
        """The worker has put the result into the channel."""
        log.info("job.delivered", job=job.id)

    async def on_failed(self, job: Job, *, card_written: bool) -> None:
        """Tell the member on the card, where the worker could not."""
        if not card_written:
            await self._show(job, "That did not work", job.error or "The job failed.", FAILED_COLOUR)

    async def on_cancelled(self, job: Job, *, card_written: bool) -> None:
        """Say on the card that the job was stopped, where the worker did not."""
        if not card_written:
            await self._show(job, "Cancelled", "This job was stopped; nothing of it was kept.", CANCELLED_COLOUR)

    async def ping(self, job: Job, *, nonce: str) -> None:
        """Mention the member, and only them, once."""
        channel = self.get_partial_messageable(job.channel_id)
        await channel.send(
            f"<@{job.owner_id}> it is ready.",
            nonce=nonce,
            allowed_mentions=discord.AllowedMentions(users=[discord.Object(job.owner_id)]),
        )


def build_bot(settings: Settings, services: Services) -> DarkroomBot:
    """The client of these settings, not yet connected."""
    configure_endpoints(settings.discord_api_base, settings.discord_gateway_url)
    return DarkroomBot(services)
