"""The spool: a private folder through which a worker and its engine hand each other what is large, by path.

Whoever runs the house sees it as ``spool`` in DARKROOM_DATA. A worker has a folder of its own in there, locked as long
as it lives; what a killed one left behind is swept away when the next one starts.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.contract.blobs import Blobs
from trainer.messages import Spooled


class Spool:
    """One worker's folder."""

    def __init__(self, blobs: Blobs, folder: Path, lock: int) -> None:
        """``lock``: the descriptor that keeps the folder locked; see :func:`open_spool`."""
        self._blobs, self._folder, self._lock = blobs, folder, lock
        self._kept: tuple[str, Path] | None = None  # the whole model that was fetched last
        self._fetching = asyncio.Lock()  # of whole models: two pictures want the same one

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A folder for the files of one attempt; they go with it."""
        room = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield room
        finally:
            shutil.rmtree(room, ignore_errors=True)  # the engine may be writing into it

    async def lend(self, blob: str, room: Path, *, keep: bool = False) -> Spooled:
        """A blob as a file: its own where the store is a folder, else a copy in ``room``.

        ``keep``: the copy of it that was fetched last stays here, for whole models are drawn with again and again.
        Raises :class:`trainer.contract.blobs.BlobMissing`.
        """
        own = self._blobs.own_file(blob)
        if own is not None:
            return Spooled.of(own)
        copy = room / f"{len(os.listdir(room))}-{Path(blob).name}"
        if not keep:
            await self._blobs.fetch(blob, copy)
            return Spooled.of(copy)
        async with self._fetching:
            if self._kept is None or self._kept[0] != blob or not await self._blobs.exists(blob):
                await self._keep(blob)
            if self._kept is not None:
                os.link(self._kept[1], copy)  # the next one may take its place while this is drawn with
        return Spooled.of(copy)

    async def _keep(self, blob: str) -> None:
        path = self._folder / "whole-model"
        self._kept = None
        path.unlink(missing_ok=True)
        await self._blobs.fetch(blob, path)
        self._kept = blob, path

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def open_spool(folder: Path, blobs: Blobs) -> Spool:
    """A worker's own folder in ``folder``, after those of dead workers are removed. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder):  # nobody sweeps away what is not locked yet
        for left in folder.iterdir():
            _sweep(left)
        own = Path(tempfile.mkdtemp(dir=folder))  # for nobody else's eyes: it makes folders of mode 0700
        lock = os.open(own, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return Spool(blobs, own, lock)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sweep(left: Path) -> None:
    """Remove a folder of which the kernel has let go of the lock, since its worker is dead."""
    lock = os.open(left, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)
