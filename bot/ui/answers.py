"""How an interaction is answered: faults to the one person they concern, accepted jobs with a card."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiohttp
import discord
import structlog

from bot.drafts import Draft
from bot.errors import QueueDown, UserError, new_reference
from bot.estimates import estimate
from bot.jobs import Jobs
from bot.metrics import FAULTS
from bot.orders import Editor, Origin, Upload
from bot.reviews import Reviews, why_not_drop
from bot.store.records import Job
from bot.ui import cards, refusals, reports, views

log = structlog.get_logger(__name__)

NOT_ACCEPTED = "That can't be done; why is told to whoever asked."  # seen for a moment
DRAFT = "draft"  # among an interaction's extras: what a refusal gives back, to be edited
_PRIVATE = "private"  # among an interaction's extras: the answer that is put off is ephemeral
PATIENCE_S = 1.5  # of Discord's 3; what takes longer shows "is thinking…" first


def origin_of(interaction: discord.Interaction[Any]) -> Origin:
    """Who asks, and where."""
    if interaction.channel_id is None:
        raise UserError("Use this in a channel, so that the result has a place to go.")
    _check_permissions(interaction)
    return Origin(
        interaction_id=interaction.id,
        token=interaction.token,
        member_id=interaction.user.id,
        member_name=interaction.user.name,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id,
        upload_limit_bytes=interaction.filesize_limit,
        role_ids=tuple(role.id for role in getattr(interaction.user, "roles", ())),
        parent_channel_id=getattr(interaction.channel, "parent_id", None),
        age_restricted=_is_age_restricted(interaction.channel),
    )


def _is_age_restricted(channel: object) -> bool:
    """By Discord's own flag, of the parent where it is a thread; what has no flag, a direct message too, is not."""
    is_nsfw = getattr(channel, "is_nsfw", None)
    return bool(is_nsfw()) if is_nsfw is not None else False


def editor_of(interaction: discord.Interaction[Any]) -> Editor:
    """Who asks, and what they may change here."""
    return Editor(
        member_id=interaction.user.id,
        member_name=interaction.user.name,
        guild_id=interaction.guild_id,
        moderator=is_moderator(interaction),
    )


def is_moderator(interaction: discord.Interaction[Any]) -> bool:
    """Whether this person may manage messages here."""
    return interaction.guild_id is not None and interaction.permissions.manage_messages


def _check_permissions(interaction: discord.Interaction[Any]) -> None:
    """Results are posted as the bot, so it must be allowed to here. Raises UserError naming what is missing."""
    if interaction.guild_id is None:
        return
    thread = isinstance(interaction.channel, discord.Thread)
    needed = {
        "View Channel": "view_channel",
        **({"Send Messages in Threads": "send_messages_in_threads"} if thread else {"Send Messages": "send_messages"}),
        "Embed Links": "embed_links",
        "Attach Files": "attach_files",
    }
    missing = [words for words, name in needed.items() if not getattr(interaction.app_permissions, name)]
    if missing:
        raise UserError(
            f"Darkroom can't post in this channel: whoever runs this server has to give it {', '.join(missing)} here,"
            " or use another channel."
        )


def uploads_of(attachments: list[discord.Attachment]) -> tuple[Upload, ...]:
    """Attachments as orders carry them."""
    return tuple(Upload(filename=file.filename, url=file.url, size_bytes=file.size) for file in attachments)


async def answer_fault(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """One sentence to the person who caused it; what nobody caused is logged under a reference code they are shown."""
    if isinstance(error, UserError):
        words = error.message
    elif isinstance(error, QueueDown):
        words = "Darkroom's queue does not answer at the moment. Nothing was lost; please try again in a minute."
        log.warning("queue.down", error=str(error))
    else:
        reference = new_reference()
        FAULTS.labels("interaction").inc()
        words = f"Something went wrong on our side. The operator finds it in the log under {reference}."
        log.error("interaction.failed", reference=reference, exc_info=error)
    draft = interaction.extras.get(DRAFT) if isinstance(error, UserError | QueueDown) else None
    parts = {}
    if isinstance(draft, Draft) and draft.text:
        parts = refusals.with_draft(draft, interaction.client.services.drafts.keep(draft, interaction.user.id))
    try:
        await tell(interaction, words, **parts)
    except discord.HTTPException as failure:  # the interaction is gone; there is nobody to tell
        log.warning("fault.not_told", error=str(failure))


async def tell(interaction: discord.Interaction[Any], words: str, **parts: Any) -> None:
    """Say something to this person alone, also where the channel sees "is thinking…" already.

    ``parts``: what else is in the message: ``embed``, ``view``, ``file``.
    """
    if not interaction.response.is_done():
        await interaction.response.send_message(words, ephemeral=True, **parts)
    elif interaction.extras.get(_PRIVATE):
        files = [parts.pop("file")] if "file" in parts else []
        await interaction.edit_original_response(content=words, attachments=files, **parts)
    elif interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
        # A first follow-up would fill the public "is thinking…" and be as public, and after its deletion Discord may
        # refuse any (discord-api-docs issues 2739 and 3087): so it is filled in, and deleted last.
        await interaction.edit_original_response(content=NOT_ACCEPTED)
        await interaction.followup.send(words, ephemeral=True, **parts)
        await interaction.delete_original_response()
    else:
        await interaction.followup.send(words, ephemeral=True, **parts)


async def think_privately(interaction: discord.Interaction[Any]) -> None:
    """Show "is thinking…" to this person alone; what comes of it, a fault too, is for them alone."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    interaction.extras[_PRIVATE] = True


async def accept(interaction: discord.Interaction[Any], jobs: Jobs, submitting: Coroutine[Any, Any, Job]) -> Job:
    """Submit an order and post its card; the accepted job. Raises what ``submitting`` raises."""
    work = asyncio.ensure_future(_submit(jobs, submitting))
    await asyncio.wait({work}, timeout=PATIENCE_S)
    if not work.done():
        await _think(interaction)
    job, card = await work
    message_id = await _post_card(interaction, *card)
    if message_id is None:
        await jobs.give_up_card(job.id)
    else:
        await jobs.attach_card(job.id, message_id)
    return job


async def show_crops(interaction: discord.Interaction[Any], reviews: Reviews, job_id: str) -> None:
    """The photos of a training and how they are cropped, to its member alone. Raises UserError."""
    report, sheet = await reviews.look(job_id, interaction.user.id)
    embed, file = reports.private(report, sheet, kept=True)
    if interaction.extras.get(_PRIVATE):
        await interaction.edit_original_response(embed=embed, attachments=[file])
    else:
        await interaction.followup.send(embed=embed, file=file, ephemeral=True)


async def _submit(
    jobs: Jobs, submitting: Coroutine[Any, Any, Job]
) -> tuple[Job, tuple[discord.Embed, discord.ui.View]]:
    """The accepted job and its card; both may take a while, the one by its photos, the other by a Redis that hangs."""
    job = await submitting
    return job, await waiting_card(jobs, job)


async def _think(interaction: discord.Interaction[Any]) -> None:
    """Show "is thinking…". Where Discord does not take even that, the job goes on, and its result is posted anew."""
    try:
        await interaction.response.defer(thinking=True)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("interaction.not_deferred", error=str(error))


async def _post_card(interaction: discord.Interaction[Any], embed: discord.Embed, view: discord.ui.View) -> int | None:
    """Answer with the card; its message id, None if there is none."""
    try:
        if interaction.response.is_done():
            return (await interaction.edit_original_response(embed=embed, view=view)).id
        answer = await interaction.response.send_message(embed=embed, view=view)
        return answer.message_id or (await interaction.original_response()).id
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("card.not_posted", error=str(error))
    try:  # it may be there, and only Discord's answer was lost
        return (await interaction.edit_original_response(embed=embed, view=view)).id
    except (discord.HTTPException, aiohttp.ClientError, OSError):
        return None


async def waiting_card(jobs: Jobs, job: Job) -> tuple[discord.Embed, discord.ui.View]:
    """The placeholder of a job: what is to be answered, or its place in the queue and the button that stops it."""
    workers = await jobs.workers_for(job)
    takes = estimate(job, workers or ())
    if job.held == "review" and (report := await jobs.report(job)) is not None:
        return reports.held(job, report, takes), views.under_review(job.id, can_drop=why_not_drop(report, job) is None)
    served = None if workers is None else bool(workers)
    embed = cards.waiting(job, await jobs.position(job), served=served, takes=takes)
    return embed, views.under_waiting(job)
