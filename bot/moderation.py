"""What members report and moderators decide: hidden at once, then shown again or taken down for good.

A server's moderators decide for their server. What was made there they take down as a whole, with all that was made of
it and every copy; what somebody brought there from elsewhere they take down there alone, or else whoever brings a copy
of another's adapter to a server of their own could have it deleted everywhere. What is only shared with them they bar.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from sqlite3 import Connection

import msgspec
import structlog

from bot import lifecycle
from bot.adapters import require_visible
from bot.errors import UserError
from bot.pictures import require_seen
from bot.store import adapters, guilds, jobs, lineage, reports, sharing
from bot.store.database import Database
from bot.store.erasures import NOBODY
from bot.store.records import Adapter, Decision, Job, Report

log = structlog.get_logger(__name__)

MOST_REASON = 300  # characters
SHOWN = 5  # reports at a time: each has two buttons in a row of its own


class Case(msgspec.Struct, frozen=True):
    """A report with what it is about; neither is there any more once it was deleted."""

    report: Report
    adapter: Adapter | None = None
    job: Job | None = None
    also: int = 0  # how many others have reported the same
    hides: bool = False  # whether it is hidden until it is decided


class Verdict(msgspec.Struct, frozen=True):
    """What came of a decision: what was deleted, and whose it was."""

    case: Case
    decision: Decision
    deleted: tuple[Adapter, ...] = ()


class Moderation:
    """The service behind Report, and the moderators' queue."""

    def __init__(
        self,
        database: Database,
        *,
        on_delete: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``on_delete`` is called when files may be due to be deleted."""
        self._database, self._on_delete, self._clock = database, on_delete, clock

    async def report_adapter(self, adapter_id: str, member_id: int, guild_id: int | None, reason: str) -> Case:
        """Report an adapter that one can use here, and hide it. Raises UserError."""
        guild = _require_guild(guild_id)

        def enter(tx: Connection) -> Case:
            adapter = require_visible(tx, adapter_id, member_id, guild_id)
            if adapter.owner_id == member_id:
                raise UserError(f"`{adapter.name}` is your own: `/adapter delete name:{adapter.name}` deletes it.")
            report, hide = self._enter(tx, member_id, guild, reason, adapter_id=adapter.id)
            if hide and adapter.guild_id == guild:
                reports.hide_adapter(tx, adapter.id, report.created_at)
            elif hide:
                sharing.bar(tx, adapter.id, guild, NOBODY, report.created_at)
            return msgspec.structs.replace(_case(tx, report), hides=hide)

        return self._logged(await self._database.write(enter))

    async def report_pictures(self, job_id: str, member_id: int, guild_id: int | None, reason: str) -> Case:
        """Report what a job has drawn, and hide it. Raises UserError."""
        guild = _require_guild(guild_id)

        def enter(tx: Connection) -> Case:
            job, _ = require_seen(tx, job_id, member_id, guild_id)
            if job.owner_id == member_id:
                raise UserError("These pictures are your own: press Delete to delete them.")
            report, hide = self._enter(tx, member_id, guild, reason, job_id=job.id)
            if hide:
                reports.hide_pictures(tx, job.id, report.created_at)
            return msgspec.structs.replace(_case(tx, report), hides=hide)

        return self._logged(await self._database.write(enter))

    def _enter(
        self, tx: Connection, member_id: int, guild_id: int, reason: str, *, adapter_id: str | None = None,
        job_id: str | None = None,
    ) -> tuple[Report, bool]:  # fmt: skip
        """The report, and whether it hides what it is about.

        Not once moderators have looked at it and kept it, nor where they have blocked whoever reports it.
        """
        said = " ".join(reason.split())[:MOST_REASON]
        if not said:
            raise UserError("Say in a few words what is wrong with it, so that the moderators know what to look at.")
        report = Report(
            id=0, guild_id=guild_id, reporter_id=member_id, adapter_id=adapter_id, job_id=job_id, reason=said,
            created_at=self._clock(),
        )  # fmt: skip
        before = reports.of_same(tx, report)
        if any(other.reporter_id == member_id and other.decision is None for other in before):
            raise UserError("You have reported this already: the moderators of this server decide on it.")
        blocked = guilds.blocked(tx, guild_id, member_id) is not None
        return reports.insert(tx, report), not blocked and not any(other.decision == "kept" for other in before)

    def _logged(self, case: Case) -> Case:
        report = case.report
        log.info("report.entered", report=report.id, adapter=report.adapter_id, job=report.job_id)
        return case

    async def waiting(self, guild_id: int | None, *, moderator: bool) -> list[Case]:
        """What a server's moderators have still to decide, the oldest first. Raises UserError for others."""
        guild = _require_guild(guild_id)
        _require_moderator(moderator)
        return await self._database.read(lambda tx: [_case(tx, report) for report in reports.waiting(tx, guild, SHOWN)])

    async def decide(
        self, report_id: int, moderator_id: int, guild_id: int | None, decision: Decision, *, moderator: bool
    ) -> Verdict:
        """Show it again, or take it down. Raises UserError: no moderator, another server's, or decided already."""
        guild = _require_guild(guild_id)
        _require_moderator(moderator)

        def enter(tx: Connection) -> Verdict:
            report = reports.get(tx, report_id)
            if report is None or report.guild_id != guild:
                raise UserError("There is no such report on this server: `/reports` shows those that wait.")
            if report.decision is not None:
                done = "kept" if report.decision == "kept" else "taken down"
                raise UserError(f"This was decided already: it was {done}.")
            case, now = _case(tx, report), self._clock()
            reports.decide(tx, report, decision, moderator_id, now)
            deleted = self._carry_out(tx, case, decision, moderator_id, now)
            return Verdict(case, decision, deleted)

        verdict = await self._database.write(enter)
        log.info("report.decided", report=report_id, decision=decision, deleted=len(verdict.deleted))
        self._on_delete()
        return verdict

    def _carry_out(
        self, tx: Connection, case: Case, decision: Decision, moderator_id: int, now: float
    ) -> tuple[Adapter, ...]:
        guild, adapter, job = case.report.guild_id, case.adapter, case.job
        if job is not None and decision == "kept":
            reports.hide_pictures(tx, job.id, None)
        elif job is not None:
            lifecycle.throw_away_pictures(tx, job.id, now)
        if adapter is None:
            return ()
        at_home = adapter.guild_id == guild
        if decision == "kept":
            reports.hide_adapter(tx, adapter.id, None) if at_home else sharing.lift_bar_of(
                tx, adapter.id, guild, NOBODY
            )
            return ()
        if not at_home:
            for made in (adapter.id, *lineage.descendants(tx, adapter.id)):
                sharing.bar(tx, made, guild, moderator_id, now)
            return ()
        everywhere = adapter.origin != "imported"
        doomed = _all_that_is(tx, adapter) if everywhere else [adapter]
        for each in doomed:
            reports.forbid_files(tx, each.id, guild, moderator_id, now, everywhere=everywhere)
        for each in doomed:
            for learning in jobs.continuing(tx, each.id):  # one that waits is refused when its turn comes
                jobs.request_cancel(tx, learning.id, now)
            lifecycle.throw_away_adapter(tx, each, now)
        return tuple(doomed)

    async def log_channel(self, guild_id: int) -> int | None:
        """Where the server's moderators want to read of reports."""
        return await self._database.read(lambda tx: guilds.settings(tx, guild_id).log_channel)


def _all_that_is(tx: Connection, adapter: Adapter) -> list[Adapter]:
    """An adapter, its copies, and all that was made of any of them."""
    copies = reports.same_files(tx, [adapter.id])
    ids = [adapter.id, *copies, *(made for each in copies for made in lineage.descendants(tx, each))]
    found = [adapters.get(tx, each) for each in dict.fromkeys([*ids, *reports.same_files(tx, ids)])]
    return [each for each in found if each is not None]


def _case(tx: Connection, report: Report) -> Case:
    adapter = adapters.get(tx, report.adapter_id) if report.adapter_id is not None else None
    job = jobs.get(tx, report.job_id) if report.job_id is not None else None
    also = sum(other.decision is None for other in reports.of_same(tx, report)) - (report.decision is None)
    return Case(report, adapter, job, also)


def _require_guild(guild_id: int | None) -> int:
    if guild_id is None:
        raise UserError("Reports go to a server's moderators: report it on the server where you have found it.")
    return guild_id


def _require_moderator(moderator: bool) -> None:
    if not moderator:
        raise UserError("Only moderators of this server, who may manage messages, decide on reports.")
