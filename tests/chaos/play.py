"""A day of jobs in bad weather, and the plugs that are pulled meanwhile."""

from __future__ import annotations

import asyncio
import io
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from sandbox.exchange import ExchangeFailed
from sandbox.members import Exchange, File, Member
from sandbox.server import Sandbox
from tests.chaos.processes import Part, own_part, redis_part, wait_for_redis, wait_for_workers, wipe
from tests.chaos.weather import Weather

CHANNEL = "darkroom"
STEPS = 40  # of a training
WORKERS = 3
TRIES = 60  # how often a member says the same again before it is given up


@dataclass(frozen=True)
class Plan:
    """What is to happen. Times are of pace 1; ``pace`` divides them."""

    jobs: int
    seed: int
    pace: float = 1.0
    without: str = ""  # a guard that is switched off
    calm: bool = False  # no kills, and good weather
    step_s: float = 0.5
    patience_s: float = 600.0  # for the last jobs to end, after the last was sent

    @property
    def gap_s(self) -> float:
        """Between two jobs, in the mean."""
        return 4.0 / self.pace

    @property
    def kills(self) -> list[str]:
        """What is pulled, in order."""
        if self.calm:
            return []
        names = ["worker"] * (self.jobs // 2) + ["bot"] * (self.jobs // 4) + ["redis"] * max(1, self.jobs // 16)
        random.Random(f"kills {self.seed}").shuffle(names)
        return names


@dataclass(frozen=True)
class Kill:
    """A plug that was pulled: whose, how, when, and the process that had it."""

    part: str
    how: str
    at: float
    pid: int


@dataclass
class Day:
    """What happened."""

    folder: Path
    accepted: list[int] = field(default_factory=list)  # ids of interactions whose card the member was shown
    given_up: list[str] = field(default_factory=list)  # what members could not place
    kills: list[Kill] = field(default_factory=list)
    acknowledged_late: int = 0


class House:
    """All processes, and the Discord that they live in."""

    def __init__(self, plan: Plan, folder: Path, sandbox: Sandbox) -> None:
        self.plan, self.folder, self.sandbox = plan, folder, sandbox
        self.redis, self.redis_url = redis_part(folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DARKROOM_", "REDIS"))}
        environment |= {
            "DISCORD_TOKEN": sandbox.token, "DISCORD_API_BASE": sandbox.api_base,
            "DISCORD_GATEWAY_URL": sandbox.gateway_url, "DISCORD_CDN_BASE": sandbox.cdn_base,
            "REDIS_URL": self.redis_url, "DARKROOM_BLOBS": str(folder / "blobs"), "DARKROOM_LOG_FORMAT": "json",
            "DARKROOM_MAX_WAITING_TRAIN": "1000", "DARKROOM_MAX_WAITING_IMAGINE": "1000", "OMP_NUM_THREADS": "1",
            "CHAOS_PACE": str(plan.pace), "CHAOS_WITHOUT": plan.without, "CHAOS_DIARY": str(folder / "diary"),
            "CHAOS_STEP_S": str(plan.step_s / plan.pace),
        }  # fmt: skip
        self.bot = own_part("bot", environment, folder)
        self.workers = [own_part(f"worker{number}", environment, folder) for number in range(WORKERS)]

    @property
    def parts(self) -> list[Part]:
        """In the order in which they end."""
        return [*self.workers, self.bot, self.redis]


@asynccontextmanager
async def house(plan: Plan, folder: Path) -> AsyncIterator[House]:
    """Everything runs while the block does."""
    async with Sandbox() as sandbox:
        weather = Weather(plan.seed)
        weather.calm = True
        sandbox.faults = weather
        built = House(plan, folder, sandbox)
        try:
            built.redis.start()
            await wait_for_redis(built.redis_url)
            for part in (built.bot, *built.workers):
                part.start()
            await sandbox.wait_ready(command="train", timeout_s=120)
            await wait_for_workers(built.redis_url, WORKERS)
            weather.calm = plan.calm
            yield built
            weather.calm = True
        finally:
            for part in built.parts:
                await part.stop()


async def play(plan: Plan, built: House) -> Day:
    """Send the jobs, pull the plugs, and wait until all is over or patience ends."""
    day = Day(built.folder)
    pulling = asyncio.create_task(_pull(plan, built, day))
    chance = random.Random(f"jobs {plan.seed}")
    placing: list[asyncio.Task[None]] = []
    for number in range(plan.jobs):
        placing.append(asyncio.create_task(_place(plan, built, day, number)))
        await asyncio.sleep(chance.expovariate(1 / plan.gap_s))
    await asyncio.gather(*placing)
    await pulling
    return day


async def _place(plan: Plan, built: House, day: Day, number: int) -> None:
    """A member says it until a card is there, as people do."""
    members = built.sandbox.members
    who = members[number % len(members)]
    for _ in range(TRIES):
        exchange = await _send(who, number)
        try:
            answer = await exchange.response(timeout_s=20)
        except (ExchangeFailed, TimeoutError):
            await asyncio.sleep(2 / plan.pace)
            continue
        if answer.ephemeral_to is None:
            day.accepted.append(exchange.id)
            return
        if "under way" in answer.content or "already" in answer.content:
            return  # its card was lost on the way, but the training is there
        await asyncio.sleep(2 / plan.pace)
    day.given_up.append(f"job {number}")


async def _send(who: Member, number: int) -> Exchange:
    if number % 4:
        return await who.slash("imagine", channel=CHANNEL, prompt=f"a fox, {number}", seed=number)
    name, advanced = f"t-{number}", f"steps: {STEPS}"
    return await who.slash("train", channel=CHANNEL, name=name, consent=True, advanced=advanced, **photos_of(number))


def photos_of(number: int) -> dict[str, File]:
    """Three photos, as options of /train."""
    return {f"photo{index}": File(f"{index}.png", _photo(number, index)) for index in (1, 2, 3)}


def _photo(number: int, index: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (number % 256, index * 60, 160)).save(buffer, "PNG")
    return buffer.getvalue()


async def _pull(plan: Plan, built: House, day: Day) -> None:
    chance = random.Random(f"pulls {plan.seed}")
    length_s = plan.jobs * plan.gap_s
    for name in plan.kills:
        await asyncio.sleep(chance.expovariate(len(plan.kills) / length_s))
        part = {"worker": chance.choice(built.workers), "bot": built.bot, "redis": built.redis}[name]
        how = chance.choices(("SIGKILL", "SIGTERM", "SIGSTOP"), (6, 2, 2))[0]
        if name == "redis":
            how = chance.choice(("SIGKILL", "SIGSTOP", "wipe"))
        pid = part.pid
        if how == "wipe":
            await wipe(built.redis_url)
        elif not part.send(signal.Signals[how]):
            continue  # it is being started again
        day.kills.append(Kill(part.name, how, time.time(), pid))
        if how == "SIGSTOP":
            await asyncio.sleep((45 if name == "worker" else 10) / plan.pace)
            part.send(signal.SIGCONT, pid)
