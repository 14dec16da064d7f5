"""Child processes that open what strangers send: `python -m MODULE` reads a request on stdin and writes JSON lines.

A decoder that crashes, hangs or takes gigabytes takes down nothing but its child, which sets limits to itself.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent  # where the child finds this package


@dataclass(frozen=True)
class Ended:
    """What a child wrote until it ended."""

    lines: tuple[bytes, ...]
    stderr: str
    returncode: int | None


async def ask_child(module: str, request: bytes, *, timeout_s: float) -> Ended:
    """Let a child of its own answer ``request``. Raises TimeoutError, after which it is dead."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # no token for whoever finds a hole in a decoder
        env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await child.communicate(request)
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return Ended(tuple(stdout.splitlines()), stderr.decode(errors="replace"), child.returncode)
