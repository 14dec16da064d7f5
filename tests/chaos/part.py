"""`python -m tests.chaos.part bot|worker`: the real process, at the pace and without the guard that CHAOS_* name.

CHAOS_PACE divides the times after which silence counts as death, so that a short form waits less. CHAOS_WITHOUT
switches one guard off: the run has then to turn red, or the guard was never tested.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from trainer.contract import names

PACE = float(os.environ.get("CHAOS_PACE", "1"))
WITHOUT = os.environ.get("CHAOS_WITHOUT", "")
GUARDS = ("heartbeat", "fencing", "commit", "marker", "reconciliation")

# before anything takes over their values
setattr(names, "HEARTBEAT_EVERY_S", names.HEARTBEAT_EVERY_S / PACE)  # noqa: B010 - Final for everybody else
setattr(names, "HEARTBEAT_DEAD_AFTER_S", max(1, round(names.HEARTBEAT_DEAD_AFTER_S / PACE)))  # noqa: B010


def run_bot() -> int:
    """The bot."""
    from bot import __main__ as main
    from bot import dispatch
    from bot.queue import Queue
    from common.process import run_process

    dispatch.TICK_S /= PACE
    if WITHOUT == "reconciliation":

        async def nothing(self: Any, *args: Any) -> bool:
            return False

        dispatch.Dispatcher._reconcile = nothing  # type: ignore[method-assign]
        dispatch.Dispatcher._keep_promises = nothing  # type: ignore[assignment, method-assign]
    if WITHOUT == "heartbeat":  # whoever was seen once is taken for alive
        seen: dict[str, Any] = {}
        ask = Queue.heartbeats

        async def remembered(self: Queue) -> list[Any]:
            seen.update({beat.worker_id: beat for beat in await ask(self)})
            return [msgspec.structs.replace(beat, at=time.time()) for beat in seen.values()]

        Queue.heartbeats = remembered  # type: ignore[method-assign]
    if WITHOUT == "fencing":
        _forget_attempts()
    return run_process(main.load_settings, main.run)


def _forget_attempts() -> None:
    """Take whatever is said of an older attempt for the current one's word."""
    from bot import events
    from bot.store import jobs

    enter = events.enter

    def anyhow(tx: Any, event: Any, *args: Any) -> Any:
        job = jobs.get(tx, event.job_id)
        return enter(tx, event if job is None else msgspec.structs.replace(event, attempt=job.attempt), *args)

    events.enter = anyhow


def run_worker() -> int:
    """A worker with the chain for its backend."""
    import asyncio
    import signal

    from common.process import run_process
    from tests.chaos.chain import ChainBackend
    from trainer import attempts, delivery, worker
    from trainer.mailbox import Mailbox
    from trainer.settings import WorkerSettings, load_settings

    delivery.RETRY_S = tuple(wait_s / PACE for wait_s in delivery.RETRY_S)  # type: ignore[assignment]
    if WITHOUT == "fencing":

        async def always(self: Any, job_id: str, attempt: int) -> bool:
            return True

        Mailbox.is_current = always  # type: ignore[method-assign]
    if WITHOUT == "commit":

        async def never(self: Any, job_id: str) -> None:
            return None

        attempts.Attempts._committed = never  # type: ignore[method-assign]
    if WITHOUT == "marker":
        send = delivery.discord.PartialMessageable.send

        async def unmarked(self: Any, *args: Any, nonce: Any = None, **parts: Any) -> Any:
            return await send(self, *args, **parts)

        async def unfound(self: Any, *args: Any) -> None:
            return None

        delivery.discord.PartialMessageable.send = unmarked  # type: ignore[method-assign]
        delivery.Delivery._find = unfound  # type: ignore[method-assign]

    async def run(settings: WorkerSettings) -> None:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        backend = ChainBackend(Path(os.environ["CHAOS_DIARY"]), float(os.environ["CHAOS_STEP_S"]))
        await worker.run_worker(settings, backend, stopped)

    return run_process(load_settings, run)


if __name__ == "__main__":
    sys.exit(run_bot() if sys.argv[1:] == ["bot"] else run_worker())
