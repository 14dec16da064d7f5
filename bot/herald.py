"""Tells Discord what became of jobs: the bot's half of every card, the buttons under results, and the ping."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import discord
import structlog
from discord.http import Route

from bot.adapters import Adapters
from bot.exporting.exports import Exports
from bot.jobs import Jobs
from bot.store.records import Job
from bot.ui import cards, picture_views, views
from bot.ui.answers import waiting_card
from trainer.contract import looks

log = structlog.get_logger(__name__)

TOKEN_LIVES_S = 15 * 60.0  # an interaction's
MOST_MOVED = 5  # cards that are edited a round: Discord allows about one edit a second in a channel
UNREACHABLE_CARD = (discord.NotFound, discord.Forbidden)  # deleted, or in a channel that the bot can't see any more
_ARCHIVED = 50083  # a thread that was archived meanwhile: nothing in it can be edited


class Herald:
    """A :class:`bot.outbox.Listener`: whatever it is told may be told twice.

    A card has one writer at a time: the bot until a worker has the job, and again once it is over. So what the bot
    writes on a card of a job that waits is written only after a fresh look at the books.
    """

    def __init__(
        self,
        client: discord.Client,
        jobs: Jobs,
        adapters: Adapters,
        exports: Exports,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._adapters = adapters
        self._exports = exports
        self._clock = clock
        self._shown_places: dict[str, int] = {}  # by job id: what its card says

    async def delete_message(self, channel_id: int, message_id: int) -> None:
        """Delete a message of the bot's own; one that is gone, or out of reach, is no error."""
        channel = self._client.get_partial_messageable(channel_id)
        try:
            await channel.get_partial_message(message_id).delete()
        except UNREACHABLE_CARD as error:
            log.info("message.not_deleted", error=str(error))
        except discord.HTTPException as error:
            if error.code != _ARCHIVED:
                raise
            log.info("message.not_deleted", error=str(error))

    async def hide(self, job: Job) -> None:
        """Take a job's pictures out of its message until moderators have decided."""
        embed = discord.Embed(
            description="This was reported, and is hidden until the moderators have decided.", colour=looks.STOPPED
        )
        await self._edit_result(job, embed=embed, view=None, attachments=[])

    async def show_again(self, job: Job, files: Sequence[tuple[str, bytes]]) -> None:
        """Put a job's pictures, by their names, back into its message."""
        embed = discord.Embed(description="This was reported, and the moderators have kept it.", colour=looks.DONE)
        shown = [discord.File(io.BytesIO(data), name) for name, data in files]
        await self._edit_result(job, embed=embed, view=picture_views.under_pictures(job), attachments=shown)

    async def _edit_result(self, job: Job, **changes: Any) -> None:
        if job.message_id is None:
            return
        channel = self._client.get_partial_messageable(job.channel_id)
        try:
            await channel.get_partial_message(job.message_id).edit(**changes)
        except discord.HTTPException as error:  # the buttons and commands say the same
            log.warning("result.not_edited", job=job.id, error=str(error))

    async def tell(self, member_id: int, words: str) -> None:
        """Write to a member, if they let the bot."""
        try:
            user = await self._client.fetch_user(member_id)
            await user.send(words[:2000])
        except discord.HTTPException as error:
            log.info("member.not_told", error=str(error))

    # -- cards of jobs that wait --------------------------------------------------------------------------------------

    async def finish_cards(self) -> None:
        """Give a card to jobs that a bot accepted and died before it had posted one."""
        for job in await self._jobs.without_card():
            fresh = job.token is not None and self._clock() - job.created_at < TOKEN_LIVES_S
            message_id = await self._edit_by_token(job) if fresh else None
            if message_id is None:
                await self._jobs.give_up_card(job.id)  # the worker posts the result as a new message
            else:
                await self._jobs.attach_card(job.id, message_id, private=job.is_export)

    async def _edit_by_token(self, job: Job) -> int | None:
        """Edit the answer to the job's interaction, if there is one; its message id."""
        if self._client.application_id is None or job.token is None:
            return None
        embed, view = await waiting_card(self._jobs, job)
        payload = {"embeds": [embed.to_dict()], "components": view.to_components()}
        route = Route(
            "PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            webhook_id=self._client.application_id, webhook_token=job.token,
        )  # fmt: skip
        try:
            message = await self._client.http.request(route, json=payload)
        except discord.HTTPException as error:
            log.info("card.not_finished", job=job.id, error=str(error))
            return None
        return int(message["id"])

    async def show_places(self) -> None:
        """Say on waiting cards that they have moved up, but not on those that are next: they go to a worker soon."""
        shown, moved = self._shown_places, 0
        self._shown_places = {}
        for job_id, place, card in await self._jobs.places():
            before = self._shown_places[job_id] = shown.get(job_id, place)
            if card == "posted" and 1 < place < before and moved < MOST_MOVED:
                self._shown_places[job_id] = place
                moved += 1
                if (job := await self._jobs.get(job_id)) is not None:
                    await self._show_waiting(job, *await waiting_card(self._jobs, job))

    async def on_requeued(self, job: Job) -> None:
        """The card is the bot's again."""
        await self._show_waiting(job, cards.requeued(job), views.under_waiting(job))

    async def on_paused(self, job: Job) -> None:
        """The card is the bot's until somebody lets the training go on."""
        await self._show_waiting(job, cards.paused(job), views.under_paused(job.id))

    async def on_resumed(self, job: Job) -> None:
        """It has a place in the queue again."""
        await self._show_waiting(job, *await waiting_card(self._jobs, job))

    async def point_on(self, job: Job, message_id: int) -> None:
        """Say on an old card where its training goes on; the new one is what counts."""
        place = f"https://discord.com/channels/{job.guild_id or '@me'}/{job.channel_id}/{message_id}"
        text = f"`{job.train.name}` goes on [further down]({place})."
        try:
            await self._edit(job, embed=cards.simple("Resumed", text, looks.WAITING), view=None)
        except discord.HTTPException as error:
            log.info("card.left_as_it_is", job=job.id, error=str(error))

    async def _show_waiting(self, job: Job, embed: discord.Embed, view: discord.ui.View) -> None:
        """Edit the card of a job that waits still. Files are left alone, so that a race lost can't take a picture."""
        now = await self._jobs.get(job.id)
        if now is not None and now.state == "queued" and not now.outstanding and now.held == job.held:
            await self._edit(now, embed=embed, view=view)

    # -- cards of jobs that are over ----------------------------------------------------------------------------------

    async def on_started(self, job: Job) -> None:
        """The worker writes the card from here on; nothing is left to do."""

    async def on_delivered(self, job: Job) -> None:
        """The worker has put the result into the channel: the buttons go under it."""
        if job.is_export:
            await self._on_exported(job)
        elif job.makes is not None:
            examples, made = await self._jobs.example_prompts(job), await self._adapters.of_training(job.id)
            view = views.under_training(job.id, examples, made)
            await self._edit(job, view=view)
        else:
            await self._edit(job, view=picture_views.under_pictures(job))

    async def on_failed(self, job: Job, *, card_written: bool) -> None:
        """Tell the member on the card, where the worker could not; with a way to try again."""
        await self._end(job, cards.failed(job), card_written=card_written)
        if job.refused:
            await self._tell_privately(job)

    async def _tell_privately(self, job: Job) -> None:
        """Why what came of a job is not shown, to its member alone; whoever takes no messages finds it in `/jobs`."""
        try:
            channel = await self._client.create_dm(discord.Object(job.owner_id))
            await channel.send(embed=cards.refused(job), nonce=f"refused{job.id}"[-25:])
        except UNREACHABLE_CARD as error:
            log.info("refusal.not_sent", job=job.id, error=str(error))

    async def on_cancelled(self, job: Job, *, card_written: bool) -> None:
        """Say on the card that the job was stopped, where the worker did not; with a way to try again."""
        await self._end(job, cards.cancelled(job), card_written=card_written)

    async def _end(self, job: Job, embed: discord.Embed, *, card_written: bool) -> None:
        if job.is_export:
            await self._answer_owner(job, embed=embed)
            return
        words = {} if card_written else {"embed": embed, "attachments": []}
        await self._edit(job, view=views.under_ended(job), **words)

    async def _on_exported(self, job: Job) -> None:
        given = await self._exports.hand_over(job)
        files = [] if given.filename is None else [discord.File(io.BytesIO(given.data), given.filename)]
        if not await self._answer_owner(job, content=given.text, embed=None, attachments=files):
            log.info("export.not_shown", job=job.id)  # the same command finds the file for a day

    async def _answer_owner(self, job: Job, **changes: Any) -> bool:
        """Edit the answer that an export's owner alone sees, by the interaction's token; whether that could be done."""
        expired = self._clock() - job.created_at > TOKEN_LIVES_S
        if job.token is None or job.message_id is None or self._client.application_id is None or expired:
            return False
        webhook = discord.Webhook.partial(self._client.application_id, job.token, client=self._client)
        try:
            await webhook.edit_message(job.message_id, **changes)
        except UNREACHABLE_CARD as error:
            log.info("card.unreachable", job=job.id, error=str(error))
            return False
        return True

    async def ping(self, job: Job, *, nonce: str) -> None:
        """Mention the member, and only them, once, as a reply to the result."""
        what = f"`{job.makes.name}` is ready." if job.makes is not None else "your picture is ready."
        card = self._card(job)
        mention = discord.AllowedMentions(users=[discord.Object(job.owner_id)], replied_user=False)
        try:
            await self._client.get_partial_messageable(job.channel_id).send(
                f"<@{job.owner_id}> {what}",
                nonce=nonce,
                allowed_mentions=mention,
                reference=card.to_reference(fail_if_not_exists=False) if card else None,  # type: ignore[arg-type]
            )
        except UNREACHABLE_CARD as error:
            log.info("ping.not_sent", job=job.id, error=str(error))

    def _card(self, job: Job) -> discord.PartialMessage | None:
        """The message that shows the job, editable with the bot's token however old the interaction is."""
        if job.message_id is None:
            return None
        return self._client.get_partial_messageable(job.channel_id).get_partial_message(job.message_id)

    async def _edit(self, job: Job, **changes: Any) -> None:
        """Edit the card; one that is gone, or that nobody can reach any more, is no error."""
        card = self._card(job)
        if card is None:
            return
        try:
            await card.edit(**changes)
        except UNREACHABLE_CARD as error:
            log.info("card.unreachable", job=job.id, error=str(error))
        except discord.HTTPException as error:
            if error.code != _ARCHIVED:
                raise
            log.info("card.archived", job=job.id)
