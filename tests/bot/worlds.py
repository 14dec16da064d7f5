"""What the tests of the machine room share: members that order, workers that report, a clock that is told."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
import redis.asyncio

from bot.adapters import Adapters
from bot.admission import Admission, Limits
from bot.control import Control
from bot.dispatch import Dispatcher
from bot.events import EventReader
from bot.findings import Scale
from bot.jobs import Jobs
from bot.orders import ImagineOrder, Origin, TrainOrder, Upload
from bot.outbox import Outbox
from bot.photos import Photos, StoredPhotos
from bot.queue import Queue
from bot.sharing import Sharing
from bot.store.database import Database
from bot.store.records import Adapter, Job
from bot.sweep import Sweeper
from bot.trainings import Trainings
from trainer.contract import names
from trainer.contract.blobs import Blobs
from trainer.contract.drawings import DrawingSettings
from trainer.contract.events import AdapterResult, BaseInfo, Candidate, Event, Heartbeat, Outcome, OutputFile
from trainer.contract.events import encode as encode_event
from trainer.contract.names import Lane, photo_path

GUILD = 100
MEMBERS = {"ada": 1, "ben": 2, "cleo": 3}
JPEG_NAMES = ("a.jpg", "b.jpg", "c.jpg")


class Clock:
    """Says the time it was told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class FakePhotos(Photos):
    """Stores a few bytes a photo instead of fetching and decoding."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.collected: list[str] = []
        self.explicit_allowed: bool | None = None

    async def collect(
        self, job_id: str, uploads: Sequence[Upload], scale: Scale, *, explicit_allowed: bool = False
    ) -> StoredPhotos:
        self.collected.append(job_id)
        self.explicit_allowed = explicit_allowed
        paths = tuple(photo_path(job_id, index) for index in range(len(uploads)))
        for path in paths:
            await self._blobs.write(path, b"pixels")
        return StoredPhotos(paths, (None,) * len(paths))


class RecordingListener:
    """Remembers what it was told; raises ``fault`` as long as it is set."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.fault: Exception | None = None

    def _hear(self, what: str, job: Job) -> None:
        if self.fault is not None:
            raise self.fault
        self.told.append((what, job.id))

    async def on_started(self, job: Job) -> None:
        self._hear("started", job)

    async def on_requeued(self, job: Job) -> None:
        self._hear("requeued", job)

    async def on_delivered(self, job: Job) -> None:
        self._hear("delivered", job)

    async def on_failed(self, job: Job, *, card_written: bool) -> None:
        self._hear(f"failed, card {'written' if card_written else 'not written'}", job)

    async def on_cancelled(self, job: Job, *, card_written: bool) -> None:
        self._hear(f"cancelled, card {'written' if card_written else 'not written'}", job)

    async def on_paused(self, job: Job) -> None:
        self._hear("paused", job)

    async def on_resumed(self, job: Job) -> None:
        self._hear("resumed", job)

    async def ping(self, job: Job, *, nonce: str) -> None:
        assert len(nonce) <= 25
        self._hear("ping", job)


def base_info(name: str = "emoji-64") -> BaseInfo:
    return BaseInfo(
        name=name,
        family="sd1",
        hash="00",
        width=64,
        height=64,
        max_side=128,
        num_inference_steps=25,
        guidance_scale=3.0,
        embedded=name == "emoji-64",
    )


class World:
    """The services on real stores, and what members and workers do."""

    def __init__(self, database: Database, queue: Queue, blobs: Blobs, clock: Clock) -> None:
        self.database, self.queue, self.blobs, self.clock = database, queue, blobs, clock
        self.photos = FakePhotos(blobs)
        self.outbox = Outbox(database, clock=clock)
        self.events = EventReader(database, queue, blobs, self.outbox, clock=clock)
        self.dispatcher = Dispatcher(database, queue, blobs, self.outbox, clock=clock)
        self.sweeper = Sweeper(database, blobs, self.outbox, clock=clock)
        self.adapters = Adapters(database, clock=clock)
        self.sharing = Sharing(database, clock=clock)
        admission = Admission(Limits(train=3, imagine=30), "emoji-64", clock)
        self.jobs = Jobs(database, queue, blobs, self.outbox, admission=admission, clock=clock)
        self.control = Control(database, self.outbox, progress=self.jobs.progress, clock=clock)
        self.trainings = Trainings(database, blobs, self.photos, admission=admission, clock=clock)
        self.listener = RecordingListener()
        self._ids = itertools.count(10_000)

    @property
    def redis(self) -> redis.asyncio.Redis:
        return self.queue._redis

    def origin(self, member: str = "ada", *, guild_id: int | None = GUILD) -> Origin:
        return Origin(
            interaction_id=next(self._ids),
            token="an-interaction-token",
            member_id=MEMBERS[member],
            member_name=member,
            guild_id=guild_id,
            channel_id=200,
        )

    def imagine_order(self, member: str = "ada", **changes: object) -> ImagineOrder:
        order = ImagineOrder(origin=self.origin(member), prompt="a fox in a suit", prompt_written="a fox in a suit")
        settings = {key: changes.pop(key) for key in DrawingSettings.__struct_fields__ if key in changes}
        return msgspec.structs.replace(order, settings=DrawingSettings(**settings), **changes)

    def train_order(self, member: str = "ada", name: str = "thnos", **changes: object) -> TrainOrder:
        uploads = tuple(Upload(filename=name, url=f"http://cdn/{name}", size_bytes=6) for name in JPEG_NAMES)
        order = TrainOrder(origin=self.origin(member), name=name, uploads=uploads, consent=True)
        return msgspec.structs.replace(order, **changes)

    async def imagine(self, member: str = "ada", **changes: object) -> Job:
        """An accepted picture job with its card; a second later than what was before."""
        self.clock.now += 1
        job = await self.jobs.submit_imagine(self.imagine_order(member, **changes))
        return await self.jobs.attach_card(job.id, 500_000 + int(job.id))

    async def train(self, member: str = "ada", name: str = "thnos", **changes: object) -> Job:
        """An accepted training with its card; a second later than what was before."""
        self.clock.now += 1
        job = await self.trainings.submit(self.train_order(member, name, **changes))
        return await self.jobs.attach_card(job.id, 500_000 + int(job.id))

    async def share(self, member: str, name: str, guild_id: int | None = GUILD) -> Adapter:
        """The member shares their adapter of that name with the server."""
        adapter = await self.adapters.own_of_name(name, owner_id=MEMBERS[member], guild_id=guild_id)
        return await self.sharing.with_server(adapter.id, guild_id, owner_id=MEMBERS[member])

    async def job(self, job_id: str) -> Job:
        found = await self.jobs.get(job_id)
        assert found is not None
        return found

    async def beat(
        self,
        *running: str,
        worker_id: str = "w1",
        imagine: int = 0,
        train: int = 0,
        merge: int = 0,
        lanes: tuple[Lane, ...] = names.LANES,
        bases: tuple[str, ...] = ("emoji-64",),
    ) -> None:
        """A worker's heartbeat; ``running`` are arq job ids."""
        heartbeat = Heartbeat(
            worker_id=worker_id,
            at=self.clock.now,
            device="cpu",
            lanes=lanes,
            bases=tuple(base_info(name) for name in bases),
            free={"imagine": imagine, "train": train, "merge": merge},
            running=running,
        )
        await self.redis.set(names.worker_key(worker_id), encode_event(heartbeat))

    async def die(self, worker_id: str = "w1") -> None:
        await self.redis.delete(names.worker_key(worker_id))

    async def say(self, event: Event) -> None:
        """A worker's event, in the stream and not yet read."""
        await self.redis.xadd(names.EVENTS_STREAM, {names.EVENT_FIELD: encode_event(event)})

    async def hear(self, *said: Event) -> None:
        """Let the bot read all events, after these."""
        for event in said:
            await self.say(event)
        while await self.events.read_once(block_s=0.01):
            pass

    async def commit(self, job: Job, pictures: int = 1, versions: tuple[bytes, ...] = ()) -> Outcome:
        """What a worker writes at the commit point; the first of an adapter's ``versions`` is chosen."""
        adapter = None
        if job.lane == "train":
            file, *_ = files = [await self._file(data) for data in versions or (f"adapter of {job.id}".encode(),)]
            adapter = AdapterResult(
                adapter_id=job.train.adapter_id,
                kind="lora",
                file=file,
                base=job.base,
                base_hash="00",
                trigger=job.train.trigger,
                class_word=job.train.class_word,
                rank=16,
                steps=400,
                photos=3,
                seconds=100.0,
                final_loss=0.1,
                trainer_version="0.1.0",
                candidates=tuple(
                    Candidate(step=100 * place, file=made, weight=place / 10, identity=0.8, obedience=0.9)
                    for place, made in enumerate(files if versions else [], 8)
                ),
            )
        shown = [
            OutputFile(
                blob=await self.blobs.put(f"picture {index} of {job.id}".encode(), ".png"),
                filename=f"{index}.png",
                content_type="image/png",
                size_bytes=20,
                width=64,
                height=64,
                seed=index,
                parameters="a fox in a suit\nSteps: 25",
            )
            for index in range(pictures)
        ]
        outcome = Outcome(
            job_id=job.id,
            attempt=job.attempt,
            committed_at=self.clock.now,
            pictures=tuple(shown),
            adapter=adapter,
            settings={"steps": 25},
        )
        await self.blobs.create(names.outcome_path(job.id), encode_event(outcome))
        return outcome

    async def _file(self, data: bytes) -> OutputFile:
        blob = await self.blobs.put(data, ".safetensors")
        return OutputFile(blob=blob, filename="x.safetensors", content_type="application/x", size_bytes=len(data))

    async def queued_in_arq(self, lane: Lane = "imagine", base: str = "emoji-64") -> list[str]:
        """arq ids that lie in a queue, in order."""
        return [key.decode() for key in await self.redis.zrange(names.queue_name(lane, base), 0, -1)]

    async def lost_for(self, seconds: float) -> None:
        """Let that much time pass between two looks of the dispatcher."""
        await self.dispatcher.tick()
        self.clock.now += seconds
        await self.dispatcher.tick()

    async def tell(self) -> list[tuple[str, str]]:
        """Let the outbox tell what is due; what was told since the last time."""
        self.listener.told.clear()
        await self.outbox.tell_due(self.listener)
        return list(self.listener.told)
