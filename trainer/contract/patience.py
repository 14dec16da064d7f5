"""Waiting for Redis, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(awaitable: Awaitable[T], timeout_s: float) -> T:
    """Await a call of Redis for ``timeout_s`` at most. Raises TimeoutError, and whatever the call raises.

    It runs in a task of its own: redis-py 5.3 on Python 3.11 swallows cancellations (its ``wait_for`` returns a result
    that came in the same moment), so neither a timeout nor a shutdown would get through it for certain.
    """
    call = asyncio.ensure_future(awaitable)
    call.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody may be left to ask for it
    try:
        done, _ = await asyncio.wait({call}, timeout=timeout_s)
        if not done:
            raise TimeoutError("it took too long")
        return call.result()
    finally:
        if not call.done():
            call.cancel()
            await asyncio.wait({call}, timeout=1)
