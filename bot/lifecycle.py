"""What happens to a job in the books (recorded, delivered, given back, ended), within a transaction of the caller."""

from __future__ import annotations

from sqlite3 import Connection

import msgspec

from bot import versions
from bot.access import find_loss
from bot.errors import new_reference
from bot.merging.recording import record_merge
from bot.store import adapters, garbage, jobs, library, lineage, outbox, pictures
from bot.store import versions as kept
from bot.store.records import Adapter, Hold, Job, Parent, Picture, State
from trainer.contract.events import Outcome, Standing
from trainer.contract.names import outcome_path

MOST_TRIES = 3  # attempts that may end through the job's own fault, before it is given up
CHOOSE_FOR_S = 24 * 3600.0  # how long another version of an adapter can be chosen
EXPORT_KEPT_S = 24 * 3600.0  # a file that somebody took away; the same again is made anew after that
PING_AFTER_S = 120.0  # whoever waited longer has looked away


def record_outcome(tx: Connection, job: Job, outcome: Outcome, now: float) -> None:
    """Enter what the job made: the adapter, the pictures. Doing it again changes nothing."""
    if outcome.adapter is not None:
        _record_adapter(tx, job, outcome, now)
        return
    if outcome.export is not None:
        garbage.add(tx, [outcome.export.blob, outcome_path(job.id)], now + EXPORT_KEPT_S)
        return
    pictures.insert_all(
        tx,
        [
            Picture(
                job_id=job.id,
                position=position,
                owner_id=job.owner_id,
                blob=file.blob,
                filename=file.filename,
                size_bytes=file.size_bytes,
                width=file.width,
                height=file.height,
                seed=file.seed,
                parameters=file.parameters or "",
                settings=outcome.settings,
                created_at=now,
                explicit=file.explicit,
            )
            for position, file in enumerate(outcome.pictures)
        ],
    )
    if job.lane == "imagine":
        made = [
            (pick.adapter_id, job.id, position)
            for position in range(min(len(outcome.pictures), len(job.imagine.drawings)))
            for pick in job.imagine.picks(position)
        ]
        library.add_pictures(tx, made)


def _record_adapter(tx: Connection, job: Job, outcome: Outcome, now: float) -> None:
    made = outcome.adapter
    if made is None:
        return
    before = adapters.get(tx, made.adapter_id)
    if before is not None and int(before.job_id) >= int(job.id):  # of snowflakes the later is the larger
        return  # it is recorded, or has learned on since
    if before is not None and versions.known(tx, before.id, job.id):
        return  # its owner put an older version in use since
    if job.makes is None or made.adapter_id != job.makes.adapter_id:
        raise ValueError(f"the outcome of job {job.id} is an adapter that it was not asked for")
    if job.lane == "train" and find_loss(tx, job) is not None:  # taken down while it went on
        garbage.add(tx, [made.file.blob, *(each.file.blob for each in made.candidates), outcome_path(job.id)], now)
        return
    if job.lane == "merge":
        record_merge(tx, job, outcome, made, _free_name(tx, job.owner_id, job.merge.name), now)
        return
    adapter = Adapter(
        id=made.adapter_id,
        job_id=job.id,
        owner_id=job.owner_id,
        owner_name=job.owner_name,
        guild_id=job.guild_id,
        name=before.name if before is not None else _free_name(tx, job.owner_id, job.train.name),
        kind=made.kind,
        subject_kind=job.train.kind,
        trigger=made.trigger,
        class_word=made.class_word,
        base=made.base,
        base_hash=made.base_hash,
        blob=made.file.blob,
        size_bytes=made.file.size_bytes,
        rank=made.rank,
        steps=made.steps,
        photos=made.photos,
        seconds=made.seconds,
        final_loss=made.final_loss,
        trainer_version=made.trainer_version,
        created_at=now,
        method=made.method,
        weight_low=made.weights[0],
        weight_best=made.weights[1],
        weight_high=made.weights[2],
        fidelity=made.fidelity,
        report=outcome.report,
        candidates=made.candidates,
        chosen=made.chosen,
        choose_until=now + CHOOSE_FOR_S if len(made.candidates) > 1 else None,
        likeness=job.train.likeness,
    )
    if before is None:
        adapters.insert(tx, adapter)
    else:
        versions.add(tx, before, adapter, now)
        jobs.stop_keeping_photos(tx, before.job_id)
    if job.train.continues is not None:
        _note_parent(tx, adapter.id, job.train.continues)
    others = {candidate.file.blob for candidate in made.candidates} - {adapter.blob}
    garbage.add(tx, others, now + CHOOSE_FOR_S)


def _note_parent(tx: Connection, adapter_id: str, parent_id: str) -> None:
    """A new adapter goes on from another one; a new version of the same is no child of itself."""
    parent = adapters.get(tx, parent_id)
    if parent is not None and parent.id != adapter_id:
        name = f"{parent.owner_name}/{parent.name}@{parent.version}"
        lineage.add(tx, adapter_id, [Parent(adapter_id=parent.id, owner_id=parent.owner_id, name=name)], "continued")


def choose_candidate(tx: Connection, adapter: Adapter, place: int, until: float) -> Adapter:
    """Put the version at ``place`` in an adapter's place; the one that was there can be chosen ``until`` then.

    The recommended weights keep their distance from the best one, for only that was measured of every version.
    """
    if place == adapter.chosen:
        return adapter
    candidate = adapter.candidates[place]
    shift = candidate.weight - adapter.weight_best
    chosen = msgspec.structs.replace(
        adapter,
        blob=candidate.file.blob,
        size_bytes=candidate.file.size_bytes,
        steps=candidate.step,
        weight_low=round(adapter.weight_low + shift, 2),
        weight_best=candidate.weight,
        weight_high=round(adapter.weight_high + shift, 2),
        chosen=place,
    )
    adapters.update(tx, chosen)
    if chosen.blob != adapter.blob:
        garbage.add(tx, [adapter.blob], until)
    return chosen


def throw_away_examples(tx: Connection, outcome: Outcome, now: float) -> None:
    """A training's examples and grid are not kept: once they are delivered, Discord has them."""
    if outcome.adapter is not None:
        grid = [outcome.grid] if outcome.grid is not None else []
        garbage.add(tx, [file.blob for file in (*outcome.pictures, *grid)], now)


def _free_name(tx: Connection, owner_id: int, name: str) -> str:
    """``name``, which the job had reserved; numbered if the job was given up and its name went to another since."""
    number, free = 2, name
    while adapters.own(tx, owner_id, free) is not None:
        free, number = f"{name[:28]}-{number}", number + 1
    return free


def deliver(tx: Connection, job_id: str, channel_id: int, message_id: int, now: float) -> Job | None:
    """The result is in the channel. None: that was known."""
    job = jobs.get(tx, job_id)
    if job is not None and job.is_export:
        job = jobs.deliver_to_owner(tx, job_id, now)
    else:
        job = jobs.deliver(tx, job_id, channel_id, message_id, now)
    if job is not None:
        outbox.add(tx, job_id, "delivered", now)
        if job.is_export:
            return job
        if job.lane == "imagine":
            library.count_use(tx, (pick.adapter_id for pick in job.imagine.adapters))
        if job.lane == "train" or now - job.created_at > PING_AFTER_S:
            outbox.add(tx, job_id, "ping", now)
    return job


def end(
    tx: Connection,
    job_id: str,
    state: State,
    now: float,
    *,
    card_written: bool,
    error: str | None = None,
    reference: str | None = None,
    refused: bool = False,
) -> Job | None:
    """The job failed or was cancelled. None: it was over."""
    job = jobs.finish(tx, job_id, state, now, error=error, reference=reference, refused=refused)
    if job is not None:
        outbox.add(tx, job_id, "failed" if state == "failed" else "cancelled", now, card_written=card_written)
    return job


def refuse(tx: Connection, job_id: str, attempt: int, reference: str, now: float) -> Job | None:
    """What a worker said of the attempt can't be entered, ever: the job is over. None: it is not the current one.

    The cause is logged under ``reference``.
    """
    job = jobs.get(tx, job_id)
    if job is None or job.attempt != attempt:
        return None
    message = (
        "What came of this could not be written into the books. Whoever runs this bot finds the cause in the log under"
        f" {reference}; then try again."
    )
    return end(tx, job_id, "failed", now, card_written=False, error=message, reference=reference)


def give_back(
    tx: Connection,
    job_id: str,
    attempt: int,
    now: float,
    *,
    counts: bool,
    committed: bool = False,
    standing: Standing | None = None,
) -> Job | None:
    """An attempt ended without a delivery and without a word for the member: the job waits again, or is given up.

    ``committed``: its outcome exists, so only the delivery is left to do, and cancelling and pausing come too late.
    ``standing``: the checkpoint that the next attempt goes on from.
    Returns the job as it is then; None if the attempt was not the current one.
    """
    before = jobs.get(tx, job_id)
    job = jobs.take_back(tx, job_id, attempt, now, counts=counts, standing=standing)
    if job is None or before is None:
        return None
    if job.cancel_requested_at is not None and not committed:
        return end(tx, job_id, "cancelled", now, card_written=False)
    if job.tries >= MOST_TRIES:
        reference = new_reference()
        message = (
            f"The worker broke off {job.tries} times at this job, so it was given up. Whoever runs this bot finds the"
            f" cause in the log under {reference}; then try again."
        )
        return end(tx, job_id, "failed", now, card_written=False, error=message, reference=reference)
    if before.wish == "pause" and not committed:  # the worker was lost before it had said that it paused
        return hold(tx, job_id, now)
    return job


def pause(tx: Connection, job_id: str, attempt: int, now: float, *, step: int, steps: int) -> Job | None:
    """A worker paused the attempt after that step. None: it was not the current one.

    If its member has wished since that it ends early, the next attempt does that.
    """
    job = jobs.take_back(tx, job_id, attempt, now, counts=False, standing=Standing(step, steps))
    if job is not None and job.cancel_requested_at is not None:
        return end(tx, job_id, "cancelled", now, card_written=False)
    if job is None or job.wish == "finish":
        return job
    return hold(tx, job_id, now)


def hold(tx: Connection, job_id: str, now: float) -> Job | None:
    """Keep a waiting training from the workers until its member lets it go on. None: it does not wait."""
    job = jobs.hold(tx, job_id, "paused", now)
    if job is not None:
        outbox.add(tx, job_id, "paused", now)
    return job


_EXPIRED: dict[Hold, str] = {
    "review": "Nobody said for a day what to do with these photos, so they were deleted: send them anew with `/train`.",
    "paused": "It was paused for a week, so it was stopped. Its photos are kept for another day.",
}


def end_holds(tx: Connection, why: Hold, kept_s: float, now: float) -> list[Job]:
    """Cancel what has been held longer than that, with a word on the card; the jobs as they were before."""
    expired = jobs.held_before(tx, why, now - kept_s)
    for job in expired:
        end(tx, job.id, "cancelled", now, card_written=False, error=_EXPIRED[why])
    return expired


def throw_away_pictures(tx: Connection, job_id: str, now: float) -> None:
    """Delete a job's pictures, and mark their files and the outcome that lists them as garbage."""
    garbage.add(tx, [outcome_path(job_id), *(picture.blob for picture in pictures.of_job(tx, job_id))], now)
    pictures.delete_of_job(tx, job_id)


def throw_away_adapter(tx: Connection, adapter: Adapter, now: float) -> None:
    """Delete an adapter, and mark its files and outcome as garbage; jobs that were begun with it still find the file.

    Photos that were kept for it are due at once. What was made of it stays; what is being made of it does not.
    """
    for job in jobs.merging(tx, adapter.id):  # one that waits is refused when its turn comes
        jobs.request_cancel(tx, job.id, now)
    others = [candidate.file.blob for candidate in adapter.candidates]
    others += [each.blob for each in kept.of_adapter(tx, adapter.id)]
    garbage.add(tx, [outcome_path(adapter.job_id), adapter.blob, *others], now)
    jobs.stop_keeping_photos(tx, adapter.job_id)
    adapters.delete(tx, adapter.id)
