"""What came of it: read from the bot's database, the channel, the workers' diary and the bot's log."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.server import Sandbox
from tests.chaos.chain import CHECKPOINT_EVERY, expected, read_diary
from tests.chaos.play import CHANNEL, STEPS, Day

FINAL = ("succeeded", "failed", "cancelled")
Row = dict[str, Any]


@dataclass(frozen=True)
class Books:
    """The database after the bot has ended."""

    jobs: list[Row]
    adapters: list[Row]
    outbox: list[Row]  # what members have still to be told


def read_books(folder: Path) -> Books:
    """Open the bot's file, which nobody has any more."""
    with closing(sqlite3.connect(folder / "bot" / "darkroom.sqlite3")) as connection:
        connection.row_factory = sqlite3.Row
        return Books(
            *([dict(row) for row in connection.execute(f"SELECT * FROM {it}")] for it in ("jobs", "adapters", "outbox"))
        )


def audit(day: Day, sandbox: Sandbox) -> dict[str, Any]:
    """The figures; `lost`, `duplicated` and `unfinished` are to be 0 and `bit_equal` true."""
    books, diary = read_books(day.folder), read_diary(day.folder / "diary")
    known = {int(job["id"]) for job in books.jobs}
    results = _results(books, sandbox)
    lost = [job_id for job_id in day.accepted if job_id not in known]
    lost += [int(job["id"]) for job in books.jobs if job["state"] == "succeeded" and not results[job["id"]]]
    trainings = {job["id"] for job in books.jobs if job["lane"] == "train"}
    wasted = sum(times - 1 for (job, _), times in diary.items() if job in trainings)
    of_workers = [kill for kill in day.kills if kill.part.startswith("worker")]
    recoveries = _recoveries(day)
    return {
        "jobs": len(books.jobs),
        "kills": len(day.kills),
        "kills_by": dict(Counter(f"{kill.part.rstrip('0123456789')} {kill.how}" for kill in day.kills)),
        "lost": len(lost),
        "duplicated": sum(count - 1 for count in results.values() if count > 1) + _pinged_twice(sandbox),
        "unfinished": sum(job["state"] not in FINAL for job in books.jobs),
        "untold": len(books.outbox),
        "failed": sorted(job["error"] or "" for job in books.jobs if job["state"] == "failed"),
        "not_placed": len(day.given_up),
        "wasted_steps": wasted,
        "wasted_steps_a_kill": round(wasted / max(1, len(of_workers)), 2),
        "checkpoint_interval": CHECKPOINT_EVERY,
        "bit_equal": all(
            (day.folder / "blobs" / row["blob"]).read_bytes() == expected(row["name"], STEPS) for row in books.adapters
        ),
        "adapters": len(books.adapters),
        "violations": [f"{each.rule}: {each.detail}" for each in sandbox.violations][:5],
        "recoveries": len(recoveries),
        "recovery_p50_s": _percentile(recoveries, 0.5),
        "recovery_p99_s": _percentile(recoveries, 0.99),
    }


def is_green(figures: dict[str, Any]) -> bool:
    """Whether all promises were kept, and no more was worked twice than a checkpoint's interval a killed worker."""
    return are_promises_kept(figures) and figures["wasted_steps_a_kill"] <= CHECKPOINT_EVERY


def are_promises_kept(figures: dict[str, Any]) -> bool:
    """Whether nothing was lost, nothing was posted twice, and everything came to its end with the right result."""
    return (
        not any(figures[key] for key in ("lost", "duplicated", "unfinished", "untold", "not_placed"))
        and not figures["failed"]
        and figures["bit_equal"]
    )


def _results(books: Books, sandbox: Sandbox) -> Counter[str]:
    """How many messages show the result of each job: the one that the books name, and any other with its buttons."""
    of_message = {job["message_id"]: job["id"] for job in books.jobs if job["state"] == "succeeded"}
    found: Counter[str] = Counter()
    for message in sandbox.messages(CHANNEL):
        marks = (button.custom_id for button in message.buttons if button.custom_id.startswith("dr:settings:"))
        jobs = {custom_id.split(":")[2] for custom_id in marks} | {of_message.get(message.id)}
        if message.files:
            found.update(job for job in jobs if job is not None)
    return found


def _pinged_twice(sandbox: Sandbox) -> int:
    pings = Counter(message.content for message in sandbox.messages(CHANNEL) if message.record.mention_ids)
    return sum(count - 1 for count in pings.values())


def _recoveries(day: Day) -> list[float]:
    """Seconds from each worker's end by SIGKILL to the next start, or the delivery, of each job that it had."""
    told = [line for line in _log(day.folder / "bot.log") if line.get("event") == "event"]
    found: list[float] = []
    for kill in day.kills:
        if not kill.part.startswith("worker") or kill.how != "SIGKILL":
            continue
        for job in {line["job"] for line in told}:
            of_job = [line for line in told if line["job"] == job]
            before = [line for line in of_job if _at(line) <= kill.at]
            after = [line for line in of_job if _at(line) > kill.at]
            had = before and before[-1]["event_type"] == "Started" and f"-{kill.pid}-" in before[-1]["worker"]
            back = [line for line in after if line["event_type"] in ("Started", "Delivered")]
            if had and back:
                found.append(_at(back[0]) - kill.at)
    return sorted(found)


def _log(file: Path) -> list[Row]:
    lines: list[Row] = []
    for line in file.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # a line that a kill cut
            continue
    return lines


def _at(line: Row) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def _percentile(values: list[float], share: float) -> float | None:
    return round(values[min(len(values) - 1, int(share * len(values)))], 2) if values else None
