"""From the books to the contract: what a worker is asked to do for a job."""

from __future__ import annotations

from bot.store.records import ImagineSpec, Job, MergeSpec
from trainer.contract.requests import Card, ImagineRequest, MergeRequest, Request, TrainRequest


def request_of(job: Job) -> Request:
    """The request of the job's present attempt."""
    if isinstance(job.spec, ImagineSpec):
        return _imagine(job, job.spec)
    if isinstance(job.spec, MergeSpec):
        return _merge(job, job.spec)
    spec = job.spec
    return TrainRequest(
        job_id=job.id,
        attempt=job.attempt,
        base=job.base,
        adapter_id=spec.adapter_id,
        name=spec.name,
        trigger=spec.trigger,
        class_word=spec.class_word,
        kind=spec.kind,
        photos=spec.photos,
        captions=spec.captions,
        focuses=spec.focuses,
        recipe=spec.recipe,
        continue_from=spec.continue_from,
        keep_photos_days=spec.keep_photos_days,
        card=card_of(job),
    )


def _imagine(job: Job, spec: ImagineSpec) -> ImagineRequest:
    return ImagineRequest(
        job_id=job.id,
        attempt=job.attempt,
        base=job.base,
        drawings=spec.drawings,
        card=card_of(job),
        grid=spec.grid,
        exact=spec.exact,
        ignored=spec.ignored,
    )


def _merge(job: Job, spec: MergeSpec) -> MergeRequest:
    return MergeRequest(
        job_id=job.id,
        attempt=job.attempt,
        base=job.base,
        work=spec.work,
        card=card_of(job),
        name=spec.name,
        adapter_id=spec.adapter_id,
        trigger=spec.trigger,
        class_word=spec.class_word,
    )


def card_of(job: Job) -> Card:
    """The job's card; without a message if there is none that a bot token could edit."""
    return Card(
        channel_id=job.channel_id,
        message_id=job.message_id,
        posted_at=job.card_posted_at or job.created_at,
        requester_id=job.owner_id,
        guild_id=job.guild_id,
        upload_limit_bytes=job.upload_limit_bytes,
        private=job.card == "private",
        explicit_allowed=job.explicit_allowed,
    )
