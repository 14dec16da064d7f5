"""Reporting: the button and its form, and what moderators see and press."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import discord
import structlog

from bot.moderation import MOST_REASON, Case, Verdict
from bot.store.records import Decision
from bot.ui import showcase
from bot.ui.answers import answer_fault, is_moderator
from bot.ui.job_button import JobButton
from bot.ui.typed import TextField
from bot.ui.views import button, view_of
from trainer.contract import looks

if TYPE_CHECKING:
    from bot.client import DarkroomBot

log = structlog.get_logger(__name__)

_THANKS = "Thank you. It is hidden until the moderators of this server have decided."
_STAYS = "Thank you. It stays until the moderators of this server have looked at it."


class ReportButton(JobButton, template=r"dr:report:(?P<id>\w+)(?::(?P<place>\d{1,3}))?"):
    """Opens the form of a report: of an adapter, or, with a place, of what a job has drawn."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """What can be reported at all is checked when the form is sent."""
        kind: Literal["adapter", "pictures"] = "adapter" if self.place is None else "pictures"
        await interaction.response.send_modal(ReportForm(bot, kind, self.subject_id))


class ReportForm(discord.ui.Modal):
    """Why it should not be there."""

    def __init__(self, bot: DarkroomBot, kind: Literal["adapter", "pictures"], subject_id: str) -> None:
        super().__init__(title="Report this to the moderators")
        self._bot, self._kind, self._subject_id = bot, kind, subject_id
        self.reason = TextField(
            label="What is wrong with it?", max_length=MOST_REASON, style=discord.TextStyle.paragraph,
            placeholder="Such as: this is my face, and nobody asked me",
        )  # fmt: skip
        self.add_item(self.reason)

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Hide it, tell whoever reported, and the moderators."""
        moderation = self._bot.services.moderation
        report = moderation.report_adapter if self._kind == "adapter" else moderation.report_pictures
        case = await report(self._subject_id, interaction.user.id, interaction.guild_id, self.reason.value)
        await interaction.response.send_message(_THANKS if case.hides else _STAYS, ephemeral=True)
        if case.hides and case.job is not None:
            await self._bot.herald.hide(case.job)
            await showcase.take_down_fallen(self._bot)
        await self._tell_moderators(case)

    async def on_error(  # type: ignore[override]  # a form's has no item
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """To whoever sent it."""
        await answer_fault(interaction, error)

    async def _tell_moderators(self, case: Case) -> None:
        channel_id = await self._bot.services.moderation.log_channel(case.report.guild_id)
        if channel_id is None:
            return
        channel = self._bot.get_partial_messageable(channel_id)
        try:
            await channel.send(embed=case_card(case), view=under_cases([case]))
        except discord.HTTPException as error:  # `/reports` shows it all the same
            log.warning("report.not_posted", report=case.report.id, error=str(error))


class _DecideButton(JobButton, template=r"dr:nodecision:(?P<id>\d+)(?::(?P<place>\d{1,3}))?"):
    """Base of the two."""

    decision: Decision

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """Moderators alone may, each on their own server."""
        verdict = await bot.services.moderation.decide(
            int(self.subject_id), interaction.user.id, interaction.guild_id, self.decision,
            moderator=is_moderator(interaction),
        )  # fmt: skip
        await interaction.response.send_message(embed=verdict_card(verdict, interaction.user.id), ephemeral=True)
        await _show_what_came_of_it(bot, verdict)


async def _show_what_came_of_it(bot: DarkroomBot, verdict: Verdict) -> None:
    """In the channel, and to those whose adapters were deleted."""
    job, report = verdict.case.job, verdict.case.report
    if job is not None and job.message_id is not None:
        if verdict.decision == "taken_down":
            await bot.herald.delete_message(job.channel_id, job.message_id)
            await showcase.take_down_fallen(bot)
        else:
            pictures = await bot.services.pictures.of_job(job.id)
            files = [(picture.filename, await bot.services.blobs.read(picture.blob)) for picture in pictures]
            await bot.herald.show_again(job, files)
    for owner_id in {adapter.owner_id for adapter in verdict.deleted}:
        names = ", ".join(f"`{adapter.name}`" for adapter in verdict.deleted if adapter.owner_id == owner_id)
        await bot.herald.tell(
            owner_id,
            f"Moderators have taken down {names}. What was reported: {discord.utils.escape_markdown(report.reason)}",
        )
    for adapter in verdict.deleted:  # the card of its training shows what it can draw
        made = await bot.services.jobs.get(adapter.job_id)
        if made is not None and made.message_id is not None:
            await bot.herald.delete_message(made.channel_id, made.message_id)


class KeepButton(_DecideButton, template=r"dr:uphold:(?P<id>\d{1,18})(?::(?P<place>\d{1,3}))?"):
    """Shows it again."""

    decision = "kept"


class TakeDownButton(_DecideButton, template=r"dr:takedown:(?P<id>\d{1,18})(?::(?P<place>\d{1,3}))?"):
    """Takes it down for good."""

    decision = "taken_down"


def case_card(case: Case) -> discord.Embed:
    """A report as moderators read it."""
    report = case.report
    embed = discord.Embed(title=f"Report {report.id}", colour=looks.FAILED)
    embed.add_field(name="What", value=_what(case), inline=False)
    embed.add_field(name="Why", value=looks.one_line(report.reason, 1_024) or "Nothing was said.", inline=False)
    by = f"<@{report.reporter_id}>" + (f" and {case.also} more" if case.also else "")
    embed.add_field(name="By", value=by)
    embed.add_field(name="When", value=discord.utils.format_dt(discord.utils.utcnow().fromtimestamp(report.created_at)))
    return embed


def _what(case: Case) -> str:
    if case.adapter is not None:
        likeness = "" if case.adapter.likeness == "none" else ", the likeness of a real person"
        return f"the adapter `{case.adapter.owner_name}/{case.adapter.name}`{likeness}, by <@{case.adapter.owner_id}>"
    if case.job is not None:
        place = f"https://discord.com/channels/{case.job.guild_id}/{case.job.channel_id}/{case.job.message_id}"
        return f"[pictures]({place}) by <@{case.job.owner_id}>, the job `{case.job.id}`"
    return "It was deleted meanwhile."


def verdict_card(verdict: Verdict, moderator_id: int) -> discord.Embed:
    """What was decided, and what came of it."""
    kept = verdict.decision == "kept"
    words = f"{_what(verdict.case)}\nDecided by <@{moderator_id}>."
    if len(verdict.deleted) > 1:
        names = ", ".join(f"`{each.owner_name}/{each.name}`" for each in verdict.deleted[:20])
        words += f"\nDeleted with all that was made of it, and copies: {names}."
    title = f"Report {verdict.case.report.id}: {'kept' if kept else 'taken down'}"
    return discord.Embed(title=title, description=looks.cut(words, 4096), colour=looks.DONE if kept else looks.FAILED)


def under_cases(cases: Sequence[Case]) -> discord.ui.View:
    """Two buttons for each report, a row a report."""
    style = discord.ButtonStyle.danger
    return view_of(
        *(
            item
            for row, case in enumerate(cases)
            for item in (
                button("uphold", str(case.report.id), f"Keep {case.report.id}", row=row),
                button("takedown", str(case.report.id), f"Take down {case.report.id}", style=style, row=row),
            )
        )
    )


ALL: tuple[type[JobButton], ...] = (ReportButton, KeepButton, TakeDownButton)
