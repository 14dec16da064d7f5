"""The blob store: content-addressed files and a few named ones, in a folder or in S3, over obstore."""

from __future__ import annotations

import hashlib
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url


class BlobMissing(Exception):
    """No blob at this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no blob at {path!r}")
        self.path = path


class Blobs:
    """Reads and writes blobs. Paths are made by ``contract.names`` or by :meth:`put`, never from what people type."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, data: bytes, suffix: str = "") -> str:
        """Store ``data`` under its SHA-256 and return the path; the same bytes are stored once."""
        digest = hashlib.sha256(data).hexdigest()
        path = f"blobs/{digest[:2]}/{digest}{suffix}"
        await self.create(path, data)
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


def open_blobs(location: str) -> Blobs:
    """Open the blob store at ``location``: a folder (made when it is not there) or an ``s3://`` URL.

    S3 takes its keys from the environment (AWS_ACCESS_KEY_ID …), as obstore documents.
    """
    if "://" in location:
        return Blobs(from_url(location))
    folder = Path(location).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return Blobs(LocalStore(folder, automatic_cleanup=True))
