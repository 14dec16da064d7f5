"""What Discord has still to be told after a job's end: stored with the job's change, told at least once."""

from __future__ import annotations

from typing import Protocol

from bot.store.records import Job


class Listener(Protocol):
    """The bot's face. Each call may come twice (after a crash), so each must be repeatable without harm.

    What it raises is logged, and the call is repeated later, up to ``Outbox.MOST_TRIES`` times;
    ``discord.NotFound`` (card or channel deleted) is the face's own to swallow.
    """

    async def on_started(self, job: Job) -> None:
        """A worker took the job and writes its card from now on: stop editing it. Told once, best effort."""

    async def on_requeued(self, job: Job) -> None:
        """The job waits again, and the card is the bot's again. Told once, best effort."""

    async def on_delivered(self, job: Job) -> None:
        """The result is in ``job.message_id`` of ``job.channel_id``: put the buttons under it."""

    async def on_failed(self, job: Job, *, card_written: bool) -> None:
        """The job failed with ``job.error``; tell it on the card if ``card_written`` is false."""

    async def on_cancelled(self, job: Job, *, card_written: bool) -> None:
        """The job was stopped; tell it on the card if ``card_written`` is false."""

    async def ping(self, job: Job, *, nonce: str) -> None:
        """Tell the member once, by a message with a mention, that the result is there. Send it with this ``nonce``."""
