"""Attempts from the request to the delivery, with a real Redis, a real engine child, real blobs and the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
import msgspec
import pytest
import structlog.testing
from obstore.exceptions import BaseError as ObstoreError
from redis.asyncio import Redis

from sandbox import permissions
from sandbox.server import Sandbox
from sandbox.views import Message
from tests.requests import picture_request
from tests.trainer.worker.light_backend import BASE, REFUSAL, LightBackend
from trainer import messages
from trainer.attempts import Attempts
from trainer.contract import names
from trainer.contract.blobs import Blobs, open_blobs
from trainer.contract.drawings import AdapterUse
from trainer.contract.events import (
    Cancelled,
    Delivered,
    Event,
    Failed,
    HandedBack,
    Outcome,
    Produced,
    Started,
    decode_event,
    decode_outcome,
    decode_progress,
)
from trainer.contract.events import encode as encode_event
from trainer.contract.requests import Card, ImagineRequest, Recipe, TrainRequest
from trainer.decency import REFUSED, Gate
from trainer.delivery import Delivery
from trainer.mailbox import Mailbox
from trainer.merger import Merger
from trainer.spool import open_spool
from trainer.supervisor import Supervisor
from trainer.switchboard import Switchboard

PATIENCE_S = 30.0  # after which a test that waits for something has failed


class Clock:
    """Time that goes on only while the delivery waits. ``looks`` counts how often somebody looked for a cancel flag."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.looks = 0

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def look_again(self, seconds: float) -> None:
        self.looks += 1
        await asyncio.sleep(0)


@dataclass
class Studio:
    """A worker without its queue, and what its tests look at."""

    sandbox: Sandbox
    redis: Redis
    blobs: Blobs
    delivery: Delivery
    switchboard: Switchboard
    attempts: Attempts
    clock: Clock
    engine: asyncio.Task[None]
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def card(self, **changes: Any) -> Card:
        """A card that the bot posted."""
        channel = self.sandbox.place("darkroom").id
        place = self.delivery._client.get_partial_messageable(channel)
        posted = await place.send(embed=discord.Embed(title="queued"))
        ada = self.sandbox.member("ada").id
        card = Card(channel_id=channel, message_id=posted.id, posted_at=self.clock.now, requester_id=ada)
        return msgspec.structs.replace(card, **changes)

    async def picture(self, prompt: str = "a fox", job_id: str = "7", **changes: Any) -> ImagineRequest:
        card = changes.pop("card", None) or await self.card()
        return picture_request(card, prompt, job_id=job_id, base=BASE, **changes)

    async def training(self, class_word: str = "quick", job_id: str = "8", **changes: Any) -> TrainRequest:
        """A training whose photos are there."""
        photos = tuple(names.photo_path(job_id, place) for place in range(3))
        for path in photos:
            await self.blobs.write(path, b"pixels")
        request = TrainRequest(
            job_id=job_id, attempt=1, base=BASE, adapter_id="a1", name="thnos", trigger="thnos",
            class_word=class_word, kind="subject", photos=photos, captions=(None,) * 3, recipe=Recipe(),
            card=await self.card(),
        )  # fmt: skip
        return msgspec.structs.replace(request, **changes)

    async def carry_out(self, request: ImagineRequest | TrainRequest) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.attempts.carry_out(request)

    def begin(self, request: ImagineRequest | TrainRequest) -> asyncio.Task[None]:
        """Let an attempt run; the studio ends it if the test does not."""
        task = asyncio.create_task(self.attempts.carry_out(request))
        self.running.append(task)
        return task

    async def cancel(self, job_id: str) -> None:
        """What the bot does at a member's click."""
        await self.redis.set(names.cancel_key(job_id), b"1")

    async def events(self, job_id: str | None = None) -> list[Event]:
        return await read_events(self.redis, job_id)

    async def story(self, job_id: str | None = None) -> list[type[Event]]:
        """The kinds of events, in their order."""
        return [type(event) for event in await self.events(job_id)]

    async def outcome(self, job_id: str) -> Outcome:
        return decode_outcome(await self.blobs.read(names.outcome_path(job_id)))

    def message(self, request: ImagineRequest | TrainRequest) -> Message:
        assert request.card.message_id is not None
        return self.sandbox.message(request.card.message_id)

    async def stepped(self, job_id: str) -> None:
        """Until a job's first step is known."""
        await until(self.redis, lambda: self.redis.exists(names.progress_key(job_id)))


async def read_events(redis: Redis, job_id: str | None = None) -> list[Event]:
    entries = await redis.xrange(names.EVENTS_STREAM)
    events = [decode_event(fields[names.EVENT_FIELD.encode()]) for _, fields in entries]
    return [event for event in events if job_id in (None, event.job_id)]


async def until(redis: Redis, holds: Callable[[], Any]) -> None:
    """Ask until it holds; every question is a round trip to Redis, and lets the others go on."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await redis.ping()


async def answer(value: bool) -> bool:
    """For ``until``, where nobody need be asked."""
    return value


@asynccontextmanager
async def open_studio(
    redis_url: str, folder: Path, *, cancel_grace_s: float = PATIENCE_S, bases: tuple[str, ...] = (BASE,)
) -> AsyncIterator[Studio]:
    """Everything there and the engine up; at the end nothing was said to Discord that it does not know."""
    base = discord.http.Route.BASE
    clock = Clock()
    async with Sandbox() as sandbox, Redis.from_url(redis_url) as redis:
        # a test does in a moment what takes members minutes
        sandbox.rate_limits.limits["PATCH", "/channels/{channel_id}/messages/{message_id}"] = (50, 5.0)
        delivery = Delivery(sandbox.api_base, clock=clock, wait=clock.wait)
        await delivery.open(sandbox.token)
        switchboard = Switchboard(Supervisor(LightBackend(bases=bases)), cancel_grace_s=cancel_grace_s)
        ready = asyncio.get_running_loop().create_future()
        engine = asyncio.create_task(switchboard.run(ready))
        await asyncio.wait({ready})
        blobs = open_blobs(str(folder / "blobs"))
        spool = open_spool(folder / "spool", blobs)
        attempts = Attempts(
            Mailbox(redis),
            blobs,
            spool,
            switchboard,
            Merger(LightBackend(bases=bases), cancel_grace_s=cancel_grace_s),
            delivery,
            "w1",
            clock=clock,
            wait=clock.look_again,
        )
        studio = Studio(sandbox, redis, blobs, delivery, switchboard, attempts, clock, engine)
        try:
            yield studio
            assert sandbox.violations == []
        finally:
            for task in (*studio.running, engine):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            spool.close()
            await delivery.close()
            discord.http.Route.BASE = base


@pytest.fixture
async def studio(redis_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    async with open_studio(redis_url, tmp_path) as studio:
        yield studio


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


# -- from the request to the delivery ---------------------------------------------------------------------------------


async def test_a_picture_is_started_produced_and_delivered(studio: Studio) -> None:
    request = await studio.picture("a *fox*", count=2, negative_prompt="rain")
    await studio.carry_out(request)
    started, produced, delivered = await studio.events()
    assert (type(started), type(produced), type(delivered)) == (Started, Produced, Delivered)
    assert started.worker_id == "w1"
    card = studio.message(request)
    assert (delivered.channel_id, delivered.message_id) == (card.channel_id, card.id)
    assert [file.filename for file in card.files] == ["large.png", "darkroom-11-1.png", "darkroom-12-2.png"]
    assert "large.png" in card.embeds[0]["image"]["url"]
    for words in ("Here they are, 2 of them", r"a \*fox\*", "rain", "seed 11", f"<@{request.card.requester_id}>"):
        assert words in card.text
    assert card.components == []  # the buttons are the bot's to add
    outcome = await studio.outcome("7")
    assert [picture.seed for picture in outcome.pictures] == [11, 12]
    assert await studio.blobs.read(outcome.pictures[1].blob) == card.files[2].data


async def test_a_prompt_pings_nobody(studio: Studio) -> None:
    request = await studio.picture(f"@everyone <@{studio.sandbox.member('ben').id}> look")
    again = msgspec.structs.replace(request, job_id="9", card=await studio.card(private=True))
    for each in (request, again):  # an edit, and a message of its own
        await studio.carry_out(each)
    for message in studio.sandbox.messages("darkroom"):
        assert not message.record.mention_everyone
        assert message.record.mention_ids == ()
    assert r"@everyone \<@" in studio.message(request).text


async def test_a_private_card_is_answered_by_a_new_message(studio: Studio) -> None:
    request = await studio.picture(card=await studio.card(private=True))
    await studio.carry_out(request)
    *_, delivered = await studio.events()
    assert delivered.message_id != request.card.message_id
    assert studio.sandbox.message(delivered.message_id).files
    assert "queued" in studio.message(request).text


async def test_a_training_commits_its_adapter(studio: Studio) -> None:
    request = await studio.training()
    await studio.carry_out(request)
    assert await studio.story() == [Started, Produced, Delivered]
    adapter = (await studio.outcome("8")).adapter
    assert adapter is not None
    assert (adapter.adapter_id, adapter.rank, adapter.steps, adapter.photos) == ("a1", 16, 4, 3)
    assert await studio.blobs.read(adapter.file.blob) == b"adapter from step 1 of 3 photos"
    card = studio.message(request)
    assert "thnos is ready" in card.text
    assert [file.filename for file in card.files] == ["large.png"]
    assert card.components == []


async def test_a_training_that_is_handed_back_goes_on_from_its_checkpoint(studio: Studio) -> None:
    request = await studio.training("slow")
    first = studio.begin(request)
    await until(studio.redis, lambda: studio.blobs.list(names.checkpoint_prefix("8")))
    first.cancel()  # the worker ends
    with suppress(asyncio.CancelledError):
        await first
    assert (await studio.events())[-1] == HandedBack(job_id="8", attempt=1, at=studio.clock.now, counts=False)
    await studio.carry_out(msgspec.structs.replace(request, attempt=2))
    assert await studio.story() == [Started, HandedBack, Started, Produced, Delivered]
    adapter = (await studio.outcome("8")).adapter
    assert adapter is not None
    assert await studio.blobs.read(adapter.file.blob) == b"adapter from step 3 of 3 photos"


@pytest.mark.parametrize("error", [OSError("no space left on device"), ObstoreError("no answer")])
async def test_a_training_outlives_a_checkpoint_that_can_not_be_stored(
    studio: Studio, logged: list[Any], error: Exception
) -> None:
    real, lost = studio.blobs.write_file, []

    async def write_file(path: str, file: Path) -> None:
        if path.startswith(names.checkpoint_prefix("8")):
            lost.append(file)
            raise error
        await real(path, file)

    studio.blobs.write_file = write_file  # type: ignore[method-assign]
    await studio.carry_out(await studio.training("quick"))
    assert await studio.story() == [Started, Produced, Delivered]
    assert "checkpoint.not_stored" in [entry["event"] for entry in logged]
    [file] = lost
    assert not file.exists()


async def test_an_adapter_that_learns_on_is_brought_to_the_engine(studio: Studio) -> None:
    blob = await studio.blobs.put(b"what it knows", ".safetensors")
    request = await studio.training(continue_from=blob, keep_photos_days=30)
    await studio.carry_out(request)
    adapter = (await studio.outcome("8")).adapter
    assert adapter is not None
    learned = b"adapter from step 1 of 3 photos on top of what it knows"
    assert await studio.blobs.read(adapter.file.blob) == learned
    assert adapter.file.size_bytes == len(learned)
    assert await studio.blobs.read(blob) == b"what it knows"  # a blob's own file is only read
    text = studio.message(request).text
    assert "Its photos are kept for 30 days, so that it can go on learning from them; `/adapter delete`" in text
    await studio.blobs.delete(blob)
    again = msgspec.structs.replace(request, job_id="9")
    await studio.carry_out(again)
    *_, failed = await studio.events("9")
    assert isinstance(failed, Failed)
    assert failed.message == "The adapter that was to learn on was deleted meanwhile: train a new one."


async def test_progress_is_on_the_card_and_in_redis(studio: Studio) -> None:
    request = await studio.picture("endless")
    studio.begin(request)
    await studio.stepped("7")
    progress = decode_progress(await studio.redis.get(names.progress_key("7")))
    assert (progress.step, progress.steps) == (1, 2)
    card = await studio.sandbox.wait_for(lambda message: "Drawing" in message.text, "darkroom")
    assert [button.label for button in card.buttons] == ["Cancel"]


# -- attempts that are over -------------------------------------------------------------------------------------------


async def test_a_stale_attempt_does_nothing(studio: Studio) -> None:
    request = await studio.picture()
    await studio.redis.set(names.attempt_key("7"), 2)
    await studio.carry_out(request)
    assert await studio.events() == []
    assert "queued" in studio.message(request).text
    assert not await studio.blobs.exists(names.outcome_path("7"))


async def test_what_is_committed_is_delivered_again_and_never_worked_again(studio: Studio) -> None:
    request = await studio.picture()
    await studio.carry_out(request)
    before = await studio.outcome("7")
    await studio.cancel("7")  # too late: it is committed
    again = msgspec.structs.replace(await studio.picture("die", card=request.card), attempt=2)
    await studio.carry_out(again)
    assert await studio.story() == [Started, Produced, Delivered, Delivered]
    assert await studio.outcome("7") == before
    assert len(studio.sandbox.messages("darkroom")) == 1


async def test_the_attempt_that_commits_second_delivers_the_first_ones_result(studio: Studio) -> None:
    await studio.carry_out(await studio.picture(job_id="9", seed=200))
    theirs = msgspec.structs.replace(await studio.outcome("9"), job_id="7")
    create = studio.blobs.create

    async def be_quicker(path: str, data: bytes) -> bool:
        if path == names.outcome_path("7"):
            await create(path, encode_event(theirs))
        return await create(path, data)

    studio.blobs.create = be_quicker  # type: ignore[method-assign]
    request = await studio.picture()
    await studio.carry_out(request)
    assert await studio.story("7") == [Started, Delivered]
    assert await studio.outcome("7") == theirs
    assert studio.message(request).files[-1].filename == "darkroom-200-1.png"


async def test_two_attempts_at_one_job_in_one_worker_take_turns(studio: Studio) -> None:
    """A worker that was frozen for a while is handed its own job again, and takes it while it still works on it."""
    request = await studio.picture()
    create, reached, may_commit = studio.blobs.create, asyncio.Event(), asyncio.Event()

    async def hold(path: str, data: bytes) -> bool:
        if path == names.outcome_path("7"):
            reached.set()
            await may_commit.wait()
        return await create(path, data)

    studio.blobs.create = hold  # type: ignore[method-assign]
    first = studio.begin(request)
    await reached.wait()
    second = studio.begin(msgspec.structs.replace(request, attempt=2))
    for _ in range(20):
        await studio.redis.ping()
    may_commit.set()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(first, second)
    events = [(type(event), event.attempt) for event in await studio.events()]
    assert events == [(Started, 1), (Produced, 1), (Delivered, 1), (Delivered, 2)]


# -- cancelling -------------------------------------------------------------------------------------------------------


async def test_cancelled_before_it_starts(studio: Studio) -> None:
    request = await studio.picture("die")
    await studio.cancel("7")
    await studio.carry_out(request)
    assert await studio.events() == [Cancelled(job_id="7", attempt=1, at=studio.clock.now)]
    assert "Cancelled" in studio.message(request).text


@pytest.mark.parametrize("lane", ["imagine", "train"])
async def test_cancelled_while_it_runs(studio: Studio, lane: str) -> None:
    request = await (studio.picture("endless") if lane == "imagine" else studio.training("slow"))
    running = studio.begin(request)
    await studio.stepped(request.job_id)
    await studio.cancel(request.job_id)
    async with asyncio.timeout(PATIENCE_S):
        await running
    assert await studio.story() == [Started, Cancelled]
    card = studio.message(request)
    assert "Cancelled" in card.text
    assert card.components == []
    await studio.carry_out(await studio.picture(job_id="9"))  # the engine serves on


async def test_cancelled_between_its_start_and_the_engine(studio: Studio) -> None:
    """The flag may be raised while the worker still reads the photos: it is heard all the same."""
    request = await studio.training("slow")
    lend = studio.attempts.spool.lend

    async def raise_the_flag(blob: str, room: Path) -> messages.Spooled:
        if blob == request.photos[-1]:
            await studio.cancel("8")
            read_at = studio.clock.looks + 2
            await until(studio.redis, lambda: answer(studio.clock.looks >= read_at))
        return await lend(blob, room)

    studio.attempts.spool.lend = raise_the_flag  # type: ignore[method-assign,assignment]
    await studio.carry_out(request)
    assert await studio.story() == [Started, Cancelled]


async def test_an_engine_that_does_not_obey_is_killed_and_only_its_own_job_is_cancelled(
    redis_url: str, tmp_path: Path
) -> None:
    async with open_studio(redis_url, tmp_path, cancel_grace_s=0.05) as studio:
        neighbour = await studio.training("slow")
        beside = studio.begin(neighbour)
        await studio.stepped("8")
        stubborn = await studio.picture("stubborn")
        running = studio.begin(stubborn)
        await studio.stepped("7")
        await studio.cancel("7")
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(running, beside)
        assert await studio.story("7") == [Started, Cancelled]
        assert "Cancelled" in studio.message(stubborn).text
        assert await studio.story("8") == [Started, HandedBack]
        assert not (await studio.events("8"))[-1].counts
        await studio.carry_out(await studio.picture(job_id="9"))  # a new engine serves


async def test_a_child_that_dies_by_itself_counts_for_all_in_it(studio: Studio) -> None:
    beside = studio.begin(await studio.training("slow"))
    await studio.stepped("8")
    await studio.carry_out(await studio.picture("die"))
    async with asyncio.timeout(PATIENCE_S):
        await beside
    for job_id in ("7", "8"):
        *_, last = await studio.events(job_id)
        assert isinstance(last, HandedBack)
        assert last.counts


# -- faults -----------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_told_in_the_members_words(studio: Studio) -> None:
    request = await studio.picture("refuse")
    await studio.carry_out(request)
    *_, failed = await studio.events()
    assert isinstance(failed, Failed)
    assert failed.message == f"N{REFUSAL[1:]}."
    assert (failed.reference, failed.card_written) == (None, True)
    assert failed.message in studio.message(request).text


async def test_a_fault_of_ours_is_a_reference_and_its_details_are_in_the_log(studio: Studio, logged: list[Any]) -> None:
    request = await studio.picture("break")
    await studio.carry_out(request)
    *_, failed = await studio.events()
    assert isinstance(failed, Failed)
    assert failed.reference
    assert failed.reference in failed.message
    assert failed.message in studio.message(request).text
    assert "secret of ours" not in studio.message(request).text
    (entry,) = [entry for entry in logged if entry.get("reference") == failed.reference]
    assert "ZeroDivisionError: a secret of ours" in entry["details"]


@pytest.mark.parametrize("lane", ["imagine", "train"])
async def test_what_was_deleted_meanwhile_is_one_sentence(studio: Studio, lane: str) -> None:
    if lane == "imagine":
        request = await studio.picture(adapters=(AdapterUse(name="thnos", blob="blobs/no/no", weight=1.0),))
    else:
        request = await studio.training()
        await studio.blobs.delete(request.photos[1])
    await studio.carry_out(request)
    *_, failed = await studio.events()
    assert isinstance(failed, Failed)
    assert "deleted meanwhile" in failed.message
    assert failed.reference is None
    assert failed.message in studio.message(request).text


async def test_an_outcome_whose_files_are_gone_is_a_fault_of_ours(studio: Studio, logged: list[Any]) -> None:
    request = await studio.picture()
    await studio.carry_out(request)
    await studio.blobs.delete((await studio.outcome("7")).pictures[0].blob)
    await studio.carry_out(msgspec.structs.replace(request, attempt=2))
    *_, failed = await studio.events()
    assert isinstance(failed, Failed)
    assert failed.reference
    assert any(entry["event"] == "attempt.failed" for entry in logged)


# -- Discord ----------------------------------------------------------------------------------------------------------


async def test_discord_away_for_the_whole_delivery_is_made_up_for_by_the_next_attempt(studio: Studio) -> None:
    request = await studio.picture()
    studio.sandbox.faults.add("*", r"/channels/", status=503, times=1000)
    await studio.carry_out(request)
    assert await studio.story() == [Started, Produced, HandedBack]
    assert not (await studio.events())[-1].counts
    studio.sandbox.faults.clear()
    await studio.carry_out(msgspec.structs.replace(request, attempt=2))
    assert await studio.story() == [Started, Produced, HandedBack, Delivered]
    assert "Here it is" in studio.message(request).text


async def test_a_channel_that_is_closed_to_the_bot_is_a_sentence_about_permissions(studio: Studio) -> None:
    request = await studio.picture()
    studio.sandbox.place("darkroom").denied[studio.sandbox.application_id] = permissions.VIEW_CHANNEL
    await studio.carry_out(request)
    *_, failed = await studio.events()
    assert isinstance(failed, Failed)
    assert "give it the permissions View Channel, Send Messages, Embed Links and Attach Files" in failed.message
    assert not failed.card_written
    assert failed.reference is None


async def test_a_channel_that_is_gone_is_no_fault_of_ours(studio: Studio) -> None:
    request = await studio.picture(card=msgspec.structs.replace(await studio.card(), channel_id=1))
    await studio.carry_out(request)
    *_, failed = await studio.events()
    assert isinstance(failed, Failed)
    assert failed.reference is None
    assert not failed.card_written


async def test_a_file_above_the_limit_is_a_sentence_on_the_card(studio: Studio) -> None:
    request = await studio.picture(card=await studio.card(upload_limit_bytes=500))  # the original fits
    await studio.carry_out(request)
    assert await studio.story() == [Started, Produced, Delivered]
    card = studio.message(request)
    assert [file.filename for file in card.files] == ["darkroom-11-1.png"]
    assert "large.png: above" in card.text


async def test_progress_that_is_slow_on_its_way_never_covers_the_result(studio: Studio) -> None:
    request = await studio.picture()
    fault = studio.sandbox.faults.add("PATCH", r"/messages/", delay_s=0.2, times=1)  # the edit says "Drawing"
    running = studio.begin(request)
    shown: list[str] = []
    async with studio.sandbox.subscribe() as changes, asyncio.timeout(PATIENCE_S):
        async for change in changes:
            shown.append(change.data["embeds"][0]["title"])
            if len(shown) == 2:
                break
        await running
    assert fault.struck == 1
    assert shown == ["Drawing", "Here it is"]


async def test_an_explicit_picture_is_neither_shown_nor_kept(studio: Studio) -> None:
    studio.attempts.gate = Gate(lambda png: 0.99)
    request = await studio.picture("a fox at the window")
    await studio.carry_out(request)
    failed = (await studio.events("7"))[-1]
    assert isinstance(failed, Failed)
    assert (failed.message, failed.refused, failed.reference, failed.card_written) == (REFUSED, True, None, True)
    shown = studio.message(request)
    assert shown.embeds[0]["title"] == "Not shown"
    assert "fox" not in shown.text
    assert "explicit" not in shown.text
    assert shown.files == []
    assert not await studio.blobs.exists(names.outcome_path("7"))
    assert await studio.blobs.list("") == []


async def test_in_an_age_restricted_channel_an_explicit_picture_is_shown_and_marked(studio: Studio) -> None:
    studio.attempts.gate = Gate(lambda png: 0.99)
    await studio.carry_out(await studio.picture(card=await studio.card(explicit_allowed=True)))
    assert await studio.story("7") == [Started, Produced, Delivered]
    assert [picture.explicit for picture in (await studio.outcome("7")).pictures] == [True]


async def test_a_picture_that_could_not_be_looked_at_is_not_shown(studio: Studio) -> None:
    def fail(png: bytes) -> float:
        raise MemoryError

    studio.attempts.gate = Gate(fail)
    request = await studio.picture()
    with structlog.testing.capture_logs() as logged:
        await studio.carry_out(request)
    failed = (await studio.events("7"))[-1]
    assert isinstance(failed, Failed)
    assert failed.reference in {entry.get("reference") for entry in logged}
    assert "could not be looked at" in failed.message
    assert studio.message(request).files == []


async def test_a_training_with_explicit_examples_is_delivered_without_them(studio: Studio) -> None:
    studio.attempts.gate = Gate(lambda png: 0.99)
    request = await studio.training()
    await studio.carry_out(request)
    outcome = await studio.outcome("8")
    assert outcome.adapter is not None
    assert (outcome.pictures, outcome.grid) == ((), None)
    assert studio.message(request).files == []
    assert "are explicit and are not shown here" in studio.message(request).text
