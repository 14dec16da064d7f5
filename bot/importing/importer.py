"""From a stranger's file to an adapter of the member who brought it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from uuid import uuid4

import msgspec
import structlog

from bot import adapters as naming
from bot.decency.minors import check_words
from bot.decency.orders import words_of
from bot.errors import UserError
from bot.fetching import Fetcher, check_bytes
from bot.importing import entry
from bot.importing.checking import FileCheck
from bot.importing.entry import Wanted
from bot.importing.found import Found, Page
from bot.orders import Order, Origin, Upload
from bot.rules import check_rules, check_texts
from bot.store import adapters, bases, garbage, members, reports
from bot.store.database import Database
from bot.store.records import Adapter
from trainer.contract.blobs import Blobs
from trainer.contract.events import BaseInfo

log = structlog.get_logger(__name__)

SUFFIX = ".safetensors"


class Imported(Order, frozen=True):
    """What came of it. ``bases``: those here that the adapter fits, the best one first."""

    adapter: Adapter
    found: Found
    bases: tuple[BaseInfo, ...]
    page: Page | None = None


class Importer:
    """The service behind ``/adapter import``; what is attached and what is fetched by address go the same way."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        fetcher: Fetcher,
        incoming: Path,
        *,
        most_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._blobs, self._fetcher = database, blobs, fetcher
        self._incoming, self._most_bytes, self._clock = incoming, most_bytes, clock
        self._check = FileCheck()

    async def import_upload(self, upload: Upload, *, origin: Origin, wanted: Wanted) -> Imported:
        """Fetch an attachment and import it. Raises UserError."""
        check_bytes(upload, upload.size_bytes, self._most_bytes)
        await self.check_name(wanted, origin)
        self._incoming.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            await self._fetcher.fetch(upload, folder / "in", most_bytes=self._most_bytes, what="the file")
            return await self.import_file(folder / "in", filename=upload.filename, origin=origin, wanted=wanted)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def import_file(
        self, path: Path, *, filename: str, origin: Origin, wanted: Wanted, page: Page | None = None
    ) -> Imported:
        """Check the file at ``path``, store it without what is private, and enter it as the member's adapter.

        The same interaction again finds the same adapter. ``filename`` is shown and never a path; the file itself is
        the caller's to delete. ``page``: what the web says of it. Raises UserError.
        """
        wanted = await self.check_name(wanted, origin)
        known = await self._database.read(bases.known)
        kept = path.with_name(f"kept-{uuid4().hex}")
        try:
            found = await self._check.check(path, filename, kept, [base.context_width or 0 for base in known])
            blob = await self._blobs.put_file(kept, SUFFIX)
        finally:
            kept.unlink(missing_ok=True)
        fitting = entry.fitting_bases(found, known)
        base, now = fitting[0] if fitting else None, self._clock()
        try:
            new = entry.adapter_of(found, page, wanted, origin, base=base, blob=blob, now=now)
            adapter = await self._database.write(lambda tx: self._enter(tx, new))
        except UserError:
            await self._database.write(lambda tx: garbage.add(tx, [blob], now))
            raise
        log.info("adapter.imported", adapter=adapter.id, member=origin.member_id, kind=adapter.kind)
        return Imported(adapter=adapter, found=found, bases=fitting, page=page)

    async def check_name(self, wanted: Wanted, origin: Origin) -> Wanted:
        """``wanted`` with the name as it is stored; to be asked before anything is fetched. Raises UserError."""
        name = naming.check_name(wanted.name)

        def check(tx: Connection) -> None:
            if adapters.of_job(tx, origin.job_id) is None:
                naming.check_free(tx, origin.member_id, name)
                check_rules(tx, origin, "merge", pictures=0, now=self._clock())

        await self._database.read(check)
        return msgspec.structs.replace(wanted, name=name)

    def _enter(self, tx: Connection, new: Adapter) -> Adapter:
        known = adapters.of_job(tx, new.job_id)
        if known is not None:
            return known
        naming.check_free(tx, new.owner_id, new.name)
        if reports.is_forbidden(tx, new.blob, new.guild_id):
            raise UserError("This file was taken down by moderators, so it can't be brought in again.")
        check_words(words_of(new))
        check_texts(tx, new.guild_id, words_of(new))
        members.remember(tx, new.owner_id, new.owner_name, self._clock())
        adapters.insert(tx, new)
        return new
