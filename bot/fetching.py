"""Attachments from Discord's CDN into files, within limits; never through the bot's memory."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import structlog

from bot.errors import UserError, quoted
from bot.orders import Upload

log = structlog.get_logger(__name__)

CDN_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
CHUNK_BYTES = 64 * 1024
FETCH_TIMEOUT_S = 120.0
FETCH_TRIES = 3


def check_bytes(upload: Upload, size_bytes: int, most_bytes: int) -> None:
    """Raises UserError: the file is larger than what is taken of its kind."""
    if size_bytes > most_bytes:
        raise UserError(
            f"{quoted(upload.filename)} is larger than {most_bytes // (1024 * 1024)} MB, which is the most:"
            " make it smaller and send it again."
        )


class Fetcher:
    """Fetches what members attached. Only Discord's CDN is asked, or the one that the settings name."""

    def __init__(self, session: aiohttp.ClientSession, *, cdn_base: str | None = None) -> None:
        self._session = session
        self._cdn_base = cdn_base

    async def fetch(self, upload: Upload, path: Path, *, most_bytes: int, what: str = "the picture") -> None:
        """Fetch one attachment into a file, stopping at the limit whatever its size was said to be. Raises UserError.

        ``what``: how a message calls what is to be sent again.
        """
        self._check_address(upload)
        for attempt in range(1, FETCH_TRIES + 1):
            try:
                await self._fetch_once(upload, path, most_bytes)
                return
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("photo.fetch_failed", error=type(error).__name__, attempt=attempt)
        raise UserError(f"{quoted(upload.filename)} could not be fetched from Discord: send {what} again.")

    async def _fetch_once(self, upload: Upload, path: Path, most_bytes: int) -> None:
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S, sock_connect=10, sock_read=30)
        async with self._session.get(upload.url, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise aiohttp.ClientResponseError(response.request_info, (), status=response.status)
            received = 0
            with path.open("wb") as file:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    received += len(chunk)
                    check_bytes(upload, received, most_bytes)
                    file.write(chunk)

    def _check_address(self, upload: Upload) -> None:
        """An address from elsewhere could point into this network."""
        address = urlsplit(upload.url)
        if address.scheme == "https" and address.hostname in CDN_HOSTS and address.port in {None, 443}:
            return
        base = urlsplit(self._cdn_base or "")
        if base.netloc and (address.scheme, address.netloc) == (base.scheme, base.netloc):
            return
        raise UserError(f"{quoted(upload.filename)} does not lie on Discord: attach the file itself.")
