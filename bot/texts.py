"""Text files that members attach."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from bot.errors import UserError, quoted
from bot.fetching import Fetcher, check_bytes
from bot.orders import Upload

MOST_TEXT_BYTES = 1024 * 1024


class TextReader:
    """Reads attached texts; nothing of a file is kept."""

    def __init__(self, fetcher: Fetcher, incoming: Path) -> None:
        self._fetcher = fetcher
        self._incoming = incoming

    async def read(self, upload: Upload) -> str:
        """What stands in the file. Raises UserError: too large, or no text in UTF-8."""
        check_bytes(upload, upload.size_bytes, MOST_TEXT_BYTES)
        self._incoming.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            await self._fetcher.fetch(upload, folder / "in", most_bytes=MOST_TEXT_BYTES, what="the file")
            data = await asyncio.to_thread((folder / "in").read_bytes)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UserError(f"{quoted(upload.filename)} is no text: save it as plain text in UTF-8.") from None
