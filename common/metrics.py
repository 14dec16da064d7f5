"""What Prometheus is told of a process, and whether its event loop still turns.

Names follow https://prometheus.io/docs/practices/naming: base units, and what is counted in the name. Labels are of few
values each: never a member, a guild or a job.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Gauge, Histogram, start_http_server

from common.errors import StartupFault

log = structlog.get_logger(__name__)

LOOP_TURNS_EVERY_S = 0.5
LOOP_LAG = Histogram(
    "darkroom_loop_lag_seconds",
    "How much later than it was to the event loop turns",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
LOOP_TURNED = Gauge("darkroom_loop_turned_timestamp_seconds", "When the event loop turned last")


@asynccontextmanager
async def serve_metrics(host: str, port: int | None) -> AsyncIterator[None]:
    """Answer ``GET /metrics`` while the block runs; without a ``port`` not at all. Raises StartupFault: it is taken."""
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        raise StartupFault(
            f"DARKROOM_METRICS_PORT {port} on {host} can't be used ({error.strerror}): name a free port.", exit_code=2
        ) from error
    turning = asyncio.create_task(_turn(), name="loop-lag")
    log.info("metrics.served", host=host, port=port)
    try:
        yield
    finally:
        turning.cancel()
        server.shutdown()
        server.server_close()
        await asyncio.to_thread(thread.join)


async def _turn() -> None:
    while True:
        before = time.monotonic()
        LOOP_TURNED.set_to_current_time()
        await asyncio.sleep(LOOP_TURNS_EVERY_S)
        LOOP_LAG.observe(max(0.0, time.monotonic() - before - LOOP_TURNS_EVERY_S))
