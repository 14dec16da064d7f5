"""Copies of the database for `darkroom backup`, made by the bot, which alone has a connection to it."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path

import structlog

from bot.errors import QueueDown
from bot.queue import Queue
from bot.store.database import Database

log = structlog.get_logger(__name__)

_REQUEST = re.compile(r"[0-9a-f]{16}")


class BackupMaker:
    """Makes copies of the database for `darkroom backup`, until cancelled."""

    def __init__(self, database: Database, queue: Queue, folder: Path) -> None:
        """``folder``: where the copies are laid down, to be fetched by who asked."""
        self._database, self._queue, self._folder = database, queue, folder

    async def run(self) -> None:
        """Wait for requests; what Redis does not bring now, it brings later."""
        while True:
            try:
                request = await self._queue.next_backup()
            except QueueDown:
                await asyncio.sleep(1)
                continue
            if request is not None and _REQUEST.fullmatch(request):
                await self._serve(request)

    async def _serve(self, request: str) -> None:
        try:
            await self.copy(self._folder / f"{request}.sqlite3")
            answer = "done"
        except (OSError, sqlite3.Error) as error:
            log.exception("backup.failed")
            answer = str(error)
        await self._queue.answer_backup(request, answer)

    async def copy(self, target: Path) -> None:
        """Copy the database as it is now into ``target``, which is there as a whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.unlink(missing_ok=True)
        await self._database.copy_into(part)
        part.replace(target)
