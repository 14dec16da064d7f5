"""The settings of a picture that somebody attached."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import msgspec
import structlog

from bot.children import ask_child
from bot.describing.talk import Asked, Said
from bot.errors import UserError, quoted
from bot.fetching import Fetcher, check_bytes
from bot.orders import Upload
from trainer.contract.infotext import Infotext

log = structlog.get_logger(__name__)

MOST_PICTURE_BYTES = 50 * 1024 * 1024  # a PNG of an upscaled picture is larger than any photo
READ_TIMEOUT_S = 30.0
AT_A_TIME = 2
CHILD = "bot.describing.child"


class PictureReader:
    """Reads settings out of pictures. Their bytes are opened in a child process, and nothing of them is kept."""

    def __init__(self, fetcher: Fetcher, incoming: Path) -> None:
        self._fetcher = fetcher
        self._incoming = incoming
        self._room = asyncio.Semaphore(AT_A_TIME)

    async def read(self, upload: Upload) -> Infotext:
        """The settings in the picture, whichever program wrote them. Raises UserError, also where there are none."""
        check_bytes(upload, upload.size_bytes, MOST_PICTURE_BYTES)
        self._incoming.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            async with self._room:
                await self._fetcher.fetch(upload, folder / "in", most_bytes=MOST_PICTURE_BYTES)
                found = await _ask(folder / "in", upload.filename)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if found is None:
            raise UserError(
                f"{quoted(upload.filename)} carries no settings: Discord's previews, screenshots and most websites lose"
                " them, so send the original file."
            )
        return found


async def _ask(path: Path, filename: str) -> Infotext | None:
    request = msgspec.json.encode(Asked(str(path), filename))
    try:
        ended = await ask_child(CHILD, request, timeout_s=READ_TIMEOUT_S)
    except TimeoutError:
        raise _unreadable(filename) from None
    if not ended.lines:
        log.error("describing.died", returncode=ended.returncode, stderr=ended.stderr[-2000:])
        raise _unreadable(filename)
    said = msgspec.json.decode(ended.lines[-1], type=Said)
    if said.error is not None:
        raise UserError(said.error)
    return said.found


def _unreadable(filename: str) -> UserError:
    return UserError(f"{quoted(filename)} can't be read: copy the settings in the program that made it instead.")
