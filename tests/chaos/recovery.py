"""`python -m tests.chaos.recovery --kills 50 --json`: how soon a training goes on after its worker was killed.

A training runs on one of three workers; its worker gets SIGKILL; the time is taken until the first step that another
attempt takes. Then the next. Discord is calm: what is measured is the road, not the weather.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.chain import read_attempts
from tests.chaos.play import CHANNEL, House, Plan, house, photos_of

PATIENCE_S = 120.0


async def measure(kills: int, folder: Path, pace: float = 1.0) -> list[float]:
    """Seconds from each kill to the next step."""
    plan = Plan(jobs=1, seed=1, pace=pace, calm=True, step_s=0.2)
    async with house(plan, folder) as built:
        return [await _kill_once(built, number) for number in range(kills)]


async def _kill_once(built: House, number: int) -> float:
    exchange = await built.sandbox.member("ada").slash(
        "train", channel=CHANNEL, name=f"t-{number}", consent=True, advanced="steps: 400", **photos_of(number)
    )
    await exchange.response(timeout_s=60)
    job_id = str(exchange.id)
    await _until(lambda: _steps(built, job_id, 1) >= 12)
    await _until(lambda: holder_of(built, job_id) is not None)
    victim = holder_of(built, job_id)
    assert victim is not None
    victim.send(signal.SIGKILL)
    killed_at = time.monotonic()
    await _until(lambda: _steps(built, job_id, 2) >= 1)
    took = time.monotonic() - killed_at
    await built.sandbox.member("ada").slash("cancel", channel=CHANNEL, job=job_id)
    await built.sandbox.wait_for(lambda message: job_id in str(message.buttons) and "Cancelled" in message.text)
    return took


def _steps(built: House, job_id: str, attempt: int) -> int:
    return read_attempts(built.folder / "diary")[job_id, attempt]


def holder_of(built: House, job_id: str) -> Any:
    """The worker that has started the job last, as the bot was told; None: none yet."""
    lines = (built.folder / "bot.log").read_text().splitlines()
    started = [line for line in lines if job_id in line and '"Started"' in line]
    return next((part for part in built.workers if started and f"-{part.pid}-" in started[-1]), None)


async def _until(holds: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.02)


def main() -> int:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.recovery", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="recovery-"))
    try:
        seconds = sorted(asyncio.run(measure(chosen.kills, folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {
        "kills": len(seconds),
        "recovery_p50_s": round(seconds[len(seconds) // 2], 2),
        "recovery_p99_s": round(seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))], 2),
        "recovery_max_s": round(seconds[-1], 2),
    }
    print(json.dumps(figures) if chosen.json else "\n".join(f"{key}: {value}" for key, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
