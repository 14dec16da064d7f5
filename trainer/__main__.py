"""The composition root of the worker: `python -m trainer`. A start-up fault ends in one sentence on stderr."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog

from common.errors import StartupFault
from common.log import configure_logging
from trainer.backend import TorchBackend
from trainer.settings import WorkerSettings, load_settings
from trainer.worker import run_worker

log = structlog.get_logger(__name__)

EXIT_CRASHED = 70


async def run(settings: WorkerSettings) -> None:
    """Run the worker until SIGINT or SIGTERM. Raises StartupFault."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    await run_worker(settings, TorchBackend(settings.darkroom_bases, settings.darkroom_device), stopped)


def main() -> int:
    """Run the worker; the exit code."""
    try:
        settings = load_settings()
        configure_logging(settings.darkroom_log, settings.darkroom_log_format, settings.secrets)
        asyncio.run(run(settings))
    except StartupFault as fault:
        print(fault.message, file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception:
        log.exception("worker.crashed")
        return EXIT_CRASHED
    return 0


if __name__ == "__main__":
    sys.exit(main())
