"""The blob store: content-addressed files and a few named ones, in a folder or in S3, over obstore."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

# of a file on its way in: S3 takes 10,000 parts, and none that is smaller
PART_BYTES, PARTS_AT_ONCE = 5 * 1024 * 1024, 4
CHUNK_BYTES = 1024 * 1024  # of a file on its way out of it


class BlobMissing(Exception):
    """No blob at this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no blob at {path!r}")
        self.path = path


class Blobs:
    """Reads and writes blobs. Paths are made by ``contract.names`` or by :meth:`put`, never from what people type.

    What may be gigabytes comes and goes as a file, and is never in memory as a whole.
    """

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        """``folder``: where the files are, if the store is a folder."""
        self._store, self._folder = store, folder

    async def put(self, data: bytes, suffix: str = "") -> str:
        """Store ``data`` under its SHA-256 and return the path; the same bytes are stored once."""
        path = _content_path(hashlib.sha256(data).hexdigest(), suffix)
        await self.create(path, data)
        return path

    async def put_file(self, file: Path, suffix: str = "") -> str:
        """:meth:`put` for a file, which is gone afterwards."""
        path = _content_path(await asyncio.to_thread(digest_of, file), suffix)
        if await self.exists(path):
            file.unlink()
        else:
            await self.write_file(path, file)
        return path

    async def create(self, path: str, data: bytes) -> bool:
        """Write ``data`` at ``path`` only if nothing is there, atomically; whether it was written."""
        try:
            await obstore.put_async(self._store, path, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    async def write(self, path: str, data: bytes) -> None:
        """Write ``data`` at ``path``, replacing what is there, atomically."""
        await obstore.put_async(self._store, path, data)

    async def write_file(self, path: str, file: Path) -> None:
        """:meth:`write` for a file, which is gone afterwards: renamed where the store is a folder on its disk."""
        if self._folder is not None:
            target = self._folder / path
            with suppress(OSError):  # another disk
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
                return
        await obstore.put_async(self._store, path, file, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        file.unlink()

    def own_file(self, path: str) -> Path | None:
        """The blob's own file, to be read and no more, where the store is a folder. Raises :class:`BlobMissing`."""
        if self._folder is None:
            return None
        own = self._folder / path
        if not own.is_file():
            raise BlobMissing(path)
        return own

    async def fetch(self, path: str, file: Path) -> None:
        """Copy the blob into ``file``, chunk by chunk. Raises :class:`BlobMissing`."""
        try:
            found = await obstore.get_async(self._store, path)
            with file.open("wb") as out:
                async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                    await asyncio.to_thread(out.write, chunk)
        except (NotFoundError, FileNotFoundError) as error:
            raise BlobMissing(path) from error

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The bytes at ``path``, chunk by chunk. Raises :class:`BlobMissing`."""
        try:
            found = await obstore.get_async(self._store, path)
        except (NotFoundError, FileNotFoundError) as error:
            raise BlobMissing(path) from error
        async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def read(self, path: str) -> bytes:
        """The bytes at ``path``. Raises :class:`BlobMissing`."""
        try:
            result = await obstore.get_async(self._store, path)
            return bytes(await result.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            raise BlobMissing(path) from error

    async def exists(self, path: str) -> bool:
        """Whether there is a blob at ``path``."""
        try:
            await obstore.head_async(self._store, path)
        except (NotFoundError, FileNotFoundError):
            return False
        return True

    async def delete(self, path: str) -> None:
        """Delete the blob at ``path``; one that is gone already is no error."""
        try:
            await obstore.delete_async(self._store, path)
        except (NotFoundError, FileNotFoundError):
            return

    async def list(self, prefix: str) -> list[str]:
        """All paths under ``prefix``, sorted."""
        found: list[str] = []
        async for chunk in obstore.list(self._store, prefix=prefix):
            found.extend(meta["path"] for meta in chunk)
        return sorted(found)

    async def delete_all(self, prefix: str) -> None:
        """Delete every blob under ``prefix``."""
        for path in await self.list(prefix):
            await self.delete(path)


def _content_path(digest: str, suffix: str) -> str:
    return f"blobs/{digest[:2]}/{digest}{suffix}"


def digest_of(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal digits, read piece by piece."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def open_blobs(
    location: str,
    *,
    endpoint: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
) -> Blobs:
    """Open the blob store at ``location``: a folder (made when it is not there) or an ``s3://bucket/prefix`` URL.

    What is None of S3, obstore takes from the environment (AWS_REGION …) or the machine; without ``endpoint`` it is
    Amazon's. Raises ValueError, or one of obstore's errors, for what is neither.
    """
    if location.startswith("s3://"):
        named = {"endpoint": endpoint, "access_key_id": access_key_id, "secret_access_key": secret_access_key}
        config = {name: value for name, value in named.items() if value is not None}
        # a server of one's own is often reached without TLS, on the same machine or network
        options = {"allow_http": (endpoint or "").startswith("http://")}
        return Blobs(from_url(location, config=config, client_options=options))
    if "://" in location:
        raise ValueError("it is neither a folder nor an s3:// address")
    folder = Path(location).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return Blobs(LocalStore(folder, automatic_cleanup=True), folder)
