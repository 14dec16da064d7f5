"""Gigabytes from a site onto the disk, going on where the last attempt ended (RFC 9110, §13.1.5 and §14.2)."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import aiohttp

from bot.addresses import refusals
from bot.addresses.asking import check_declared, opened
from bot.addresses.fetching import Progress, check_type, check_whole, ignore_progress, linked_hash, pour
from bot.addresses.page import RemoteFile
from bot.addresses.sites import Site
from bot.errors import UserError

IDLE_S = 60.0
TRIES = 5  # one behind the other, each going on where the one before broke off
PAUSE_S = 3.0


async def fetch_on(
    session: aiohttp.ClientSession,
    site: Site,
    file: RemoteFile,
    path: Path,
    *,
    most_bytes: int,
    on_progress: Progress = ignore_progress,
) -> str:
    """Fetch ``file`` into ``path``, or the rest of it; its SHA-256.

    What there is stays when it ends early, for the next time; what turns out to be another file is thrown away. Raises
    UserError.
    """
    if file.size_bytes is not None and file.size_bytes > most_bytes:
        raise refusals.is_too_large(file.size_bytes, most_bytes)
    for left in reversed(range(TRIES)):
        try:
            return await _fetch_rest(session, site, file, path, most_bytes, on_progress)
        except refusals.SiteBroken as error:
            if isinstance(error, refusals.NoSuchPart):
                _throw_away(path)
            if not left:
                raise
            await asyncio.sleep(PAUSE_S)
    raise AssertionError("the last try raised")


async def _fetch_rest(
    session: aiohttp.ClientSession, site: Site, file: RemoteFile, path: Path, most_bytes: int, on_progress: Progress
) -> str:
    mark = path.with_name(f"{path.name}.etag")
    digest, already = await asyncio.to_thread(_hash, path)
    if already and (digest.hexdigest() == file.sha256 or (file.exact and already == file.size_bytes)):
        _check(site, file, path, already, None, digest.hexdigest(), None)
        return digest.hexdigest()
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=IDLE_S)
    headers = _range(already, mark, known=file.sha256 is not None)
    async with opened(session, site, site.url(file.path), timeout=timeout, headers=headers) as response:
        check_type(site, response)
        if response.status == 206 and not _goes_on(response, already):
            _throw_away(path)
            raise refusals.is_broken(site, "it sent another part than was asked for")
        if response.status == 200:
            digest, already = hashlib.sha256(), 0
        size = check_declared(response, already, most_bytes)
        mark.write_text(response.headers.get("ETag", ""))
        with path.open("ab" if already else "wb") as out:
            received = await pour(
                response, out, digest, most_bytes=most_bytes, size=size, on_progress=on_progress, already=already
            )
    _check(site, file, path, received, size, digest.hexdigest(), linked_hash(response))
    return digest.hexdigest()


def _hash(path: Path) -> tuple[hashlib._Hash, int]:
    digest, count = hashlib.sha256(), 0
    if path.exists():
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                count += len(chunk)
    return digest, count


def _range(already: int, mark: Path, *, known: bool) -> dict[str, str]:
    """What asks for the rest, if it is still of the same file; where no mark says so, a hash has to in the end."""
    etag = mark.read_text() if mark.exists() else ""
    strong = etag.startswith('"')
    if not already or not (strong or known):
        return {}
    return {"Range": f"bytes={already}-", **({"If-Range": etag} if strong else {})}


def _goes_on(response: aiohttp.ClientResponse, already: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {already}-")


def _check(
    site: Site, file: RemoteFile, path: Path, received: int, declared: int | None, sha256: str, linked: str | None
) -> None:
    try:
        check_whole(site, file, received, declared, sha256, linked)
    except UserError:
        _throw_away(path)
        raise


def _throw_away(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.etag").unlink(missing_ok=True)
