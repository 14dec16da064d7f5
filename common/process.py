"""The outermost frame of a process: settings, logging, and an end in one sentence where a person can mend it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from common.errors import StartupFault
from common.log import configure_logging
from common.metrics import serve_metrics
from common.settings import Own

log = structlog.get_logger(__name__)

EXIT_INTERRUPTED, EXIT_CRASHED = 130, 70  # after a crash a supervisor may start it again


async def _run_measured(settings: Own, run: Callable[[Own], Coroutine[Any, Any, None]]) -> None:
    async with serve_metrics(settings.darkroom_metrics_host, settings.darkroom_metrics_port):
        await run(settings)


def run_process(load_settings: Callable[[], Own], run: Callable[[Own], Coroutine[Any, Any, None]]) -> int:
    """Run ``run`` with the settings; the exit code. A start-up fault is one sentence on stderr and its own code."""
    try:
        settings = load_settings()
        configure_logging(settings.darkroom_log, settings.darkroom_log_format, settings.secrets)
        asyncio.run(_run_measured(settings, run))
    except StartupFault as fault:
        print(fault.message, file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception:
        log.exception("process.crashed")
        return EXIT_CRASHED
    return 0
