"""The whole worker: what lies in arq's queue is carried out, as many at a time as there is room for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import discord
import msgspec
import pytest
import structlog
import structlog.testing
from redis.asyncio import Redis

from bot.queue import Queue, open_queue
from sandbox.messages import Body, Origin, create_message
from sandbox.server import Sandbox
from tests.conftest import OwnRedis
from tests.requests import picture_request
from tests.trainer.worker.light_backend import BASE, LightBackend, base_info
from tests.trainer.worker.test_attempts import PATIENCE_S, Studio, open_studio, read_events, until
from trainer import messages
from trainer.attempts import Attempts
from trainer.contract import names
from trainer.contract.events import Cancelled, Delivered, Event, HandedBack, Heartbeat, Produced, Started
from trainer.contract.names import Lane
from trainer.contract.requests import Card, ImagineRequest, Recipe, TrainRequest
from trainer.mailbox import Mailbox, open_pool
from trainer.settings import WorkerSettings
from trainer.worker import LaneWorkers, run_worker

READY = messages.Ready("light", (base_info(),))


@pytest.fixture(autouse=True)
def _restore_discord_address() -> Iterator[None]:
    base = discord.http.Route.BASE
    yield
    discord.http.Route.BASE = base


class Site:
    """A running worker, as the bot and the members meet it."""

    def __init__(self, sandbox: Sandbox, redis: Redis, queue: Queue, settings: WorkerSettings) -> None:
        self.sandbox, self.redis, self.queue, self.settings = sandbox, redis, queue, settings
        self.stopped = asyncio.Event()
        self.running: asyncio.Task[None] | None = None

    async def start(self, backend: LightBackend | None = None) -> None:
        """Until its first heartbeat."""
        self.running = asyncio.create_task(run_worker(self.settings, backend or LightBackend(), self.stopped))
        await until(self.redis, self._is_up)

    async def _is_up(self) -> bool:
        assert self.running is not None
        if self.running.done():
            self.running.result()
        return bool(await self.queue.heartbeats())

    async def stop(self) -> None:
        self.stopped.set()
        if self.running is not None:
            async with asyncio.timeout(PATIENCE_S):
                await self.running

    async def restart(self) -> None:
        await self.stop()
        self.stopped = asyncio.Event()
        await self.start()

    def card(self) -> Card:
        channel = self.sandbox.place("darkroom")
        origin = Origin(self.sandbox.application_id)
        posted = create_message(self.sandbox, channel, Body({"content": "", "embeds": [{"title": "queued"}]}), origin)
        ada = self.sandbox.member("ada").id
        return Card(channel_id=channel.id, message_id=posted.id, posted_at=time.time(), requester_id=ada)

    def picture(self, prompt: str = "a fox", job_id: str = "7", base: str = BASE) -> ImagineRequest:
        return picture_request(self.card(), prompt, job_id=job_id, base=base)

    async def heartbeat(self) -> Heartbeat:
        (heartbeat,) = await self.queue.heartbeats()
        return heartbeat

    async def runs(self, *arq_ids: str) -> None:
        """Until the heartbeat names exactly these."""
        await until(self.redis, self._names(set(arq_ids)))

    def _names(self, arq_ids: set[str]) -> Callable[[], Any]:
        async def holds() -> bool:
            return set((await self.heartbeat()).running) == arq_ids

        return holds

    async def story(self, job_id: str) -> list[type[Event]]:
        return [type(event) for event in await read_events(self.redis, job_id)]

    async def says(self, job_id: str, *kinds: type[Event]) -> None:
        """Until a job's events are of these kinds."""

        async def holds() -> bool:
            return await self.story(job_id) == list(kinds)

        await until(self.redis, holds)


@pytest.fixture
async def site(redis_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(redis_url, tmp_path) as site:
        yield site
        assert site.sandbox.violations == []


@asynccontextmanager
async def open_site(redis_url: str, folder: Path, **changes: Any) -> AsyncIterator[Site]:
    async with Sandbox() as sandbox, Redis.from_url(redis_url) as redis, open_queue(redis_url) as queue:
        values = {"discord_token": sandbox.token, "discord_api_base": sandbox.api_base, "redis_url": redis_url}
        settings = WorkerSettings(
            _env_file=None, **{"darkroom_data": folder, "darkroom_pictures_at_a_time": 2, **values, **changes}
        )
        site = Site(sandbox, redis, queue, settings)
        try:
            yield site
        finally:
            await site.stop()


async def test_what_is_enqueued_is_delivered(site: Site) -> None:
    await site.start()
    heartbeat = await site.heartbeat()
    assert heartbeat.lanes == names.LANES
    assert heartbeat.free == {"imagine": 2, "train": 1, "merge": 1}
    assert heartbeat.bases == READY.bases
    assert heartbeat.running == ()
    request = site.picture()
    await site.queue.enqueue(request)
    await site.says("7", Started, Produced, Delivered)
    assert (await read_events(site.redis, "7"))[0].worker_id == heartbeat.worker_id
    assert "Here it is" in site.sandbox.message(request.card.message_id or 0).text
    await site.runs()
    await until(site.redis, lambda: _not(site.queue.is_queued("7", 1)))


async def _not(question: Any) -> bool:
    return not await question


async def test_room_falls_and_rises_with_what_runs(site: Site) -> None:
    await site.start()
    await site.queue.enqueue(site.picture("endless"))
    await site.runs("7:1")
    assert (await site.heartbeat()).free == {"imagine": 1, "train": 1, "merge": 1}
    await site.says("7", Started)  # a job that is cancelled before that never starts
    await site.queue.request_cancel("7")
    await site.says("7", Started, Cancelled)
    await site.runs()
    assert (await site.heartbeat()).free == {"imagine": 2, "train": 1, "merge": 1}


async def test_what_there_is_no_room_for_waits(site: Site) -> None:
    await site.start()
    for job_id in ("1", "2", "3"):
        await site.queue.enqueue(site.picture("endless", job_id))
    await site.says("1", Started)
    await site.says("2", Started)
    assert (await site.heartbeat()).free == {"imagine": 0, "train": 1, "merge": 1}
    assert await site.story("3") == []
    assert await site.queue.is_queued("3", 1)
    await site.queue.request_cancel("1")
    await site.says("3", Started)
    await site.runs("2:1", "3:1")


async def test_room_is_shared_by_all_bases(redis_url: str, tmp_path: Path) -> None:
    async with open_site(redis_url, tmp_path, darkroom_pictures_at_a_time=1) as site:
        await site.start(LightBackend(bases=("one", "two")))
        await site.queue.enqueue(site.picture("endless", "1", base="one"))
        await site.says("1", Started)
        await site.queue.enqueue(site.picture("endless", "2", base="two"))
        await site.runs("1:1", "2:1")
        assert (await site.heartbeat()).free["imagine"] == 0
        assert await site.story("2") == []
        await site.queue.request_cancel("1")
        await site.says("2", Started)


async def test_a_lane_that_is_not_served_is_not_offered(redis_url: str, tmp_path: Path) -> None:
    async with open_site(redis_url, tmp_path, darkroom_lanes="train") as site:
        await site.start()
        heartbeat = await site.heartbeat()
        assert (heartbeat.lanes, heartbeat.free) == (("train",), {"train": 1})
        await site.queue.enqueue(site.picture("a fox", "1"))
        await site.queue.enqueue(training(site.card(), "2"))
        await site.says("2", Started)
        assert await site.queue.is_queued("1", 1)


def training(card: Card, job_id: str) -> TrainRequest:
    """A training that goes on until it is stopped; it needs no photos."""
    return TrainRequest(
        job_id=job_id, attempt=1, base=BASE, adapter_id="a1", name="thnos", trigger="thnos", class_word="slow",
        kind="subject", photos=(), captions=(), recipe=Recipe(), card=card,
    )  # fmt: skip


async def test_the_heartbeat_tells_the_pace_of_the_last_training(site: Site) -> None:
    await site.start()
    assert (await site.heartbeat()).bases[0].seconds_per_sample == {}
    quick = msgspec.structs.replace(training(site.card(), "1"), class_word="quick")
    await site.queue.enqueue(quick)
    await site.says("1", Started, Produced, Delivered)
    await site.runs()
    pace = (await site.heartbeat()).bases[0].seconds_per_sample["lora"]
    assert pace > 0
    await site.restart()
    assert (await site.heartbeat()).bases[0].seconds_per_sample == {"lora": pace}


async def test_what_nobody_can_read_is_logged_and_skipped(site: Site) -> None:
    queue = names.queue_name("imagine", BASE)
    with structlog.testing.capture_logs() as logged:
        await site.start()
        await site.redis.set("arq:job:no-msgpack", b"\xc1")
        await site.redis.zadd(queue, {"no-msgpack": 1})
        for arq_id, data in (("no-request", b"no request"), ("unknown-field", b"\x81\xa4type\xa7imagine")):
            await site.queue._redis.enqueue_job("imagine", data, _job_id=arq_id, _queue_name=queue)
        await site.queue._redis.enqueue_job("other", b"", _job_id="no-such-function", _queue_name=queue)
        await site.queue.enqueue(site.picture())
        await site.says("7", Started, Produced, Delivered)
        await until(site.redis, lambda: _not(site.redis.zcard(queue)))
    assert [entry["lane"] for entry in logged if entry["event"] == "request.unreadable"] == ["imagine", "imagine"]


async def test_a_worker_that_is_told_to_end_hands_back_and_leaves(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await site.start()
    for job_id in ("1", "2"):
        await site.queue.enqueue(site.picture("endless", job_id))
        await site.says(job_id, Started)
    await site.stop()
    for job_id in ("1", "2"):
        started, handed_back = await read_events(site.redis, job_id)
        assert isinstance(started, Started)
        assert isinstance(handed_back, HandedBack)
        assert not handed_back.counts
    assert await site.queue.heartbeats() == []
    assert not await site.queue.is_queued("1", 1)
    assert "failed" not in caplog.text  # it is how a worker ends, and no fault


async def test_a_worker_that_is_told_to_end_before_it_is_up_just_ends(site: Site) -> None:
    site.stopped.set()
    async with asyncio.timeout(PATIENCE_S):
        await run_worker(site.settings, LightBackend(), site.stopped)
    assert await site.queue.heartbeats() == []


async def test_an_engine_that_can_not_even_be_started_ends_the_worker(site: Site) -> None:
    backend = LightBackend(start_fault=lambda: None)  # type: ignore[arg-type]  # it can't be sent to a child
    with pytest.raises(Exception, match="pickle"):
        async with asyncio.timeout(PATIENCE_S):
            await run_worker(site.settings, backend, site.stopped)


# -- the lanes alone --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(
    studio: Studio, redis_url: str, worker_id: str, capacity: dict[Lane, int]
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker of its own on the studio's engine."""
    pool = open_pool(redis_url)
    attempts = Attempts(
        Mailbox(Redis(connection_pool=pool)), studio.blobs, studio.attempts.spool, studio.switchboard,
        studio.attempts.merger, studio.delivery, worker_id, clock=studio.clock,
    )  # fmt: skip
    lanes = asyncio.create_task(LaneWorkers(attempts, redis_url, capacity, READY).run())
    try:
        yield lanes
    finally:
        lanes.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(lanes, return_exceptions=True)
        await pool.disconnect()


async def test_two_workers_share_a_queue(redis_url: str, tmp_path: Path) -> None:
    """What one of them works on stays in arq's queue, and must not hide from the other what lies behind it."""
    async with (
        open_studio(redis_url, tmp_path) as studio,
        open_queue(redis_url) as queue,
        serving(studio, redis_url, "w1", {"train": 1}),
        serving(studio, redis_url, "w2", {"train": 1}),
    ):
        for job_id in ("1", "2"):
            await queue.enqueue(training(await studio.card(), job_id))
        await until(studio.redis, lambda: _all_started(studio, 2))
        started = await studio.events()
        assert {event.worker_id for event in started if isinstance(event, Started)} == {"w1", "w2"}


async def _all_started(studio: Studio, count: int) -> bool:
    return (await studio.story()).count(Started) == count


async def test_a_cancellation_gets_through_at_every_moment(redis_url: str, tmp_path: Path) -> None:
    async with open_studio(redis_url, tmp_path) as studio:
        for moments in range(1, 120, 4):
            async with serving(studio, redis_url, "w1", {"imagine": 1}) as lanes:
                for _ in range(moments):
                    await asyncio.sleep(0)
                lanes.cancel()
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.gather(lanes, return_exceptions=True)
                assert lanes.cancelled()


@contextmanager
def logged_once(name: str) -> Iterator[asyncio.Event]:
    """Set as soon as this is logged."""
    seen = asyncio.Event()

    def notice(logger: Any, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if entry["event"] == name:
            seen.set()
        return entry

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[notice, *before])
    try:
        yield seen
    finally:
        structlog.configure(processors=before)


async def test_a_redis_that_is_away_for_a_while_ends_no_attempt(
    own_redis: OwnRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.worker.RESTART_S", 0.0)
    async with (
        open_studio(own_redis.url, tmp_path) as studio,
        open_queue(own_redis.url) as queue,
        serving(studio, own_redis.url, "w1", {"train": 1, "imagine": 1}),
    ):
        await queue.enqueue(training(await studio.card(), "1"))
        await until(studio.redis, lambda: _all_started(studio, 1))
        with logged_once("arq.interrupted") as interrupted:
            own_redis.stop()
            async with asyncio.timeout(PATIENCE_S):
                await interrupted.wait()
        own_redis.start()
        await queue.enqueue(await studio.picture())
        await until(studio.redis, lambda: _ends_with(studio, "7", Delivered))
        (heartbeat,) = await queue.heartbeats()
        assert "1:1" in heartbeat.running
        await queue.request_cancel("1")
        await until(studio.redis, lambda: _ends_with(studio, "1", Cancelled))


async def _ends_with(studio: Studio, job_id: str, kind: type[Event]) -> bool:
    return (await studio.story(job_id))[-1:] == [kind]


async def test_a_worker_ends_also_while_redis_is_away(
    own_redis: OwnRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.worker.GOODBYE_S", 0.1)
    monkeypatch.setattr("trainer.worker.CLOSE_S", 0.1)
    monkeypatch.setattr("trainer.mailbox.CALL_TIMEOUT_S", 0.1)
    async with (
        open_studio(own_redis.url, tmp_path) as studio,
        open_queue(own_redis.url) as queue,
        serving(studio, own_redis.url, "w1", {"train": 1}) as lanes,
    ):
        await queue.enqueue(training(await studio.card(), "1"))
        await until(studio.redis, lambda: _all_started(studio, 1))
        own_redis.stop()
        lanes.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(lanes, return_exceptions=True)
        assert lanes.cancelled()


async def test_a_whole_models_training_leaves_no_room_for_pictures(site: Site) -> None:
    await site.start()
    whole = msgspec.structs.replace(training(site.card(), "1"), recipe=Recipe(method="dreambooth"))
    await site.queue.enqueue(whole)
    await site.says("1", Started)
    await site.runs("1:1")
    assert (await site.heartbeat()).free == {"imagine": 0, "train": 0, "merge": 1}
    await site.queue.request_cancel("1")
    await site.says("1", Started, Cancelled)
    await site.runs()
    assert (await site.heartbeat()).free == {"imagine": 2, "train": 1, "merge": 1}
