"""What the bot tells Prometheus: jobs, waits, faults, and how fast members are answered."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from bot.store.records import Job
from trainer.contract.events import Heartbeat
from trainer.contract.names import LANES, Lane

_LONG = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 12 * 3600)  # seconds

JOBS = Gauge("darkroom_jobs", "Jobs that are not over", ["lane", "state"])
WAITED = Histogram("darkroom_job_wait_seconds", "From a job's acceptance to its start", ["lane"], buckets=_LONG)
WORKED = Histogram("darkroom_job_work_seconds", "From a job's start to its end", ["lane"], buckets=_LONG)
ENDED = Counter("darkroom_jobs_ended", "Jobs that are over", ["lane", "state"])
LOST = Counter("darkroom_attempts_lost", "Attempts that were taken back or handed back", ["lane"])
WORKERS = Gauge("darkroom_workers", "Workers whose heartbeat is there", ["lane"])
ACKNOWLEDGED = Histogram(
    "darkroom_acknowledge_seconds",
    "From a member's click or command to the answer that Discord wants within 3 s",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 5),
)
FAULTS = Counter("darkroom_faults", "Faults that were logged under a reference code", ["where"])


def count_change(before: Job, after: Job) -> None:
    """A job went from one state to another."""
    if after.state == "running" and before.state != "running" and after.started_at is not None:
        WAITED.labels(after.lane).observe(max(0.0, after.started_at - after.created_at))
    if after.state == "queued" and before.outstanding:
        LOST.labels(after.lane).inc()
    if after.is_final and not before.is_final:
        ENDED.labels(after.lane, after.state).inc()
        if after.started_at is not None and after.finished_at is not None:
            WORKED.labels(after.lane).observe(max(0.0, after.finished_at - after.started_at))


def show_queue(tally: Tally[tuple[Lane, str]], heartbeats: Sequence[Heartbeat]) -> None:
    """How many jobs wait, are held and run, by lane and state, and who is there for them."""
    for lane in LANES:
        for state in ("queued", "held", "running"):
            JOBS.labels(lane, state).set(tally[lane, state])
        WORKERS.labels(lane).set(sum(lane in beat.lanes for beat in heartbeats))
