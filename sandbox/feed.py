"""Telling the page what changed: an asynchronous subscription to the sandbox's state."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from sandbox.state import Json

Kind = Literal[
    "message_create",  # data: the message as Discord's API shows it (ephemeral: only_for is set, flag 64)
    "message_update",  # the same, whole message
    "message_delete",  # data: {"id", "channel_id"}
    "exchange",  # data: Exchange.to_json(): what a person's own command, click or form came to
    "typing",  # data: {"channel_id", "user_id"}
    "commands",  # data: {}: the bot registered other commands; ask for them again
    "gateway",  # data: {"connected": bool}: whether a bot is listening
]


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `only_for` is the id of the one member who may see it, or None for everybody."""

    kind: Kind
    data: Json
    only_for: int | None = None


class Subscription:
    """Changes in order from the moment of entering: `async with feed.subscribe(id) as changes: async for …`."""

    def __init__(self, feed: "Feed", member_id: int | None) -> None:
        self._feed = feed
        self._member_id = member_id
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._feed.subscriptions.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._feed.subscriptions.discard(self)

    def offer(self, change: Change | None) -> None:
        """Hand over a change (None ends the iteration) if its reader may see it."""
        if change is None or change.only_for in (None, self._member_id):
            self._queue.put_nowait(change)

    async def __aiter__(self) -> AsyncIterator[Change]:
        while (change := await self._queue.get()) is not None:
            yield change


class Feed:
    """Publishes changes to every subscription."""

    def __init__(self) -> None:
        self.subscriptions: set[Subscription] = set()

    def subscribe(self, member_id: int | None = None) -> Subscription:
        """Changes that this member may see; without a member only what everybody sees."""
        return Subscription(self, member_id)

    def publish(self, change: Change) -> None:
        """Hand a change to every subscription that may see it."""
        for subscription in tuple(self.subscriptions):
            subscription.offer(change)

    def close(self) -> None:
        """End every subscription's iteration."""
        for subscription in tuple(self.subscriptions):
            subscription.offer(None)
