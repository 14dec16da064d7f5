"""`python -m trainer`: what it says when it can't start, and how it ends, as an operator meets it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bot.queue import open_queue
from sandbox.server import Sandbox

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0


async def start(folder: Path, **environment: str) -> asyncio.subprocess.Process:
    """A worker in a bare environment."""
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trainer"), env={**bare, **environment}, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def ended(worker: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Its exit code and what it wrote."""
    async with asyncio.timeout(PATIENCE_S):
        stdout, stderr = await worker.communicate()
    assert stdout == b""
    return worker.returncode, stderr.decode()


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({}, 2, "DISCORD_TOKEN is not set"),
        ({"DISCORD_TOKEN": "x"}, 2, "REDIS_URL is not set"),
        ({"DISCORD_TOKEN": "x", "REDIS_URL": "nonsense"}, 2, "REDIS_URL can't be used"),
        ({"DISCORD_TOKEN": "x", "REDIS_URL": "unix:///nowhere/redis.sock"}, 1, "Redis at REDIS_URL does not answer"),
        (
            {"DARKROOM_LANES": "imagine,paint"},
            2,
            "DARKROOM_LANES can't be used: takes imagine, train, merge or several",
        ),
        ({"DARKROOM_DEVICE": "abacus"}, 2, "DARKROOM_DEVICE can't be used: takes auto, cpu or cuda:0"),
        ({"DARKROOM_PICTURES_AT_A_TIME": "0"}, 2, "DARKROOM_PICTURES_AT_A_TIME can't be used"),
    ],
)
async def test_a_fault_at_start_is_one_sentence(
    tmp_path: Path, environment: dict[str, str], code: int, words: str
) -> None:
    returned, said = await ended(await start(tmp_path, **environment))
    assert words in said
    assert said.count("\n") == 1
    assert returned == code


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"DISCORD_TOKEN": "MTIz.wrong.token"}, 2, "Discord refused DISCORD_TOKEN"),
        ({"DISCORD_API_BASE": "http://127.0.0.1:1/api/v10"}, 1, "Discord can't be reached"),
        ({"DARKROOM_BASES": "nowhere"}, 2, "unset DARKROOM_BASES"),
        ({"DARKROOM_CAPTIONER": "nowhere"}, 2, "or unset DARKROOM_CAPTIONER"),
        ({"DARKROOM_DATA": "/proc/no"}, 2, "correct DARKROOM_BLOBS or DARKROOM_DATA"),
        ({"DARKROOM_BLOBS": "s4://bucket"}, 2, "correct DARKROOM_BLOBS or DARKROOM_DATA"),
    ],
)
async def test_a_refusal_is_one_sentence(
    redis_url: str, tmp_path: Path, changes: dict[str, str], code: int, words: str
) -> None:
    async with Sandbox() as sandbox:
        environment = {"DISCORD_TOKEN": sandbox.token, "DISCORD_API_BASE": sandbox.api_base, "REDIS_URL": redis_url}
        returned, said = await ended(await start(tmp_path, **{**environment, **changes}))
    assert words in said.splitlines()[-1]
    assert "Traceback" not in said, said
    assert "MTIz" not in said
    assert said.splitlines()[-1].endswith(".")
    assert returned == code


async def test_it_starts_says_what_it_has_and_stops_when_told(redis_url: str, tmp_path: Path) -> None:
    async with Sandbox() as sandbox, open_queue(redis_url) as queue:
        worker = await start(
            tmp_path, DISCORD_TOKEN=sandbox.token, DISCORD_API_BASE=sandbox.api_base, REDIS_URL=redis_url,
            DARKROOM_DEVICE="cpu",
        )  # fmt: skip
        assert worker.stderr is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while b"worker.ready" not in (line := await worker.stderr.readline()):
                    assert not worker.stderr.at_eof()
                assert b"emoji-64" in line
                while not (heartbeats := await queue.heartbeats()):
                    continue
                worker.send_signal(signal.SIGTERM)
                returned, said = await ended(worker)
        finally:
            if worker.returncode is None:
                worker.kill()
        assert [base.name for base in heartbeats[0].bases] == ["emoji-64"]
        assert await queue.heartbeats() == []
        assert "Traceback" not in said, said
        assert returned == 0
        assert sandbox.violations == []
