"""The bot's face: the Discord client, its commands and buttons, and what it tells of jobs that changed."""

from __future__ import annotations

import asyncio
import time

import discord
import structlog
import yarl
from discord import app_commands
from discord.ext import commands, tasks
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.cogs.adapters import AdapterCog
from bot.cogs.imagine import ImagineCog
from bot.cogs.jobs import JobsCog
from bot.cogs.train import TrainCog
from bot.errors import UserError
from bot.services import Services
from bot.settings import Settings
from bot.store.records import Job
from bot.ui import buttons, cards, views
from bot.ui.answers import answer_fault, waiting_card

log = structlog.get_logger(__name__)

TOKEN_LIVES_S = 15 * 60.0  # an interaction's
FORM_PATIENCE_S = 2.5  # of Discord's 3; a form that nobody has answered by then is none that this bot has open
PLACES_EVERY_S = 15.0
MOST_MOVED = 5  # cards that are edited a time: Discord allows about one edit a second in a channel


def configure_endpoints(api_base: str, gateway_url: str | None) -> None:
    """Point discord.py at ``api_base`` and ``gateway_url``; without one, Discord says where its gateway is."""
    Route.BASE = api_base
    if gateway_url is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


class DarkroomTree(app_commands.CommandTree["DarkroomBot"]):
    """The commands, with one place where every fault of a command ends."""

    async def on_error(
        self, interaction: discord.Interaction[DarkroomBot], error: app_commands.AppCommandError, /
    ) -> None:
        """Tell the member, and nobody else, what is wrong and what to do."""
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        await answer_fault(interaction, cause)


class DarkroomBot(commands.Bot):
    """The client. It is a :class:`bot.outbox.Listener`: whatever it is told may be told twice."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,  # commands are slash commands; it reads no messages
            help_command=None,
            tree_cls=DarkroomTree,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),  # nothing that a member types pings anybody
            max_messages=None,
        )
        self.services = services
        self._shown_places: dict[str, int] = {}  # by job id: what its card says

    async def setup_hook(self) -> None:
        """Load the cogs, register the commands, finish what a bot before left open, start the services' loops."""
        jobs, adapters = self.services.jobs, self.services.adapters
        for cog in (TrainCog(self, jobs), ImagineCog(jobs, adapters), AdapterCog(adapters), JobsCog(jobs)):
            await self.add_cog(cog)
        self.add_dynamic_items(*buttons.ALL)
        await self.tree.sync()
        await self._finish_cards()
        self.services.start(self)
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
            words = "This form is too old, and nothing of it was kept: open it anew with `/train`."
            await answer_fault(interaction, UserError(words))

    async def _finish_cards(self) -> None:
        """Give a card to jobs that a bot accepted and died before it had posted one."""
        for job in await self.services.jobs.without_card():
            fresh = job.token is not None and time.time() - job.created_at < TOKEN_LIVES_S
            message_id = await self._edit_by_token(job) if fresh else None
            if message_id is None:
                await self.services.jobs.give_up_card(job.id)  # the worker posts the result as a new message
            else:
                await self.services.jobs.attach_card(job.id, message_id)

    async def _edit_by_token(self, job: Job) -> int | None:
        """Edit the answer to the job's interaction, if there is one; its message id."""
        if self.application_id is None or job.token is None:
            return None
        embed, view = await waiting_card(self.services.jobs, job)
        payload = {"embeds": [embed.to_dict()], "components": view.to_components()}
        route = Route(
            "PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            webhook_id=self.application_id, webhook_token=job.token,
        )  # fmt: skip
        try:
            message = await self.http.request(route, json=payload)
        except discord.HTTPException as error:
            log.info("card.not_finished", job=job.id, error=str(error))
            return None
        return int(message["id"])

    # -- places in the queue ------------------------------------------------------------------------------------------

    @tasks.loop(seconds=PLACES_EVERY_S)
    async def _keep_places_fresh(self) -> None:
        try:
            await self.show_places()
        except Exception:
            log.exception("places.failed")  # a loop of discord.py ends at an exception

    async def show_places(self) -> None:
        """Say on waiting cards that they have moved up.

        A job that is next may be a worker's at any moment, whose card it is then: it is left alone.
        """
        shown, moved = self._shown_places, 0
        self._shown_places = {}
        for job, place in await self.services.jobs.places():
            before = self._shown_places[job.id] = shown.get(job.id, place)
            if job.card == "posted" and 1 < place < before and moved < MOST_MOVED:
                self._shown_places[job.id] = place
                moved += 1
                await self._show(job, *await waiting_card(self.services.jobs, job))

    # -- what it is told of jobs --------------------------------------------------------------------------------------

    def _card(self, job: Job) -> discord.PartialMessage | None:
        """The message that shows the job, editable with the bot's token however old the interaction is."""
        if job.message_id is None:
            return None
        return self.get_partial_messageable(job.channel_id).get_partial_message(job.message_id)

    async def _show(self, job: Job, embed: discord.Embed, view: discord.ui.View | None = None) -> None:
        """Replace the card's content; a card that somebody deleted is no error."""
        card = self._card(job)
        if card is None:
            return
        try:
            await card.edit(embed=embed, view=view, attachments=[])
        except discord.NotFound:
            log.info("card.gone", job=job.id)

    async def on_started(self, job: Job) -> None:
        """The worker writes the card from here on."""

    async def on_requeued(self, job: Job) -> None:
        """The card is the bot's again."""
        await self._show(job, cards.requeued(), views.under_waiting(job.id))

    async def on_delivered(self, job: Job) -> None:
        """The worker has put the result into the channel: the buttons go under it."""
        card = self._card(job)
        if card is None:
            return
        if job.lane == "train":
            examples = await buttons.example_prompts(self, job)
            view = views.under_training(job.id, examples, in_guild=job.guild_id is not None)
        else:
            view = views.under_pictures(job.id)
        try:
            await card.edit(view=view)
        except discord.NotFound:
            log.info("card.gone", job=job.id)

    async def on_failed(self, job: Job, *, card_written: bool) -> None:
        """Tell the member on the card, where the worker could not."""
        if not card_written:
            await self._show(job, cards.failed(job))

    async def on_cancelled(self, job: Job, *, card_written: bool) -> None:
        """Say on the card that the job was stopped, where the worker did not."""
        if not card_written:
            await self._show(job, cards.cancelled())

    async def ping(self, job: Job, *, nonce: str) -> None:
        """Mention the member, and only them, once, as a reply to the result."""
        what = f"`{job.train.name}` is ready." if job.lane == "train" else "your picture is ready."
        card = self._card(job)
        channel = self.get_partial_messageable(job.channel_id)
        mention = discord.AllowedMentions(users=[discord.Object(job.owner_id)], replied_user=False)
        await channel.send(
            f"<@{job.owner_id}> {what}",
            nonce=nonce,
            allowed_mentions=mention,
            reference=card.to_reference(fail_if_not_exists=False) if card else None,  # type: ignore[arg-type]
        )


def build_bot(settings: Settings, services: Services) -> DarkroomBot:
    """The client of these settings, not yet connected."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it has nothing to do with voice
    configure_endpoints(settings.discord_api_base, settings.discord_gateway_url)
    return DarkroomBot(services)
