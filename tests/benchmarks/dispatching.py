"""How long the dispatcher takes to hand out the next job, and the bot to say a job's place, by the length of the queue.

Real Redis and SQLite, on disk as in operation: whole ticks, from the heartbeats to the job in arq's queue. Beside the
clock stands what the processor did for it, all threads together, for a machine that others use too.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

import structlog

from bot import entries
from bot.admission import enter
from bot.orders import ImagineOrder, Origin
from bot.queue import open_queue
from bot.store import jobs, members
from bot.store.database import open_database
from bot.store.records import Job
from tests.bot.worlds import Clock, World
from tests.conftest import OwnRedis
from trainer.contract.blobs import open_blobs
from trainer.contract.events import Delivered, Started
from trainer.contract.names import arq_job_id

WAITING, FEW = 10_000, 100
MEMBERS = 1_000
WORKERS = 8
ROUNDS = 300
T = TypeVar("T")


def measure() -> dict[str, float]:
    """The figures with 10,000 jobs of 1,000 members, and how they grow from 100 jobs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    few, many = (asyncio.run(_run(count)) for count in (FEW, WAITING))
    growth = statistics.median(many["dispatch_cpu"]) / statistics.median(few["dispatch_cpu"])
    return {
        "dispatch_p99_ms": _percentile(many["dispatch"], 0.99),
        "dispatch_median_ms": _percentile(many["dispatch"], 0.5),
        "dispatch_cpu_p99_ms": _percentile(many["dispatch_cpu"], 0.99),
        "dispatch_cpu_median_ms": _percentile(many["dispatch_cpu"], 0.5),
        "dispatch_growth_ratio": round(growth, 2),
        "place_median_ms": _percentile(many["place"], 0.5),
        "all_places_median_ms": _percentile(many["places"], 0.5),
        "waiting": WAITING, "dispatches": ROUNDS,
    }  # fmt: skip


def _percentile(times: list[float], share: float) -> float:
    return round(sorted(times)[int(share * (len(times) - 1))], 2)


async def _run(count: int) -> dict[str, list[float]]:
    """Milliseconds of each dispatch, by the clock and of the processor, of a job's place, and of all places."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = OwnRedis(folder)
        server.start()
        stack.callback(server.stop)
        database = await open_database(folder / "darkroom.sqlite3")
        try:
            async with open_queue(server.url) as queue:
                clock = Clock()
                await database.write(lambda tx: _fill(tx, count, clock))
                return await _measure(World(database, queue, open_blobs(str(folder / "blobs")), clock))
        finally:
            await database.close()


def _fill(tx: Connection, count: int, clock: Clock) -> None:
    for number in range(count):
        member = 1 + number % min(count, MEMBERS)
        clock.now += 0.1
        enter(tx, _job(tx, 10**17 + number, member, clock.now))
        jobs.set_card(tx, str(10**17 + number), "posted", 10**16 + number, clock.now)


def _job(tx: Connection, number: int, member: int, now: float) -> Job:
    members.remember(tx, member, f"member{member}", now)
    origin = Origin(interaction_id=number, token="t", member_id=member, member_name="m", guild_id=1, channel_id=2)
    prompt = f"a fox in a suit, by the sea, at dusk, number {number}"
    spec = entries.imagine_spec(ImagineOrder(origin=origin, prompt=prompt, prompt_written=prompt, count=4), ())
    return entries.new_job(origin, "imagine", "emoji-64", spec, now)


async def _measure(world: World) -> dict[str, list[float]]:
    """Fill the workers, and then let one of them end its job a round; a member sends anew for each that ends."""
    running: list[Job] = []
    for number in range(WORKERS):
        await world.beat(worker_id=f"w{number}", imagine=1)
    running += await world.dispatcher.tick()
    times: dict[str, list[float]] = {"dispatch": [], "dispatch_cpu": [], "place": [], "places": []}
    for turn in range(ROUNDS):
        await _replace(world, running.pop(0), 2 * 10**17 + turn)
        for number in range(WORKERS):
            named = [arq_job_id(job.id, job.attempt) for job in running[number : number + 1]]
            await world.beat(*named, worker_id=f"w{number}", imagine=1 - len(named))
        begun = time.process_time()
        handed = await _timed(times["dispatch"], world.dispatcher.tick)
        times["dispatch_cpu"].append(1_000 * (time.process_time() - begun))
        if len(handed) != 1:
            raise AssertionError(f"{len(handed)} jobs went out where there was room for one")
        running += handed
        last = (await world.jobs.places())[-1]
        job = await world.job(last.job_id)
        await _timed(times["place"], lambda job=job: world.jobs.position(job))  # type: ignore[misc]
        if turn % 20 == 0:
            await _timed(times["places"], world.jobs.places)
    return times


async def _replace(world: World, job: Job, number: int) -> None:
    """The job ends after some seconds, and its member sends another one."""
    await world.hear(Started(job_id=job.id, attempt=1, worker_id="w0", at=0.0))
    world.clock.now += 4.0
    await world.hear(Delivered(job_id=job.id, attempt=1, channel_id=2, message_id=number, at=0.0))
    await world.database.write(lambda tx: enter(tx, _job(tx, number, job.owner_id, world.clock.now)))
    await world.jobs.attach_card(str(number), number)


async def _timed(times: list[float], call: Callable[[], Awaitable[T]]) -> T:
    begun = time.perf_counter()
    result = await call()
    times.append(1_000 * (time.perf_counter() - begun))
    return result
