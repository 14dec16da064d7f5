"""The composition root of the worker: `python -m trainer`. A start-up fault ends in one sentence on stderr."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from common.errors import StartupFault
from common.process import run_process
from trainer.backend import TorchBackend
from trainer.errors import UserFault
from trainer.settings import WorkerSettings, load_settings
from trainer.worker import run_worker


async def run(settings: WorkerSettings) -> None:
    """Run the worker until SIGINT or SIGTERM. Raises StartupFault."""
    if settings.hub_ids:
        _fetch(settings.hub_ids)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    backend = TorchBackend(
        settings.darkroom_bases,
        settings.darkroom_device,
        class_latents=settings.darkroom_data / "class-latents",
        hub_ids=settings.hub_ids,
        judges=settings.darkroom_judges,
        hashes=settings.darkroom_data / "base-hashes.json",
        tunings=settings.darkroom_data / "tunings.json",
        captioner=settings.darkroom_captioner,
        lean="imagine" not in settings.capacity,
    )
    await run_worker(settings, backend, stopped)


def _fetch(hub_ids: Sequence[str]) -> None:
    """Download what is missing, before anything else runs: it may take an hour, and goes on where it was ended."""
    from trainer.models.hub import fetch  # a library that only who names hub bases waits for

    try:
        fetch(hub_ids)
    except UserFault as fault:
        raise StartupFault(f"The worker can't start: {fault}.", exit_code=2) from fault


if __name__ == "__main__":
    sys.exit(run_process(load_settings, run))
