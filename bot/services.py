"""All services of the bot, made once at the composition root and handed to what needs them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.adapters import Adapters
from bot.jobs import Jobs
from bot.outbox import Listener
from bot.pictures import Pictures


@dataclass(frozen=True)
class Services:
    """``bot.client.build_bot(settings, services)`` gets this.

    The client's ``setup_hook`` calls :meth:`start` with its listener; its ``close`` calls :meth:`stop`.
    """

    jobs: Jobs
    adapters: Adapters
    pictures: Pictures

    def start(self, listener: Listener) -> None:
        """Start the dispatcher, the event listener, the outbox and the hourly sweep as tasks."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop them and wait until they have."""
        raise NotImplementedError
