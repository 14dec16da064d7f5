"""Asks the child what a stranger's file is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from bot.children import ask_child
from bot.errors import UserError, quoted
from bot.importing.found import Asked, Found, Said

log = structlog.get_logger(__name__)

CHILD = "bot.importing.child"
AT_A_TIME = 2
TIMEOUT_S = 60.0  # of a machine whose processors others use; the child's own limit is of processor time
BYTES_A_S = 20_000_000


class FileCheck:
    """Checks files one after the other, each in a child process of its own."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_A_TIME)

    async def check(self, path: Path, filename: str, kept: Path, widths: Sequence[int] = ()) -> Found:
        """What is in the file at ``path``; a copy without what is private lies at ``kept`` then.

        ``filename``: how its member calls it. ``widths``: channels of the bases' context that are here. Raises
        UserError, one sentence that names the file and the way out.
        """
        asked = Asked(path=str(path), filename=filename, kept=str(kept), widths=tuple(widths))
        async with self._room:
            try:
                ended = await ask_child(
                    CHILD, msgspec.json.encode([asked]), timeout_s=TIMEOUT_S + path.stat().st_size / BYTES_A_S
                )
            except TimeoutError:
                raise _too_much(filename) from None
        if not ended.lines:
            log.warning("import.child_died", returncode=ended.returncode, stderr=ended.stderr[-2000:])
            raise _too_much(filename)
        said = msgspec.json.decode(ended.lines[-1], type=Said)
        if said.found is None:
            raise UserError(said.error or _too_much(filename).message)
        return said.found


def _too_much(filename: str) -> UserError:
    return UserError(f"{quoted(filename)} takes longer to read than any adapter does: choose another file.")
