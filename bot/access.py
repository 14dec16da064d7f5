"""Whether a job that waits may still have its adapters: access that is lost is lost at once."""

from __future__ import annotations

from sqlite3 import Connection

from bot.errors import quoted
from bot.store import adapters, reports
from bot.store.records import ImagineSpec, Job, MergeSpec


def find_loss(tx: Connection, job: Job) -> str | None:
    """What its member is told who has lost an adapter of the job meanwhile; None: they may use all of them.

    They act where they gave the order: what is shared with that server is looked for there.
    """
    if job.lane == "train" and (
        job.train.continue_from and reports.is_forbidden(tx, job.train.continue_from, job.guild_id)
    ):
        return "What this was to go on from was taken down by moderators: train anew with `/train`."
    for adapter_id, written in _needed(job):
        if not adapters.is_visible(tx, adapter_id, job.owner_id, job.guild_id):
            return (
                f"{quoted(written)} was taken back or deleted before this was begun: go on without it, or see with"
                " `/adapter list` what you can use."
            )
    return None


def _needed(job: Job) -> list[tuple[str, str]]:
    """Ids of the adapters that a drawing or a merge takes, and their names."""
    match job.spec:
        case ImagineSpec():
            return [(pick.adapter_id, pick.written) for pick in job.spec.adapters]
        case MergeSpec():
            return [(parent.adapter_id, parent.name.partition("@")[0]) for parent in job.spec.parents]
        case _:
            return []
