"""A file from its site onto the disk: bounded, hashed on the way, and gone again whatever goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import aiohttp

from bot.addresses import refusals
from bot.addresses.asking import check_declared, opened
from bot.addresses.page import RemoteFile
from bot.addresses.sites import Site

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where they are known

CHUNK_BYTES = 256 * 1024
IDLE_S = 30.0  # without a byte
LEAST_BYTES_PER_S = 128 * 1024  # over the whole; a slower one is a trap, or of no use
START_S = 60.0


def ignore_progress(received: int, size: int | None) -> None:
    """For whoever shows none."""


async def fetch(
    session: aiohttp.ClientSession,
    site: Site,
    file: RemoteFile,
    path: Path,
    *,
    most_bytes: int,
    on_progress: Progress = ignore_progress,
) -> str:
    """Fetch ``file`` into the new ``path``; its SHA-256. On any other end, cancelling among them, ``path`` is gone.

    Raises UserError: too large, another file than the page describes, or what the site answered.
    """
    if file.size_bytes is not None and file.size_bytes > most_bytes:
        raise refusals.is_too_large(file.size_bytes, most_bytes)
    timeout = aiohttp.ClientTimeout(total=START_S + most_bytes / LEAST_BYTES_PER_S, sock_connect=10, sock_read=IDLE_S)
    digest = hashlib.sha256()
    try:
        with path.open("xb") as out:
            async with opened(session, site, site.url(file.path), timeout=timeout) as response:
                check_type(site, response)
                size = check_declared(response, 0, most_bytes)
                received = await pour(response, out, digest, most_bytes=most_bytes, size=size, on_progress=on_progress)
        check_whole(site, file, received, size, digest.hexdigest(), linked_hash(response))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


async def pour(
    response: aiohttp.ClientResponse,
    out: BinaryIO,
    digest: hashlib._Hash,
    *,
    most_bytes: int,
    size: int | None,
    on_progress: Progress,
    already: int = 0,
) -> int:
    """Write the answer's bytes behind the ``already`` that are there; how many there are then. Raises UserError."""
    received = already
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        received += len(chunk)
        if received > most_bytes:
            raise refusals.is_too_large(received, most_bytes)
        out.write(chunk)
        digest.update(chunk)
        on_progress(received, size)
    return received


def check_type(site: Site, response: aiohttp.ClientResponse) -> None:
    """Raises UserError: a page to read in place of a file."""
    if response.content_type in {"text/html", "application/xhtml+xml"}:
        raise refusals.needs_token(site)


def check_whole(
    site: Site, file: RemoteFile, received: int, declared: int | None, sha256: str, linked: str | None = None
) -> None:
    """Raises UserError: another length or another hash than the page, or the answer itself, said."""
    wanted = file.size_bytes if file.exact else declared
    if wanted is not None and received != wanted:
        raise refusals.is_another_file(site, f"{received:,} bytes instead of {wanted:,}")
    if any(expected is not None and expected != sha256 for expected in (file.sha256, linked)):
        raise refusals.is_another_file(site, "its SHA-256 is another")


def linked_hash(response: aiohttp.ClientResponse) -> str | None:
    """The SHA-256 that Hugging Face says of a large file beside the file itself, if it does."""
    etag = response.headers.get("X-Linked-Etag", "").strip('W/"').lower()
    return etag if len(etag) == 64 and set(etag) <= set("0123456789abcdef") else None
