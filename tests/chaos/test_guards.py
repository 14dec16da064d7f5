"""Each guard stops what it is there for; switched off, the same scene ends badly. Real processes, at a quick pace."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sandbox.members import Exchange, Message
from tests.chaos.audit import Books, read_books
from tests.chaos.chain import PICTURE_STEPS, read_diary
from tests.chaos.play import CHANNEL, House, Plan, house, photos_of
from tests.chaos.processes import keep_heartbeats, wipe

PATIENCE_S = 60.0
ALONE_S = 12.0  # how long a job is given that nobody will ever finish: four times what silence counts as death here
Scene = Callable[[House], Awaitable[None]]


def plan(without: str) -> Plan:
    return Plan(jobs=1, seed=1, pace=5.0, without=without, calm=True, step_s=0.5)


async def stage(scene: Scene, folder: Path, without: str) -> tuple[Books, list[Message]]:
    """Play a scene; the books and the channel afterwards."""
    async with house(plan(without), folder) as built:
        await scene(built)
        shown = built.sandbox.messages(CHANNEL)
    return read_books(folder), shown


async def train(built: House) -> Exchange:
    return await built.sandbox.member("ada").slash(
        "train", channel=CHANNEL, name="thnos", consent=True, advanced="steps: 60", **photos_of(1)
    )


async def draw(built: House) -> Exchange:
    return await built.sandbox.member("ada").slash("imagine", channel=CHANNEL, prompt="a fox")


async def until(holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    """Wait until it holds; whether it did in that time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():  # noqa: ASYNC110 - other processes set no event of ours
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


def steps_of(built: House) -> int:
    """Steps that were taken, repeated ones counted."""
    return sum(read_diary(built.folder / "diary").values())


def has_result(built: House) -> bool:
    return any(message.files for message in built.sandbox.messages(CHANNEL))


def holder(built: House) -> int:
    """Which worker has the job that was started last, as the bot was told."""
    lines = [line for line in (built.folder / "bot.log").read_text().splitlines() if '"Started"' in line]
    return next(n for n, worker in enumerate(built.workers) if f"-{worker.pid}-" in lines[-1])


def attempts(built: House) -> int:
    return (built.folder / "bot.log").read_text().count('"event": "job.handed_out"')


async def a_worker_is_killed(built: House) -> None:
    await train(built)
    assert await until(lambda: steps_of(built) >= 5)
    victim = built.workers[holder(built)]
    await victim.stop(signal.SIGKILL)
    await until(lambda: has_result(built), ALONE_S + 8)


async def a_worker_is_frozen_and_ends_late(built: House) -> None:
    await train(built)
    assert await until(lambda: steps_of(built) >= 12)
    late = built.workers[holder(built)]
    late.send(signal.SIGSTOP)
    assert await until(lambda: attempts(built) == 2)
    seen = steps_of(built)
    assert await until(lambda: steps_of(built) > seen)
    late.send(signal.SIGCONT)
    late.send(signal.SIGTERM)  # it hands back what it thinks it has
    await until(lambda: has_result(built))
    await until(lambda: attempts(built) > 2, 3)


async def a_worker_is_killed_before_it_can_deliver(built: House) -> None:
    fault = built.sandbox.faults.add("*", r"/channels/\d+/messages", status=503, times=10_000)
    await draw(built)
    assert await until(lambda: steps_of(built) >= PICTURE_STEPS)
    assert await until(lambda: any((built.folder / "blobs" / "outcomes").glob("*")))
    await built.workers[holder(built)].stop(signal.SIGKILL)
    fault.times = 0
    assert await until(lambda: has_result(built))


async def a_posts_answer_is_lost(built: House) -> None:
    card = await (await draw(built)).response(timeout_s=20)
    await built.sandbox.member("cleo").delete(card)  # a moderator may
    built.sandbox.faults.add("POST", r"/channels/\d+/messages$", cut=True, after="apply", times=1)
    assert await until(lambda: has_result(built))
    await until(lambda: sum(bool(message.files) for message in built.sandbox.messages(CHANNEL)) > 1, 5)


async def redis_is_wiped(built: House) -> None:
    for worker in built.workers:
        worker.send(signal.SIGSTOP)
    await keep_heartbeats(built.redis_url)
    await draw(built)
    assert await until(lambda: attempts(built) == 1)
    await wipe(built.redis_url)
    for worker in built.workers:
        worker.send(signal.SIGCONT)
    await until(lambda: has_result(built), ALONE_S)


def results(shown: list[Message]) -> int:
    return sum(bool(message.files) for message in shown)


@pytest.mark.parametrize("without", ["", "heartbeat"])
async def test_a_killed_workers_training_goes_on_elsewhere_because_heartbeats_end(tmp_path: Path, without: str) -> None:
    _, shown = await stage(a_worker_is_killed, tmp_path, without)
    assert results(shown) == (0 if without else 1)


@pytest.mark.parametrize("without", ["", "fencing"])
async def test_what_a_late_worker_says_of_an_older_attempt_is_refused(tmp_path: Path, without: str) -> None:
    books, shown = await stage(a_worker_is_frozen_and_ends_late, tmp_path, without)
    assert results(shown) == 1
    assert (books.jobs[0]["attempt"] > 2) is bool(without)


@pytest.mark.parametrize("without", ["", "commit"])
async def test_what_is_committed_is_delivered_again_and_not_made_again(tmp_path: Path, without: str) -> None:
    _, shown = await stage(a_worker_is_killed_before_it_can_deliver, tmp_path, without)
    assert results(shown) == 1
    assert set(read_diary(tmp_path / "diary").values()) == ({2} if without else {1})


@pytest.mark.parametrize("without", ["", "marker"])
async def test_a_result_whose_answer_was_lost_is_not_posted_twice(tmp_path: Path, without: str) -> None:
    _, shown = await stage(a_posts_answer_is_lost, tmp_path, without)
    assert results(shown) == (2 if without else 1)


@pytest.mark.parametrize("without", ["", "reconciliation"])
async def test_a_wiped_redis_loses_no_job(tmp_path: Path, without: str) -> None:
    _, shown = await stage(redis_is_wiped, tmp_path, without)
    assert results(shown) == (0 if without else 1)
