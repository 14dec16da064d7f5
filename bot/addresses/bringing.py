"""From an address to an adapter of the member who pasted it: looked up, fetched, and imported as any attached file."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import msgspec

from bot.addresses.door import Addresses
from bot.addresses.fetching import Progress, ignore_progress
from bot.addresses.page import Page
from bot.importing.entry import Wanted
from bot.importing.importer import Imported, Importer
from bot.orders import Origin


class Bringer:
    """``/adapter import`` with an address."""

    def __init__(self, addresses: Addresses, importer: Importer, incoming: Path, *, most_bytes: int) -> None:
        self._addresses, self._importer = addresses, importer
        self._incoming, self._most_bytes = incoming, most_bytes

    async def look_up(self, text: str) -> Page:
        """What the page at the address says, before anything is fetched. Raises UserError."""
        return await self._addresses.look_up(text)

    async def bring(
        self, text: str, *, origin: Origin, wanted: Wanted, on_progress: Progress = ignore_progress
    ) -> Imported:
        """Import the adapter at the address; cancelling this ends it, and nothing stays. Raises UserError.

        What its page marks as a real person is a likeness, whatever the member said.
        """
        wanted = await self._importer.check_name(wanted, origin)
        page = await self._addresses.look_up(text)
        if page.real_person and wanted.likeness == "none":
            wanted = msgspec.structs.replace(wanted, likeness="other")
        self._incoming.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            path = folder / "in"
            await self._addresses.fetch(page, path, most_bytes=self._most_bytes, on_progress=on_progress)
            return await self._importer.import_file(
                path, filename=page.file.name, origin=origin, wanted=wanted, page=page.told()
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
