"""From an address to an adapter of the member who pasted it: looked up, fetched, and imported as any attached file."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from bot.addresses.door import Addresses
from bot.addresses.page import Page
from bot.decency.minors import check_words
from bot.errors import UserError
from bot.importing.entry import Wanted
from bot.importing.found import Licence
from bot.importing.importer import Imported, Importer
from bot.orders import Origin

MOST_S = 13 * 60.0  # the answer to a command can be edited for 15 minutes
END_S = 5.0
SPARE_BYTES = 1024**3  # of the disk, which stay free
AT_A_TIME = 3  # of all members; each has one

Telling = Callable[[Page, int, int | None], None]  # the page, bytes so far, bytes in all where they are known


def tell_nobody(page: Page, received: int, size: int | None) -> None:
    """For whoever shows no progress."""


class Bringer:
    """``/adapter import`` with an address."""

    def __init__(self, addresses: Addresses, importer: Importer, incoming: Path, *, most_bytes: int) -> None:
        self._addresses, self._importer = addresses, importer
        self._incoming, self._most_bytes = incoming, most_bytes
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._running: dict[int, tuple[Origin, asyncio.Task[Imported]]] = {}  # by members
        self._waiting: set[asyncio.Task[object]] = set()  # those who tell the members

    async def bring(self, text: str, *, origin: Origin, wanted: Wanted, on_progress: Telling = tell_nobody) -> Imported:
        """Import the adapter at the address ``text``. However it ends, nothing but the adapter stays.

        What its page marks as a real person is a likeness, whatever the member said, and its licence is no wider than
        its page's. Raises UserError: also where the member has another under way, or has stopped this one.
        """
        if origin.member_id in self._running:
            raise UserError("You are bringing in an adapter already: wait until it is here, or stop it.")
        work = asyncio.create_task(self._bring(text, origin, wanted, on_progress))
        self._running[origin.member_id] = origin, work
        waiting = asyncio.current_task()
        if waiting is not None:
            self._waiting.add(waiting)
            waiting.add_done_callback(self._waiting.discard)
        try:
            return await work
        except asyncio.CancelledError:
            if waiting is not None and waiting.cancelling():  # who waits for it was cancelled, and not the work
                work.cancel()
                await asyncio.wait({work})
                raise
            raise UserError("Stopped, and nothing of it was kept.") from None
        finally:
            del self._running[origin.member_id]

    async def end(self) -> None:
        """Stop all of them, and wait until their members were told: the bot ends."""
        for _, work in self._running.values():
            work.cancel()
        if self._waiting:
            await asyncio.wait(set(self._waiting), timeout=END_S)

    def stop(self, import_id: str, member_id: int) -> None:
        """End the import of that interaction. Raises UserError: it is over, or somebody else's."""
        origin, work = self._running.get(member_id, (None, None))
        if origin is None or work is None or origin.job_id != import_id or not work.cancel():
            raise UserError("There is nothing to stop: it is over already.")

    async def _bring(self, text: str, origin: Origin, wanted: Wanted, on_progress: Telling) -> Imported:
        wanted = await self._importer.check_name(wanted, origin)
        page = await self._addresses.look_up(text)
        check_words((page.title, wanted.name, *page.trigger_words))  # before anything of it is fetched
        wanted = _as_the_page_allows(wanted, page)
        try:
            async with self._room, asyncio.timeout(MOST_S):
                return await self._fetch(page, origin, wanted, on_progress)
        except TimeoutError as error:
            raise UserError(
                f"{page.site.name} is too slow for a file as large as this just now: try again later, or download it"
                " and attach it."
            ) from error

    async def _fetch(self, page: Page, origin: Origin, wanted: Wanted, on_progress: Telling) -> Imported:
        self._incoming.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._incoming).free < SPARE_BYTES + (page.file.size_bytes or self._most_bytes):
            raise UserError("The machine that runs this bot has no room for it just now: tell whoever runs it.")
        folder = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            path = folder / "in"
            await self._addresses.fetch(
                page,
                path,
                most_bytes=self._most_bytes,
                on_progress=lambda received, size: on_progress(page, received, size),
            )
            return await self._importer.import_file(
                path, filename=page.file.name, origin=origin, wanted=wanted, page=page.told()
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _as_the_page_allows(wanted: Wanted, page: Page) -> Wanted:
    if page.real_person and wanted.likeness == "none":
        wanted = msgspec.structs.replace(wanted, likeness="other")
    if (said := wanted.licence) is None:
        return wanted
    strictest = Licence(
        credit=said.credit or page.licence.credit,
        commercial=said.commercial and page.licence.commercial,
        derivatives=said.derivatives and page.licence.derivatives,
    )
    return msgspec.structs.replace(wanted, licence=strictest)
