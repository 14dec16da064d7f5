"""`darkroom up`: Redis, the bot and a worker as children, started anew when they crash, stopped in the right order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress

import structlog

from bot.embedded import die_with_parent, embedded_redis
from bot.settings import Settings, prepare_data_folder

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 20.0  # the worker hands back its jobs, and its engine gets 10 s
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
FINAL_CODES = frozenset({0, 1, 2})  # ended on purpose, or with a sentence on stderr: starting again would not help


class Child:
    """One process that is kept running."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Run it, again whenever it crashes, until it ends for good; its exit code."""
        wait_s = FIRST_WAIT_S
        while True:
            code = await self._run_once()
            if code in FINAL_CODES:
                return code
            log.error("child.crashed", name=self.name, code=code, again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _run_once(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=dict(self._environment),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops them in order
            preexec_fn=die_with_parent,
        )
        log.info("child.started", name=self.name, pid=self._process.pid)
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, and kill it if it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            log.warning("child.killed", name=self.name)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def up(settings: Settings, modules: Mapping[str, Sequence[str]] | None = None) -> int:
    """Run everything until SIGINT or SIGTERM, or until a part ends for good; the exit code. Raises StartupFault.

    ``modules`` are the parts by name with the arguments of their interpreter.
    """
    settings.require_token()
    prepare_data_folder(settings.darkroom_data)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    async with AsyncExitStack() as stack:
        redis_url = settings.redis_url
        if redis_url is None:
            redis_url = await stack.enter_async_context(embedded_redis(settings.darkroom_data))
        environment = child_environment(settings, redis_url)
        parts = modules or {"bot": ("-m", "bot"), "worker": ("-m", "trainer")}
        children = [Child(name, (sys.executable, *arguments), environment) for name, arguments in parts.items()]
        return await _run_until_stopped(children, stopped)


async def _run_until_stopped(children: Sequence[Child], stopped: asyncio.Event) -> int:
    tasks = {asyncio.create_task(child.run(), name=child.name): child for child in children}
    stopping = asyncio.create_task(stopped.wait())
    try:
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        codes = [task.result() for task in tasks if task in done]
        return codes[0] if codes and stopping not in done else 0
    finally:
        stopping.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*(child.stop() for child in children))
        await asyncio.gather(stopping, *tasks, return_exceptions=True)


def child_environment(settings: Settings, redis_url: str) -> dict[str, str]:
    """Our environment with all settings spelled out, so that the children need no .env and share one Redis."""
    environment = dict(os.environ)
    for name, value in settings.model_dump(exclude_none=True).items():
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        environment[name.upper()] = str(plain)
    environment["DARKROOM_DATA"] = str(settings.darkroom_data.absolute())
    environment["REDIS_URL"] = redis_url
    return environment
