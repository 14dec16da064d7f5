"""The processes that are killed: Redis, the bot, workers. Each is started again, as Docker or systemd would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import redis.asyncio

from bot.embedded import die_with_parent
from tests.conftest import redis_server
from trainer.contract.names import WORKERS_PATTERN

RESTART_S = 0.5
END_S = 40.0


class Part:
    """One process that is started again whenever it ends, until it is told to stop."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self._command, self._environment, self._log = name, command, environment, log
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it, and keep it running."""
        self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def _keep(self) -> None:
        while True:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, env=dict(self._environment), stdin=asyncio.subprocess.DEVNULL, stdout=log,
                    stderr=log, preexec_fn=die_with_parent,
                )  # fmt: skip
            self.starts += 1
            await self._process.wait()
            await asyncio.sleep(RESTART_S)

    @property
    def pid(self) -> int:
        """Of the process that runs now, or ran last."""
        return self._process.pid if self._process is not None else 0

    def send(self, signum: signal.Signals, pid: int | None = None) -> bool:
        """Send a signal (to the process of that ``pid`` alone); whether there is one to get it."""
        process = self._process
        if process is None or process.returncode is not None or pid not in (None, process.pid):
            return False
        with suppress(ProcessLookupError):
            process.send_signal(signum)
        return True

    async def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """End it for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is not None and process.returncode is None:
            self.send(signal.SIGCONT)
            self.send(signum)
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def redis_part(folder: Path) -> tuple[Part, str]:
    """A Redis with an append-only file, and its URL."""
    socket = folder / "r.sock"
    command = [
        redis_server(), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--appendonly", "yes",
        "--appendfsync", "everysec", "--save", "",
    ]  # fmt: skip
    return Part("redis", command, os.environ, folder / "redis.log"), f"unix://{socket}"


def own_part(name: str, environment: Mapping[str, str], folder: Path) -> Part:
    """The bot, or a worker with a data folder of its own."""
    kind = "bot" if name == "bot" else "worker"
    data = folder / name
    data.mkdir(parents=True, exist_ok=True)
    own = {**environment, "DARKROOM_DATA": str(data)}
    return Part(name, (sys.executable, "-m", "tests.chaos.part", kind), own, folder / f"{name}.log")


async def wait_for_redis(url: str) -> None:
    """Until it answers."""
    async with redis.asyncio.Redis.from_url(url) as client:
        while True:
            with suppress(redis.RedisError, OSError):
                await client.ping()
                return
            await asyncio.sleep(0.05)


async def wait_for_workers(url: str, count: int) -> None:
    """Until so many have a heartbeat."""
    async with redis.asyncio.Redis.from_url(url) as client:
        while len([key async for key in client.scan_iter(match=WORKERS_PATTERN)]) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def keep_heartbeats(url: str) -> None:
    """Let the heartbeats that are there stay, as if their workers had all the time in the world."""
    async with redis.asyncio.Redis.from_url(url) as client:
        async for key in client.scan_iter(match=WORKERS_PATTERN):
            await client.persist(key)


async def wipe(url: str) -> None:
    """Forget everything, as a Redis without its file would."""
    async with redis.asyncio.Redis.from_url(url) as client:
        with suppress(redis.RedisError, OSError):
            await client.flushall()
