"""`python -m bot` against the sandbox's Discord: what it says when it is refused, and how it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
MOST_RESIDENT_MB = 150


async def start(sandbox: Sandbox, redis_url: str, data: Path, **changes: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DISCORD_TOKEN": sandbox.token,
        "DISCORD_API_BASE": sandbox.api_base,
        "DISCORD_GATEWAY_URL": sandbox.gateway_url,
        "DISCORD_CDN_BASE": sandbox.cdn_base,
        "REDIS_URL": redis_url,
        "DARKROOM_DATA": str(data),
        **changes,
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"), env=environment, cwd=data, stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"DISCORD_TOKEN": "MTIz.wrong.token"}, 2, "Discord refused DISCORD_TOKEN: copy the token again"),
        ({"DISCORD_API_BASE": "http://127.0.0.1:1/api/v10"}, 1, "can't be reached"),
    ],
)
async def test_a_refusal_is_one_sentence(
    redis_url: str, tmp_path: Path, changes: dict[str, str], code: int, words: str
) -> None:
    async with Sandbox() as sandbox:
        bot = await start(sandbox, redis_url, tmp_path, **changes)
        async with asyncio.timeout(60):
            _, stderr = await bot.communicate()
    assert words in stderr.decode().splitlines()[-1]
    assert "Traceback" not in stderr.decode(), stderr.decode()
    assert "MTIz" not in stderr.decode()
    assert bot.returncode == code


async def test_it_starts_registers_its_commands_stays_small_and_stops_when_told(redis_url: str, tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        bot = await start(sandbox, redis_url, tmp_path)
        assert bot.stderr is not None
        try:
            async with asyncio.timeout(60):
                while b"services.started" not in await bot.stderr.readline():
                    assert not bot.stderr.at_eof()
                assert any(request.method == "PUT" and "commands" in request.path for request in sandbox.requests)
                line = Path(f"/proc/{bot.pid}/status").read_text().split("VmRSS:")[1].split()[0]
                assert int(line) / 1024 <= MOST_RESIDENT_MB
                bot.send_signal(signal.SIGTERM)
                _, stderr = await bot.communicate()
        finally:
            if bot.returncode is None:
                bot.kill()
        assert bot.returncode == 0, stderr.decode()
        assert "Traceback" not in stderr.decode(), stderr.decode()
        assert sandbox.violations == []
