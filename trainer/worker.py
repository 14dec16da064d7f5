"""The worker: an arq worker a lane and base, the heartbeat, and the start and end of it all. The one file with arq.

arq only brings requests. What it hands over runs in a task of its own, so that an arq worker which ends because Redis
went away for a moment does not take a training of an hour with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog
from arq.connections import ArqRedis
from arq.worker import Worker, func
from obstore.exceptions import BaseError as ObstoreError
from redis.asyncio import ConnectionPool, Redis

from common.errors import StartupFault
from trainer import messages, metrics
from trainer.attempts import Attempts
from trainer.contract.blobs import Blobs, open_blobs
from trainer.contract.events import BaseInfo, Heartbeat
from trainer.contract.names import HEARTBEAT_EVERY_S, LANES, Lane, arq_job_id, queue_name
from trainer.contract.requests import Request, TrainRequest, decode_request
from trainer.decency import open_gate
from trainer.delivery import Delivery
from trainer.engine import Backend
from trainer.errors import UserFault
from trainer.mailbox import UNREACHABLE, Mailbox, open_pool
from trainer.merger import Merger
from trainer.paces import Paces
from trainer.settings import WorkerSettings
from trainer.spool import Spool, open_spool
from trainer.supervisor import EngineDied, Supervisor
from trainer.switchboard import Switchboard

log = structlog.get_logger(__name__)

POLL_S = 0.1  # arq's own half second would be felt by whoever waits for a picture
LONGEST_JOB_S = 7 * 24 * 3600  # arq's timeout; ours are the member's patience and the engine's life
RESTART_S = 1.0
CLOSE_S = 5.0  # an arq worker whose Redis is away can't be closed properly
GOODBYE_S = 5.0  # for handing attempts back at the end; Docker kills after ten seconds


def make_worker_id() -> str:
    """Unique in every life of a worker, so that a new one is never taken for the one before."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"


class LaneWorkers:
    """Takes jobs from arq, as many at a time as there is room for, and knows what runs."""

    def __init__(
        self, attempts: Attempts, redis_url: str, capacity: dict[Lane, int], ready: messages.Ready,
        *, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._attempts = attempts
        self._redis_url = redis_url
        self._capacity = capacity
        self._ready = ready
        self._clock = clock
        self._rooms = {lane: asyncio.Semaphore(room) for lane, room in capacity.items()}
        self._running: dict[str, Lane] = {}  # by arq job id
        self._alone: set[str] = set()  # of those, the ones that leave no room beside them
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled; then every attempt is handed back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat())
                for lane in self._capacity:
                    for base in self._ready.bases:
                        group.create_task(self._serve(lane, base.name))
        finally:
            await self._hand_back()
            await self._attempts.mailbox.leave(self._attempts.worker_id)

    async def _hand_back(self) -> None:
        """End all attempts. What can't be said while Redis is away, the bot finds out when no heartbeat comes."""
        going = list(self._tasks)
        for _ in range(2):  # the second time nothing is said any more
            for task in going:
                task.cancel()
            if going:
                _, unended = await asyncio.wait(going, timeout=GOODBYE_S)
                going = list(unended)

    # -- what arq brings ----------------------------------------------------------------------------------------------

    async def _serve(self, lane: Lane, base: str) -> None:
        """One arq worker, started anew when Redis was away longer than its connections bear."""
        while True:
            pool = open_pool(self._redis_url)
            worker = self._arq_worker(lane, base, pool)
            running = asyncio.create_task(worker.async_run())
            try:
                await asyncio.wait({running})
                error = None if running.cancelled() else running.exception()
                if error is not None and not isinstance(error, UNREACHABLE):
                    raise error
                log.warning("arq.interrupted", lane=lane, base=base, error=str(error))
            finally:
                await _end(worker, running, pool)
            await asyncio.sleep(RESTART_S)

    def _arq_worker(self, lane: Lane, base: str, pool: ConnectionPool) -> Worker:
        async def take(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            await self._take(lane, *args)

        serializers: dict[str, Any] = {
            "job_serializer": msgspec.msgpack.encode,  # arq's default, pickle, lets whoever writes to Redis run code
            "job_deserializer": msgspec.msgpack.decode,
        }
        room = self._capacity[lane]
        return Worker(
            functions=[func(take, name=lane, keep_result=0, timeout=LONGEST_JOB_S, max_tries=1)],
            queue_name=queue_name(lane, base),
            redis_pool=ArqRedis(pool, **serializers),
            handle_signals=False,
            max_jobs=room,
            job_timeout=LONGEST_JOB_S,
            keep_result=0,
            poll_delay=POLL_S,  # it reads the queue's first hundred: what runs elsewhere stays in the queue, too
            max_tries=1,
            retry_jobs=False,
            allow_abort_jobs=False,
            log_results=False,
            **serializers,
        )

    async def _take(self, lane: Lane, data: bytes) -> None:
        """Carry out what a queue held. arq may be cancelled meanwhile; the attempt goes on."""
        try:
            request = decode_request(data)
        except msgspec.MsgspecError as error:
            log.error("request.unreadable", lane=lane, error=str(error))
            return
        task = asyncio.create_task(self._carry_out(lane, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _carry_out(self, lane: Lane, request: Request) -> None:
        arq_id = arq_job_id(request.job_id, request.attempt)
        self._running[arq_id] = lane
        if isinstance(request, TrainRequest) and request.takes_device:
            self._alone.add(arq_id)
        self._changed.set()
        try:
            async with self._rooms[lane]:
                await self._attempts.carry_out(request)
        finally:
            self._running.pop(arq_id, None)
            self._alone.discard(arq_id)
            self._changed.set()

    # -- the heartbeat ------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Every five seconds, and at every change."""
        while True:
            self._changed.clear()
            await self._attempts.mailbox.beat(self._heartbeat())
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_EVERY_S):
                    await self._changed.wait()

    def _heartbeat(self) -> Heartbeat:
        taken = list(self._running.values())
        for lane in self._capacity:
            metrics.RUNNING.labels(lane).set(taken.count(lane))
        return Heartbeat(
            worker_id=self._attempts.worker_id, at=self._clock(), device=self._ready.device,
            lanes=tuple(lane for lane in LANES if lane in self._capacity), bases=self._bases(),
            free={
                lane: 0 if self._alone and lane == "imagine" else max(0, room - taken.count(lane))
                for lane, room in self._capacity.items()
            },
            running=tuple(self._running),
        )  # fmt: skip

    def _bases(self) -> tuple[BaseInfo, ...]:
        """The bases, each with the paces of the last trainings on it."""
        return tuple(
            msgspec.structs.replace(info, seconds_per_sample=self._attempts.paces.of(info.name))
            for info in self._ready.bases
        )


async def _end(worker: Worker, running: asyncio.Task[None], pool: ConnectionPool) -> None:
    """End an arq worker for certain, and its connections. redis-py swallows cancellations, so they are repeated."""
    try:
        while not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=0.1)
        closing = asyncio.create_task(worker.close())
        closing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # there is nothing left to do
        # it gives up at the first of its tasks that fails; the others must not connect anew behind our back
        await asyncio.wait({closing, *worker.tasks.values()}, timeout=CLOSE_S)
        closing.cancel()
    finally:
        await pool.disconnect()


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not what arq says of a job that it was told to leave: that is how a worker ends."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


async def run_worker(settings: WorkerSettings, backend: Backend, stopped: asyncio.Event) -> None:
    """Run a worker until ``stopped`` is set. Raises StartupFault."""
    token, redis_url = settings.require_token(), settings.require_redis_url()
    for chatty in ("arq", "arq.worker", "arq.connections"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # at info it logs what members have written
    logging.getLogger("arq.worker").addFilter(_is_worth_a_line)
    pool = open_pool(redis_url)
    mailbox, delivery = Mailbox(Redis(connection_pool=pool)), Delivery(settings.discord_api_base)
    switchboard = Switchboard(Supervisor(backend))
    tasks: list[asyncio.Task[None]] = []
    spool: Spool | None = None
    try:
        gate = open_gate(settings)
        await _check_redis(mailbox)
        await _log_in(delivery, token)
        blobs = _open_blobs(settings)
        spool = _open_spool(settings.darkroom_data / "spool", blobs)
        on_ready: asyncio.Future[messages.Ready] = asyncio.get_running_loop().create_future()
        engine = asyncio.create_task(switchboard.run(on_ready), name="engine")
        tasks.append(engine)
        ready = await _wait_for(on_ready, engine, stopped)
        if ready is None:
            return
        paces = Paces(ready.device, settings.darkroom_data / "paces.json")
        merger, worker_id = Merger(backend), make_worker_id()
        attempts = Attempts(mailbox, blobs, spool, switchboard, merger, delivery, worker_id, paces, gate)
        lanes = LaneWorkers(attempts, redis_url, settings.capacity, ready)
        serving = asyncio.create_task(lanes.run(), name="lanes")
        tasks.insert(0, serving)  # it ends first: its attempts are handed back while Redis and Discord are still there
        for reason in ready.refused:
            log.warning("base.refused", reason=reason)
        log.info(
            "worker.ready", worker=attempts.worker_id, device=ready.device, bases=[base.name for base in ready.bases]
        )
        stopping = asyncio.create_task(stopped.wait())
        ends: set[asyncio.Task[Any]] = {stopping, *tasks}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in tasks:
            if task.done():
                task.result()  # nothing ends by itself: raise what ended it
        log.info("worker.stopping")
    finally:
        for task in tasks:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if spool is not None:
            spool.close()
        await delivery.close()
        await pool.disconnect()


async def _wait_for(
    on_ready: asyncio.Future[messages.Ready], engine: asyncio.Task[None], stopped: asyncio.Event
) -> messages.Ready | None:
    """The engine's first words; None when the worker is told to end before. Raises StartupFault."""
    stopping = asyncio.create_task(stopped.wait())
    either: set[asyncio.Future[Any]] = {on_ready, engine, stopping}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not on_ready.done():
        if engine.done():
            engine.result()  # a fault of ours ended it before it could say anything
        return None
    try:
        return on_ready.result()
    except UserFault as fault:
        raise StartupFault(f"The worker can't start: {fault}.", exit_code=2) from fault
    except (EngineDied, TimeoutError) as error:
        raise StartupFault(f"The engine did not start ({error}); the lines above say why.") from error


def _open_blobs(settings: WorkerSettings) -> Blobs:
    location = settings.blobs_location
    try:
        return open_blobs(location, **settings.s3_access)
    except (OSError, ValueError, ObstoreError) as error:
        reason = str(error).splitlines()[0]  # obstore appends its own source in many lines
        raise StartupFault(
            f"The blob store at {location} can't be used ({reason}): correct DARKROOM_BLOBS or DARKROOM_DATA.",
            exit_code=2,
        ) from error


def _open_spool(folder: Path, blobs: Blobs) -> Spool:
    try:
        return open_spool(folder, blobs)
    except OSError as error:
        raise StartupFault(
            f"The worker can't write into {folder} ({error.strerror}): correct DARKROOM_DATA.", exit_code=2
        ) from error


async def _check_redis(mailbox: Mailbox) -> None:
    try:
        await mailbox.ping()
    except UNREACHABLE as error:
        raise StartupFault(
            f"Redis at REDIS_URL does not answer ({error or type(error).__name__}): start it, or correct REDIS_URL."
        ) from error


async def _log_in(delivery: Delivery, token: str) -> None:
    try:
        await delivery.open(token)
    except UserFault as fault:
        raise StartupFault(f"{fault}.", exit_code=2) from fault
    except Exception as error:  # aiohttp's and discord.py's own kinds of not being there
        raise StartupFault(
            f"Discord can't be reached ({error}): check the network and DISCORD_API_BASE, then start again."
        ) from error
