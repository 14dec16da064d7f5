"""What Prometheus and Docker see of a process."""

from __future__ import annotations

import socket
import time
from urllib.request import urlopen

import msgspec
import pytest
from prometheus_client import REGISTRY

from bot.metrics import count_change
from bot.store.records import ImagineSpec, Job
from common.errors import StartupFault
from common.health import STALE_AFTER_S, why_ill
from common.metrics import serve_metrics
from trainer.contract.drawings import Drawing

SPEC = ImagineSpec(
    prompt_written="a fox", negative_prompt="", adapters=(), seed=1, count=1,
    drawings=(Drawing("a fox", "a fox", "", 1),),
)  # fmt: skip
JOB = Job(
    id="7", lane="imagine", state="queued", base="emoji-64", spec=SPEC, owner_id=1, owner_name="ada", guild_id=2,
    channel_id=3, upload_limit_bytes=4, token=None, created_at=100.0,
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_process_is_well_while_its_loop_turns_and_ill_afterwards() -> None:
    port = free_port()
    async with serve_metrics("127.0.0.1", port):
        import asyncio

        await asyncio.sleep(0)
        text = (await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/metrics")).read().decode()
        assert await asyncio.to_thread(why_ill, port, time.time()) is None
        hung = await asyncio.to_thread(why_ill, port, time.time() + STALE_AFTER_S + 2)
    assert "darkroom_loop_lag_seconds_bucket" in text
    assert hung is not None
    assert "the event loop turned" in hung
    gone = why_ill(port, time.time())
    assert gone is not None
    assert f"nothing answers on port {port}" in gone


async def test_a_port_that_is_taken_ends_the_start_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupFault, match=f"DARKROOM_METRICS_PORT {port} on 127.0.0.1 can't be used"):
            async with serve_metrics("127.0.0.1", port):
                raise AssertionError("it was served")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_jobs_wait_work_and_end_are_counted_once_each() -> None:
    names = {
        "darkroom_job_wait_seconds_sum": {"lane": "imagine"},
        "darkroom_job_work_seconds_sum": {"lane": "imagine"},
        "darkroom_attempts_lost_total": {"lane": "imagine"},
        "darkroom_jobs_ended_total": {"lane": "imagine", "state": "succeeded"},
    }
    before = {name: value(name, **labels) for name, labels in names.items()}
    running = msgspec.structs.replace(JOB, state="running", outstanding=True, started_at=103.0)
    lost = msgspec.structs.replace(JOB, state="queued")
    again = msgspec.structs.replace(JOB, state="running", outstanding=True, started_at=110.0)
    done = msgspec.structs.replace(again, state="succeeded", outstanding=False, finished_at=115.0)
    for one, other in ((JOB, running), (running, lost), (lost, again), (again, done), (done, done)):
        count_change(one, other)
    grown = {name: round(value(name, **labels) - before[name], 6) for name, labels in names.items()}
    assert grown == {
        "darkroom_job_wait_seconds_sum": 13.0,  # 3 s, and 10 s until its second start
        "darkroom_job_work_seconds_sum": 5.0,
        "darkroom_attempts_lost_total": 1.0,
        "darkroom_jobs_ended_total": 1.0,
    }
