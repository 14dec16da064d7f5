"""Accepting, stopping and looking up jobs: what the cogs call."""

from __future__ import annotations

from bot.orders import ImagineOrder, TrainOrder
from bot.store.records import Job
from trainer.contract.events import BaseInfo, Progress


class Jobs:
    """The service behind ``/train``, ``/imagine``, ``/jobs`` and ``/cancel``."""

    async def submit_train(self, order: TrainOrder) -> Job:
        """Check the order, store consent, fetch and store the photos, and accept the training.

        Takes seconds: acknowledge the interaction first. Repeating an order returns the same job.
        Raises UserError: no consent, a bad or taken name, bad photos, too many waiting jobs, an unknown base.
        """
        raise NotImplementedError

    async def submit_imagine(self, order: ImagineOrder) -> Job:
        """Check the order against the base's limits and accept it. Repeating an order returns the same job.

        Raises UserError: empty prompt, steps, guidance, size or count out of range, adapters of another base,
        too many waiting jobs, an unknown base.
        """
        raise NotImplementedError

    async def attach_card(self, job_id: str, message_id: int, *, private: bool = False) -> Job:
        """Remember the message that shows the job. Only now does the job go to a worker.

        ``private``: the card is ephemeral, so that the worker posts the result as a new message.
        """
        raise NotImplementedError

    async def give_up_card(self, job_id: str) -> Job:
        """The card could not be posted: let the worker post the result as a new message."""
        raise NotImplementedError

    async def without_card(self) -> list[Job]:
        """Jobs whose card was never attached: a bot that starts finishes these (``job.token`` holds for 15 minutes)."""
        raise NotImplementedError

    async def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        raise NotImplementedError

    async def of_member(self, member_id: int, *, active: bool = True, limit: int = 25) -> list[Job]:
        """A member's jobs, newest first; ``active``: only those that wait or run."""
        raise NotImplementedError

    async def position(self, job: Job) -> int | None:
        """Its place in its lane's queue, 1 being next, by fair shares; None when it does not wait."""
        raise NotImplementedError

    async def progress(self, job: Job) -> Progress | None:
        """How far a running job is, if a worker said so lately. None too when Redis is down."""
        raise NotImplementedError

    async def cancel(self, job_id: str, member_id: int, *, moderator: bool = False) -> Job:
        """Stop a job: at once if it waits (``state`` is then cancelled), else the worker stops and tells it.

        Raises UserError: unknown, somebody else's (unless ``moderator``), or over already.
        """
        raise NotImplementedError

    async def bases(self) -> list[BaseInfo]:
        """The bases that workers offer or have offered, default first; for autocomplete and /imagine's limits."""
        raise NotImplementedError
