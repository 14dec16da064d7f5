"""`python -m tests.chaos --jobs 100 --seed 1 --json`: the figures of one run; exits with 0 only if it is green."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.audit import audit, is_green, read_books
from tests.chaos.part import GUARDS
from tests.chaos.play import Plan, house, play


async def run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Play the plan in an empty folder; the figures."""
    began = time.monotonic()
    async with house(plan, folder) as built:
        day = await play(plan, built)
        await _until_over(plan, folder)
        sandbox = built.sandbox
    figures = audit(day, sandbox)
    return {"seed": plan.seed, "pace": plan.pace, "seconds": round(time.monotonic() - began), **figures}


async def _until_over(plan: Plan, folder: Path) -> None:
    """Wait for the last jobs. The bot's log says when: its database is its own while it runs."""
    deadline = time.monotonic() + plan.patience_s / plan.pace
    while time.monotonic() < deadline:
        if not await asyncio.to_thread(_open_jobs, folder):
            return
        await asyncio.sleep(1 / plan.pace)


def _open_jobs(folder: Path) -> int:
    # read in a copy: a second connection to the file itself is what the bot must never have
    with tempfile.TemporaryDirectory() as copy:
        (Path(copy) / "bot").mkdir()
        try:
            for file in (folder / "bot").glob("darkroom.sqlite3*"):
                shutil.copy(file, Path(copy) / "bot" / file.name)
            books = read_books(Path(copy))
        except (OSError, sqlite3.Error):  # copied in the middle of a write
            return 1
    return sum(job["state"] in ("queued", "running") for job in books.jobs) + len(books.outbox)


def main() -> int:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=1.0, help="divides all times; 1 is production's")
    parser.add_argument("--without", choices=GUARDS, default="", help="switch a guard off: the run has to turn red")
    parser.add_argument("--calm", action="store_true", help="no kills, good weather")
    parser.add_argument("--keep", type=Path, help="run in this empty folder, and leave logs and database there")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    plan = Plan(chosen.jobs, chosen.seed, chosen.pace, chosen.without, chosen.calm)
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        figures = asyncio.run(run(plan, folder))
    finally:
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures) if chosen.json else "\n".join(f"{key}: {value}" for key, value in figures.items()))
    return 0 if is_green(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
