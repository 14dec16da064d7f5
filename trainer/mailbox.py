"""Redis as a worker uses it, besides arq: attempts, cancel flags, progress, heartbeats and the event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis.exceptions
import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from trainer import metrics
from trainer.contract import names
from trainer.contract.events import Event, Heartbeat, Progress, encode
from trainer.contract.patience import within

log = structlog.get_logger(__name__)
T = TypeVar("T")

CALL_TIMEOUT_S = 5.0
RETRY_S = 1.0
UNREACHABLE = (redis.exceptions.RedisError, OSError, TimeoutError)
MOST_EVENTS = 100_000  # of a stream that no bot reads; the outcomes themselves are in the blob store


def open_pool(url: str) -> ConnectionPool:
    """Connections that outlive a Redis that restarts. Raises ValueError for an address that is none."""
    pool: ConnectionPool = ConnectionPool.from_url(
        url,
        socket_timeout=CALL_TIMEOUT_S,
        socket_connect_timeout=2,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), 5),
        retry_on_error=[redis.exceptions.ConnectionError, redis.exceptions.TimeoutError],
    )
    return pool


class Mailbox:
    """What the worker reads and says. Only :meth:`say` has to arrive: it is repeated until it did."""

    def __init__(self, client: Redis, *, wait: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._redis = client
        self._wait = wait

    async def ping(self) -> None:
        """Raises one of ``UNREACHABLE``."""
        await within(self._redis.ping(), CALL_TIMEOUT_S)

    async def is_current(self, job_id: str, attempt: int) -> bool:
        """Whether this attempt is still the job's; a Redis that forgot it does not contradict."""
        current = await self._ask(self._redis.get(names.attempt_key(job_id)))
        return current is None or int(current) == attempt

    async def is_cancelled(self, job_id: str) -> bool:
        """Whether the member wants the job stopped. False while Redis can't be asked."""
        return bool(await self._ask(self._redis.exists(names.cancel_key(job_id))))

    async def wish(self, job_id: str, attempt: int) -> tuple[names.Wish, int] | None:
        """What the member wants of this attempt at a training, wished at which step. None while Redis is away."""
        value = await self._ask(self._redis.get(names.wish_key(job_id)))
        return None if value is None else names.read_wish(value, attempt)

    async def _ask(self, call: Awaitable[T]) -> T | None:
        try:
            return await within(call, CALL_TIMEOUT_S)
        except UNREACHABLE as error:
            log.warning("redis.unreachable", error=str(error))
            return None

    async def report(self, progress: Progress) -> None:
        """How far a job is; one that does not arrive is no loss, the next is near."""
        key = names.progress_key(progress.job_id)
        await self._ask(self._redis.set(key, encode(progress), ex=names.PROGRESS_KEPT_S))

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Say that this worker lives, and what it has room for."""
        key = names.worker_key(heartbeat.worker_id)
        await self._ask(self._redis.set(key, encode(heartbeat), ex=names.HEARTBEAT_DEAD_AFTER_S))

    async def leave(self, worker_id: str) -> None:
        """Say that this worker is gone, so that nobody waits for it."""
        await self._ask(self._redis.delete(names.worker_key(worker_id)))

    async def say(self, event: Event) -> None:
        """Tell the bot; repeated until Redis took it. Read twice, an event changes nothing."""
        while True:
            try:
                entry: Any = {names.EVENT_FIELD: encode(event)}
                adding = self._redis.xadd(names.EVENTS_STREAM, entry, maxlen=MOST_EVENTS, approximate=True)
                await within(adding, CALL_TIMEOUT_S)
                metrics.SAID.labels(type(event).__name__).inc()
                return
            except UNREACHABLE as error:
                log.warning("event.again", job=event.job_id, event_type=type(event).__name__, error=str(error))
                await self._wait(RETRY_S)
