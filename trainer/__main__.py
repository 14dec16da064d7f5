"""The composition root of the worker: `python -m trainer`. A start-up fault ends in one sentence on stderr."""

from __future__ import annotations

import asyncio
import signal
import sys

from common.process import run_process
from trainer.backend import TorchBackend
from trainer.settings import WorkerSettings, load_settings
from trainer.worker import run_worker


async def run(settings: WorkerSettings) -> None:
    """Run the worker until SIGINT or SIGTERM. Raises StartupFault."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    await run_worker(settings, TorchBackend(settings.darkroom_bases, settings.darkroom_device), stopped)


if __name__ == "__main__":
    sys.exit(run_process(load_settings, run))
