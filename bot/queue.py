"""Redis as the bot uses it: arq's queues, attempts, cancel flags, heartbeats, progress and the event stream.

The one file of this side that imports arq. Every call has a timeout, and every failure of Redis is a QueueDown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import msgspec
import redis.asyncio
import redis.exceptions
import structlog
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix

from bot.errors import QueueDown
from trainer.contract import events, names
from trainer.contract.events import Heartbeat, Progress
from trainer.contract.patience import within
from trainer.contract.requests import ImagineRequest, Request, TrainRequest, encode_request

T = TypeVar("T")
log = structlog.get_logger(__name__)

CALL_TIMEOUT_S = 5.0  # a frozen Redis hangs a call for ever otherwise
CONSUMER = "bot"  # one bot process, one consumer: what it left unacknowledged is its own to read again
ATTEMPT_KEPT_S = 7 * 24 * 3600


class Entry(msgspec.Struct, frozen=True):
    """One entry of the event stream; ``data`` is a msgpack Event."""

    id: str
    data: bytes


async def _call(awaitable: Awaitable[T], timeout_s: float | None = None) -> T:
    """Await a call of Redis for ``timeout_s`` at most. Raises QueueDown."""
    try:
        return await within(awaitable, CALL_TIMEOUT_S if timeout_s is None else timeout_s)
    except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
        raise QueueDown(f"Redis does not answer: {str(error) or type(error).__name__}") from error


class Queue:
    """The bot's door to Redis."""

    def __init__(self, pool: ArqRedis) -> None:
        self._redis = pool

    async def ping(self) -> None:
        """Raises QueueDown if Redis does not answer."""
        await _call(cast("Awaitable[Any]", self._redis.ping()))

    # -- jobs ---------------------------------------------------------------------------------------------------------

    async def enqueue(self, request: Request) -> None:
        """Hand one attempt to the workers; the same attempt twice is there once. Raises QueueDown."""
        lane = _lane_of(request)
        await _call(
            self._redis.set(names.attempt_key(request.job_id), request.attempt, ex=ATTEMPT_KEPT_S),
        )
        await _call(
            self._redis.enqueue_job(
                lane,
                encode_request(request),
                _job_id=names.arq_job_id(request.job_id, request.attempt),
                _queue_name=names.queue_name(lane, request.base),
            )
        )

    async def restore_attempts(self, attempts: Mapping[str, int]) -> None:
        """Set the current attempts of these jobs again where Redis forgot them, in one round trip. Raises QueueDown."""
        if not attempts:
            return
        async with self._redis.pipeline(transaction=False) as pipeline:
            for job_id, attempt in attempts.items():
                pipeline.set(names.attempt_key(job_id), attempt, ex=ATTEMPT_KEPT_S, nx=True)
            await _call(pipeline.execute())

    async def withdraw(self, job_id: str, attempt: int, lane: names.Lane, base: str) -> None:
        """Take an attempt that no worker took out of arq's queue. Raises QueueDown."""
        arq_id = names.arq_job_id(job_id, attempt)
        await _call(self._redis.zrem(names.queue_name(lane, base), arq_id))
        await _call(self._redis.delete(job_key_prefix + arq_id, in_progress_key_prefix + arq_id))

    async def is_queued(self, job_id: str, attempt: int) -> bool:
        """Whether the attempt lies in arq's queue and no worker took it yet. Raises QueueDown.

        A worker that was killed between taking it and saying so leaves arq's in-progress key for days, and every other
        one then passes the job by: so what is in progress is not queued, and only a heartbeat says that it is done.
        """
        arq_id = names.arq_job_id(job_id, attempt)
        waits, taken = await _call(self._redis.mget(job_key_prefix + arq_id, in_progress_key_prefix + arq_id))
        return waits is not None and taken is None

    async def request_cancel(self, job_id: str) -> None:
        """Raise the flag that the engine reads between two steps. Raises QueueDown."""
        await _call(self._redis.set(names.cancel_key(job_id), b"1", ex=names.CANCEL_KEPT_S))

    async def request_wish(self, job_id: str, attempt: int, wish: names.Wish, step: int) -> None:
        """Say what the member wants of an attempt at a training, wished at that step. Raises QueueDown."""
        value = names.wish_value(attempt, wish, step)
        await _call(self._redis.set(names.wish_key(job_id), value, ex=names.CANCEL_KEPT_S))

    async def forget(self, job_id: str) -> None:
        """Drop what Redis holds of a job that is over. Raises QueueDown."""
        keys = (names.attempt_key(job_id), names.cancel_key(job_id), names.wish_key(job_id), names.progress_key(job_id))
        await _call(self._redis.delete(*keys))

    async def rewrite(self) -> None:
        """Let Redis write its file anew, without what was deleted; one that may not, or does so already, is left.

        Raises QueueDown.
        """
        try:
            await _call(cast(Any, self._redis).bgrewriteaof())
        except QueueDown as error:
            if not isinstance(error.__cause__, redis.exceptions.ResponseError):
                raise
            log.info("redis.not_rewritten", error=str(error))

    # -- backups ------------------------------------------------------------------------------------------------------

    async def next_backup(self, block_s: int = 5) -> str | None:
        """The id of a backup that is asked for; None after ``block_s``. Raises QueueDown."""
        asked = self._redis.blpop([names.BACKUPS_WANTED], timeout=block_s)
        found = await _call(cast("Awaitable[Any]", asked), timeout_s=block_s + CALL_TIMEOUT_S)
        return None if found is None else str(found[1].decode(errors="replace"))

    async def answer_backup(self, request: str, answer: str) -> None:
        """Say to whoever asked that it is done, or why not. Raises QueueDown."""
        key = names.backup_answer_key(request)
        await _call(cast("Awaitable[Any]", self._redis.rpush(key, answer)))
        await _call(self._redis.expire(key, names.PROGRESS_KEPT_S))

    async def ask_backup(self, request: str, timeout_s: float) -> str | None:
        """Ask the bot for a copy of its database; its answer, None if there is none. Raises QueueDown."""
        await _call(cast("Awaitable[Any]", self._redis.rpush(names.BACKUPS_WANTED, request)))
        for _ in range(max(1, round(timeout_s / CALL_TIMEOUT_S))):
            asked = self._redis.blpop([names.backup_answer_key(request)], timeout=int(CALL_TIMEOUT_S))
            found = await _call(cast("Awaitable[Any]", asked), timeout_s=2 * CALL_TIMEOUT_S)
            if found is not None:
                return str(found[1].decode(errors="replace"))
        await _call(cast("Awaitable[Any]", self._redis.lrem(names.BACKUPS_WANTED, 0, request)))
        return None

    # -- workers ------------------------------------------------------------------------------------------------------

    async def heartbeats(self) -> list[Heartbeat]:
        """The workers that are alive, by id. One that can't be read is logged and left out. Raises QueueDown."""
        keys = await _call(self._worker_keys())
        found: list[Heartbeat] = []
        for data in await _call(self._redis.mget(keys)) if keys else []:
            if data is None:
                continue
            try:
                found.append(events.decode_heartbeat(data))
            except msgspec.MsgspecError as error:
                log.warning("heartbeat.unreadable", error=str(error))
        return sorted(found, key=lambda heartbeat: heartbeat.worker_id)

    async def _worker_keys(self) -> list[bytes]:
        return [key async for key in self._redis.scan_iter(match=names.WORKERS_PATTERN, count=1000)]

    async def progress(self, job_id: str) -> Progress | None:
        """How far a job is, as its worker said last. Raises QueueDown."""
        data = await _call(self._redis.get(names.progress_key(job_id)))
        try:
            return events.decode_progress(data) if data else None
        except msgspec.MsgspecError:
            return None

    # -- the event stream ---------------------------------------------------------------------------------------------

    async def read_events(self, *, pending: bool, block_s: float = 2.0, count: int = 100) -> list[Entry]:
        """The next entries: ``pending`` those read before and never acknowledged, else new ones, waiting ``block_s``.

        The stream and its group are made when they are not there, also after Redis was wiped. Raises QueueDown.
        """
        try:
            answer = await self._read_group(pending=pending, block_s=block_s, count=count)
        except QueueDown as error:
            if "NOGROUP" not in str(error):
                raise
            await self._make_group()
            answer = await self._read_group(pending=pending, block_s=block_s, count=count)
        entries = answer[0][1] if answer else []
        # an entry that was deleted while it was pending has no fields
        return [
            Entry(entry_id.decode(), (fields or {}).get(names.EVENT_FIELD.encode(), b""))
            for entry_id, fields in entries
        ]

    async def _read_group(self, *, pending: bool, block_s: float, count: int) -> Any:
        options: dict[str, Any] = {"count": count}
        if not pending:
            options["block"] = max(1, int(block_s * 1000))
        streams: Any = {names.EVENTS_STREAM: "0" if pending else ">"}
        reading = self._redis.xreadgroup(names.EVENTS_GROUP, CONSUMER, streams, **options)
        return await _call(reading, timeout_s=block_s + CALL_TIMEOUT_S)

    async def acknowledge(self, entry_ids: Iterable[str]) -> None:
        """These entries are in the database: acknowledge and delete them. Raises QueueDown."""
        ids = tuple(entry_ids)
        if ids:
            await _call(self._redis.xack(names.EVENTS_STREAM, names.EVENTS_GROUP, *ids))
            await _call(self._redis.xdel(names.EVENTS_STREAM, *ids))

    async def _make_group(self) -> None:
        try:
            await _call(self._redis.xgroup_create(names.EVENTS_STREAM, names.EVENTS_GROUP, id="0", mkstream=True))
        except QueueDown as error:
            if "BUSYGROUP" not in str(error):
                raise


def _lane_of(request: Request) -> names.Lane:
    if isinstance(request, ImagineRequest):
        return "imagine"
    return "train" if isinstance(request, TrainRequest) else "merge"


@asynccontextmanager
async def open_queue(url: str) -> AsyncIterator[Queue]:
    """Open a pool to the Redis at ``url`` (also ``unix://``) without asking whether it answers: see ``Queue.ping``."""
    pool = redis.asyncio.ConnectionPool.from_url(
        url,
        socket_timeout=CALL_TIMEOUT_S + 5,  # above the longest blocking read; every call has its own, shorter limit
        socket_connect_timeout=2,
        health_check_interval=30,
        max_connections=32,
    )
    client = ArqRedis(
        pool,
        job_serializer=msgspec.msgpack.encode,  # arq's default, pickle, lets whoever writes to Redis run code here
        job_deserializer=msgspec.msgpack.decode,
    )
    try:
        yield Queue(client)
    finally:
        await client.aclose()
        await pool.disconnect()
