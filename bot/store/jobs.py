"""Jobs: the row in here is the truth about a job; Redis may be wiped at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection, Row

import msgspec

from bot.store import turns
from bot.store.records import Hold, ImagineSpec, Job, MergeSpec, Spec, State, TrainSpec
from trainer.contract.events import Standing
from trainer.contract.merges import blobs_of
from trainer.contract.names import Lane, Wish, photos_prefix

SOURCE_KEPT_DAYS = 1  # of a picture that was sent to draw from: so that it can be drawn again and varied
_encode = msgspec.json.Encoder().encode
_spec_decoder: msgspec.json.Decoder[Spec] = msgspec.json.Decoder(Spec)

_SELECT = "SELECT jobs.*, members.name AS owner_name FROM jobs JOIN members ON members.id = jobs.owner_id"
_ACTIVE = "jobs.state IN ('queued', 'running')"
_NOT_IN_RECORD = frozenset({"adapter_name", "photos_deleted_at", "keep_photos_days", "turn", "spent_s"})


def _job(row: Row) -> Job:
    fields = {key: value for key, value in dict(row).items() if key not in _NOT_IN_RECORD}
    fields["spec"] = _spec_decoder.decode(row["spec"])
    fields |= {name: bool(row[name]) for name in ("outstanding", "explicit_allowed", "refused")}
    return Job(**fields)


def _one(tx: Connection, where: str, values: Sequence[object]) -> Job | None:
    row = tx.execute(f"{_SELECT} WHERE {where}", values).fetchone()
    return _job(row) if row else None


def _all(tx: Connection, where: str, values: Sequence[object] = ()) -> list[Job]:
    return [_job(row) for row in tx.execute(f"{_SELECT} WHERE {where}", values)]


def insert(tx: Connection, job: Job) -> Job:
    """Insert a new job, at its turn; if it is there already, nothing changes. Returns what is there."""
    name, keep_photos_days = None, None
    if isinstance(job.spec, TrainSpec):
        name, keep_photos_days = job.spec.name, job.spec.keep_photos_days
    elif isinstance(job.spec, MergeSpec):
        name = None if job.spec.is_export else job.spec.name
    elif job.spec.source is not None and job.spec.source.picture.startswith(photos_prefix(job.id)):
        keep_photos_days = SOURCE_KEPT_DAYS
    added = tx.execute(
        "INSERT INTO jobs (id, lane, state, base, spec, adapter_name, owner_id, guild_id, channel_id,"
        " upload_limit_bytes, token, created_at, held, held_at, keep_photos_days, explicit_allowed,"
        " cost_s, weight)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO NOTHING",
        (
            job.id,
            job.lane,
            job.state,
            job.base,
            _encode(job.spec).decode(),
            name,
            job.owner_id,
            job.guild_id,
            job.channel_id,
            job.upload_limit_bytes,
            job.token,
            job.created_at,
            job.held,
            job.held_at,
            keep_photos_days,
            int(job.explicit_allowed),
            job.cost_s,
            job.weight,
        ),
    )
    if added.rowcount:
        turns.take(tx, job.id, job.owner_id, job.lane, job.cost_s / job.weight)
    return require(tx, job.id)


def get(tx: Connection, job_id: str) -> Job | None:
    """The job, or None."""
    return _one(tx, "jobs.id = ?", (job_id,))


def of_message(tx: Connection, message_id: int) -> Job | None:
    """The job whose card or result this message is, or None."""
    return _one(tx, "message_id = ?", (message_id,))


def require(tx: Connection, job_id: str) -> Job:
    """The job. Raises KeyError."""
    job = get(tx, job_id)
    if job is None:
        raise KeyError(job_id)
    return job


def of_member(tx: Connection, owner_id: int, *, active: bool, limit: int) -> list[Job]:
    """A member's jobs, newest first."""
    where = f"owner_id = ?{f' AND {_ACTIVE}' if active else ''} ORDER BY created_at DESC, jobs.id DESC LIMIT ?"
    return _all(tx, where, (owner_id, limit))


def count_active(tx: Connection, owner_id: int, lane: Lane) -> int:
    """How many jobs of the member wait or run in the lane."""
    where = f"owner_id = ? AND lane = ? AND {_ACTIVE}"
    return int(tx.execute(f"SELECT COUNT(*) FROM jobs WHERE {where}", (owner_id, lane)).fetchone()[0])


def training_of_name(tx: Connection, owner_id: int, name: str) -> Job | None:
    """The member's waiting or running training that reserves ``name``."""
    return _one(tx, f"owner_id = ? AND adapter_name = ? AND {_ACTIVE}", (owner_id, name))


def active(tx: Connection) -> list[Job]:
    """All that wait or run, oldest first."""
    return _all(tx, f"{_ACTIVE} ORDER BY created_at, jobs.id")


def outstanding(tx: Connection) -> list[Job]:
    """All that are in the workers' hands, oldest first."""
    return _all(tx, "outstanding = 1 ORDER BY created_at, jobs.id")


def without_card(tx: Connection) -> list[Job]:
    """Active jobs whose card was never attached, oldest first."""
    return _all(tx, f"card = 'pending' AND {_ACTIVE} ORDER BY created_at")


def set_card(tx: Connection, job_id: str, card: str, message_id: int | None, posted_at: float | None) -> None:
    """Remember the card. The token is kept only while it is the one way to edit it."""
    tx.execute(
        "UPDATE jobs SET card = ?, message_id = ?, card_posted_at = ?,"
        " token = CASE WHEN ? = 'private' THEN token END WHERE id = ? AND state IN ('queued', 'running')",
        (card, message_id, posted_at, card, job_id),
    )


def hand_out(tx: Connection, job_id: str, now: float) -> Job | None:
    """Raise the attempt of a waiting job and put it in the workers' hands; None if it does not wait any more."""
    changed = tx.execute(
        "UPDATE jobs SET attempt = attempt + 1, outstanding = 1, handed_out_at = ?, started_at = NULL"
        " WHERE id = ? AND state = 'queued' AND outstanding = 0 AND held IS NULL",
        (now, job_id),
    )
    if not changed.rowcount:
        return None
    turns.advance(tx, job_id)
    return require(tx, job_id)


def take_back(
    tx: Connection, job_id: str, attempt: int, now: float, *, counts: bool, standing: Standing | None = None
) -> Job | None:
    """Put an attempt back into the queue; ``counts`` if it ended through the job's own fault. None: it is no more.

    It keeps its turn, so that it is among the next, and what it took counts in the end.

    ``standing``: where a training goes on. One that got further than the attempt before is no job that kills whoever
    takes it, so counting begins anew. That its member wants it ended early holds for the next attempt, too.
    """
    step, steps = (standing.step, standing.steps) if standing is not None else (None, None)
    values = {"counts": int(counts), "step": step, "steps": steps, "id": job_id, "attempt": attempt, "now": now}
    changed = tx.execute(
        "UPDATE jobs SET state = 'queued', outstanding = 0, started_at = NULL, paused_step = :step,"
        " spent_s = spent_s + MAX(0, COALESCE(:now - started_at, 0)),"
        " paused_steps = :steps, wish = CASE wish WHEN 'finish' THEN wish END, tries = CASE WHEN NOT :counts THEN tries"
        " WHEN :step > coalesce(paused_step, 0) THEN 1 ELSE tries + 1 END"
        f" WHERE id = :id AND attempt = :attempt AND outstanding = 1 AND {_ACTIVE}",
        values,
    )
    return require(tx, job_id) if changed.rowcount else None


def start(tx: Connection, job_id: str, attempt: int, now: float) -> Job | None:
    """A worker took the attempt. None: it is not the current one, or the job is over."""
    changed = tx.execute(
        "UPDATE jobs SET state = 'running', outstanding = 1, started_at = COALESCE(started_at, ?)"
        f" WHERE id = ? AND attempt = ? AND {_ACTIVE}",
        (now, job_id, attempt),
    )
    return require(tx, job_id) if changed.rowcount else None


def finish(
    tx: Connection, job_id: str, state: State, now: float, *, error: str | None = None, reference: str | None = None,
    refused: bool = False,
) -> Job | None:  # fmt: skip
    """End an active job. None: it was over already."""
    changed = tx.execute(
        "UPDATE jobs SET state = ?, outstanding = 0, held = NULL, held_at = NULL, wish = NULL, finished_at = ?,"
        f" error = ?, reference = ?, refused = ? WHERE id = ? AND {_ACTIVE}",
        (state, now, error, reference, int(refused), job_id),
    )
    return _settled(tx, job_id) if changed.rowcount else None


def _settled(tx: Connection, job_id: str) -> Job:
    """A job that has just ended, after its member's account was put right."""
    turns.settle(tx, job_id)
    return require(tx, job_id)


def deliver(tx: Connection, job_id: str, channel_id: int, message_id: int, now: float) -> Job | None:
    """The result is in that message. A delivery overrules a cancellation or failure. None: it was known already."""
    changed = tx.execute(
        "UPDATE jobs SET state = 'succeeded', outstanding = 0, held = NULL, held_at = NULL, wish = NULL,"
        " finished_at = ?, error = NULL, reference = NULL, channel_id = ?, message_id = ?, card = 'posted',"
        " token = NULL WHERE id = ? AND state <> 'succeeded'",
        (now, channel_id, message_id, job_id),
    )
    return _settled(tx, job_id) if changed.rowcount else None


def deliver_to_owner(tx: Connection, job_id: str, now: float) -> Job | None:
    """What was made is the bot's to show, by the interaction's token where that is kept. None: it was known already."""
    changed = tx.execute(
        "UPDATE jobs SET state = 'succeeded', outstanding = 0, finished_at = ?, error = NULL, reference = NULL"
        " WHERE id = ? AND state <> 'succeeded'",
        (now, job_id),
    )
    return _settled(tx, job_id) if changed.rowcount else None


def newest_like(tx: Connection, owner_id: int, base: str, spec: Spec) -> Job | None:
    """The member's newest merge or export that succeeded and was asked to do exactly this."""
    where = "owner_id = ? AND lane = 'merge' AND state = 'succeeded' AND base = ? AND spec = ?"
    return _one(tx, f"{where} ORDER BY created_at DESC LIMIT 1", (owner_id, base, _encode(spec).decode()))


def merging(tx: Connection, adapter_id: str) -> list[Job]:
    """Merges and exports in the workers' hands that this adapter is a parent of."""
    found = _all(tx, f"lane = 'merge' AND outstanding = 1 AND {_ACTIVE} ORDER BY created_at")
    return [job for job in found if adapter_id in {parent.adapter_id for parent in job.merge.parents}]


def continuing(tx: Connection, adapter_id: str) -> list[Job]:
    """Trainings in the workers' hands that go on from this adapter."""
    found = _all(tx, f"lane = 'train' AND outstanding = 1 AND {_ACTIVE} ORDER BY created_at")
    return [job for job in found if job.train.continues == adapter_id]


def request_cancel(tx: Connection, job_id: str, now: float) -> Job | None:
    """The member wants it stopped, and a worker has it. None: it is over."""
    changed = tx.execute(
        f"UPDATE jobs SET cancel_requested_at = COALESCE(cancel_requested_at, ?) WHERE id = ? AND {_ACTIVE}",
        (now, job_id),
    )
    return require(tx, job_id) if changed.rowcount else None


def hold(tx: Connection, job_id: str, why: Hold, now: float) -> Job | None:
    """Keep a waiting job from the workers, whatever was wanted of it before. None: it does not wait."""
    changed = tx.execute(
        "UPDATE jobs SET held = ?, held_at = ?, wish = NULL WHERE id = ? AND state = 'queued' AND outstanding = 0",
        (why, now, job_id),
    )
    return require(tx, job_id) if changed.rowcount else None


def release(tx: Connection, job_id: str) -> Job | None:
    """Let a held job go to the workers. None: it is not held."""
    changed = tx.execute(
        "UPDATE jobs SET held = NULL, held_at = NULL WHERE id = ? AND held IS NOT NULL AND state = 'queued'", (job_id,)
    )
    return require(tx, job_id) if changed.rowcount else None


def set_spec(tx: Connection, job_id: str, spec: Spec) -> None:
    """What a job that no worker has yet is to do from now on."""
    tx.execute("UPDATE jobs SET spec = ? WHERE id = ? AND outstanding = 0", (_encode(spec).decode(), job_id))


def held_before(tx: Connection, why: Hold, before: float) -> list[Job]:
    """Jobs that have been held for this reason since before that time, the longest first."""
    return _all(tx, f"held = ? AND held_at < ? AND {_ACTIVE} ORDER BY held_at", (why, before))


def set_wish(tx: Connection, job_id: str, wish: Wish, step: int = 0) -> Job | None:
    """What the member wants of the training in the workers' hands, at that step. None: no worker has it."""
    changed = tx.execute(
        f"UPDATE jobs SET wish = ?, wish_step = ? WHERE id = ? AND outstanding = 1 AND lane = 'train' AND {_ACTIVE}",
        (wish, step, job_id),
    )
    return require(tx, job_id) if changed.rowcount else None


def with_photos_to_delete(tx: Connection, now: float, unsuccessful_before: float) -> list[str]:
    """Ids of jobs whose photos are due: succeeded ones, unless they are kept, and others that ended before.

    Of what was drawn those alone that were drawn from a picture which was sent: it is kept for some days.
    """
    rows = tx.execute(
        "SELECT id FROM jobs WHERE (lane = 'train' OR keep_photos_days IS NOT NULL) AND photos_deleted_at IS NULL AND"
        " ((state = 'succeeded' AND finished_at + 86400.0 * COALESCE(keep_photos_days, 0) <= ?)"
        " OR (state IN ('failed', 'cancelled') AND finished_at < ?))",
        (now, unsuccessful_before),
    )
    return [row[0] for row in rows]


def set_photos_deleted(tx: Connection, job_id: str, now: float) -> None:
    """Note that the job's photos are gone."""
    tx.execute("UPDATE jobs SET photos_deleted_at = ? WHERE id = ?", (now, job_id))


def with_kept_photos(tx: Connection) -> list[str]:
    """Ids of trainings that succeeded and whose photos are kept."""
    where = "state = 'succeeded' AND photos_deleted_at IS NULL AND keep_photos_days IS NOT NULL"
    return [row[0] for row in tx.execute(f"SELECT id FROM jobs WHERE lane = 'train' AND {where}")]


def stop_keeping_photos(tx: Connection, job_id: str) -> None:
    """The photos of a training are not wanted any more: the next sweep deletes them."""
    tx.execute("UPDATE jobs SET keep_photos_days = NULL WHERE id = ?", (job_id,))


def blobs_of_active(tx: Connection) -> set[str]:
    """What accepted, unfinished jobs will draw with, draw from or go on from."""
    blobs: set[str] = set()
    for job in active(tx):
        if isinstance(job.spec, MergeSpec):
            blobs |= set(blobs_of(job.spec.work))
        elif isinstance(job.spec, ImagineSpec):
            blobs |= {pick.blob for pick in job.spec.adapters}
            sources = [drawing.source for drawing in job.spec.drawings if drawing.source is not None]
            blobs |= {blob for source in sources for blob in (source.picture, source.mask) if blob is not None}
        elif job.spec.continue_from is not None:
            blobs.add(job.spec.continue_from)
    return blobs
