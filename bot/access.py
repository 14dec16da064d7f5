"""Whether a job that waits may still have its adapters: access that is lost is lost at once."""

from __future__ import annotations

from sqlite3 import Connection

from bot.errors import quoted
from bot.store import adapters
from bot.store.records import ImagineSpec, Job


def find_loss(tx: Connection, job: Job) -> str | None:
    """What its member is told who has lost an adapter of the job meanwhile; None: they may use all of them.

    They act where they gave the order: what is shared with that server is looked for there.
    """
    if not isinstance(job.spec, ImagineSpec):
        return None
    for pick in job.spec.adapters:
        if not adapters.is_visible(tx, pick.adapter_id, job.owner_id, job.guild_id):
            return (
                f"{quoted(pick.written)} was taken back or deleted before this was begun: draw without it, or see with"
                " `/adapter list` what you can use."
            )
    return None
