"""Attachments become photos in the blob store: fetched within limits, checked, upright, without metadata."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from bot.children import Ended, ask_child
from bot.errors import DarkroomError, UserError, quoted
from bot.fetching import Fetcher, check_bytes
from bot.findings import SHEET_NAME, Report, Scale, photo_name
from bot.orders import Upload
from trainer.contract.blobs import Blobs
from trainer.contract.names import photo_path, photos_prefix, report_path, sheet_path

log = structlog.get_logger(__name__)

LEAST_PHOTOS, MOST_PHOTOS = 3, 10
MOST_PHOTO_BYTES = 25 * 1024 * 1024
MOST_ZIP_BYTES = 100 * 1024 * 1024
DECODE_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class StoredPhotos:
    """Blob paths, beside each the caption that came with it and what a crop keeps in the middle; and what was found."""

    paths: tuple[str, ...]
    captions: tuple[str | None, ...]
    focuses: tuple[tuple[float, float] | None, ...] = ()
    flagged: bool = False  # the report on them is stored beside them, with the crop sheet


@dataclass(frozen=True)
class StoredPictures:
    """Blob paths of pictures to draw from, and their sizes (width, height)."""

    paths: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the decoding child. Its folder then holds the photos by their numbers, and the crop sheet."""

    reading: str | None = None
    looking: bool = False  # at what is explicit in it; a death there is no fault of the photo's
    error: str | None = None
    captions: tuple[str | None, ...] = ()
    report: Report | None = None


def check_uploads(uploads: Sequence[Upload]) -> None:
    """What can be said before a byte is fetched. Raises UserError."""
    way_out = f"attach {LEAST_PHOTOS} to {MOST_PHOTOS} photos, or one zip with up to 100"
    zips = [upload for upload in uploads if is_zip(upload)]
    if not uploads:
        raise UserError(f"There are no photos: {way_out}.")
    if zips and len(uploads) > 1:
        raise UserError(f"{quoted(zips[0].filename)} is a zip among other files: {way_out}.")
    if not zips and len(uploads) < LEAST_PHOTOS:
        count = "One photo is" if len(uploads) == 1 else f"{len(uploads)} photos are"
        raise UserError(f"{count} too few to learn from: {way_out}.")
    if len(uploads) > MOST_PHOTOS:
        raise UserError(f"{len(uploads)} files are too many: {way_out}.")
    for upload in uploads:
        check_bytes(upload, upload.size_bytes, _most_bytes(upload))


def is_zip(upload: Upload) -> bool:
    """By its name alone; its bytes are looked at later."""
    return upload.filename.lower().endswith(".zip")


def _most_bytes(upload: Upload) -> int:
    return MOST_ZIP_BYTES if is_zip(upload) else MOST_PHOTO_BYTES


class Photos:
    """Fetches, checks and stores the photos of a training. Bytes pass through files, never through the bot's memory."""

    def __init__(self, fetcher: Fetcher, blobs: Blobs, incoming: Path, *, explicit_from: float | None = None) -> None:
        """``explicit_from``: the score from which photos are refused as explicit; None: they are not looked at."""
        self._fetcher = fetcher
        self._blobs = blobs
        self._incoming = incoming
        self._explicit_from = explicit_from
        self._one_at_a_time = asyncio.Semaphore(1)  # decoding is heavy, and two small machines' cores are busy

    async def collect(
        self, job_id: str, uploads: Sequence[Upload], scale: Scale, *, explicit_allowed: bool = False
    ) -> StoredPhotos:
        """Fetch, check and store all photos of a job, or none of them. ``scale`` is what its base learns at.

        Raises UserError that names the file and the way out.
        """
        async with self._decoded(uploads, scale, self._threshold(explicit_allowed)) as (folder, captions, report):
            return await self._store(job_id, folder, captions, report)

    async def collect_pictures(
        self, job_id: str, uploads: Sequence[Upload], *, explicit_allowed: bool = False
    ) -> StoredPictures:
        """Fetch, check and store pictures to draw from, however few, where photos lie. Raises UserError."""
        for upload in uploads:
            if is_zip(upload):
                raise UserError(f"{quoted(upload.filename)} is a zip: attach the picture itself, as a JPEG or PNG.")
            check_bytes(upload, upload.size_bytes, MOST_PHOTO_BYTES)
        async with self._folder() as folder:
            sources = [await self._fetch(upload, folder / f"in-{i:03}") for i, upload in enumerate(uploads)]
            captions, report = await self._inspect(sources, folder, Scale(), self._threshold(explicit_allowed))
            if len(captions) != len(uploads):
                raise UserError("A zip is no picture to draw from: attach the picture itself, as a JPEG or PNG.")
            unflagged = msgspec.structs.replace(report, findings=())
            stored = await self._store(job_id, folder, captions, unflagged)
        return StoredPictures(stored.paths, tuple((photo.width, photo.height) for photo in report.photos))

    async def delete(self, job_id: str) -> None:
        """Delete what was stored for a job that is not accepted."""
        await self._blobs.delete_all(photos_prefix(job_id))

    async def check(self, uploads: Sequence[Upload], scale: Scale) -> tuple[Report, bytes]:
        """Look through photos and keep nothing: what is to be said of them, and the crop sheet, a JPEG.

        Raises UserError, as :meth:`collect` would.
        """
        async with self._decoded(uploads, scale, self._threshold(explicit_allowed=False)) as (folder, _, report):
            return report, await asyncio.to_thread((folder / SHEET_NAME).read_bytes)

    async def look_again(self, paths: Sequence[str], scale: Scale) -> tuple[Report, bytes]:
        """The same of photos that are stored, which have lost their names. Raises BlobMissing: they are deleted."""
        async with self._folder() as folder:
            sources = []
            for index, path in enumerate(paths):
                file = folder / f"in-{index:03}"
                await asyncio.to_thread(file.write_bytes, await self._blobs.read(path))
                sources.append({"path": str(file), "filename": ""})
            _, report = await self._inspect(sources, folder, scale, None)  # they were looked at when they came
            return report, await asyncio.to_thread((folder / SHEET_NAME).read_bytes)

    @asynccontextmanager
    async def _decoded(
        self, uploads: Sequence[Upload], scale: Scale, explicit_from: float | None
    ) -> AsyncIterator[tuple[Path, tuple[str | None, ...], Report]]:
        """A folder with the photos, fetched and decoded, as long as it is needed. Raises UserError."""
        check_uploads(uploads)
        async with self._folder() as folder:
            sources = [await self._fetch(upload, folder / f"in-{i:03}") for i, upload in enumerate(uploads)]
            yield folder, *await self._inspect(sources, folder, scale, explicit_from)

    @asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        """For photos that come in, as long as it is needed."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _inspect(
        self, sources: list[dict[str, str]], folder: Path, scale: Scale, explicit_from: float | None
    ) -> tuple[tuple[str | None, ...], Report]:
        """Decode the files into ``folder``: their captions, and what is to be said of them. Raises UserError."""
        async with self._one_at_a_time:
            said = await _decode(sources, folder, scale, explicit_from)
        if said.report is None or len(said.report.photos) != len(said.captions):
            raise DarkroomError("the decoder did not say what it found")
        return said.captions, said.report

    def _threshold(self, explicit_allowed: bool) -> float | None:
        """The score from which a photo is refused; None: none is looked at."""
        return None if explicit_allowed else self._explicit_from

    def clear_incoming(self) -> None:
        """Delete what a bot that died in between has left; at start, before anything is collected."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    async def _fetch(self, upload: Upload, path: Path) -> dict[str, str]:
        await self._fetcher.fetch(upload, path, most_bytes=_most_bytes(upload), what="the photos")
        return {"path": str(path), "filename": upload.filename}

    async def _store(self, job_id: str, folder: Path, captions: tuple[str | None, ...], report: Report) -> StoredPhotos:
        paths = tuple(photo_path(job_id, index) for index in range(len(captions)))
        try:
            for index, path in enumerate(paths):
                await self._blobs.write(path, await asyncio.to_thread((folder / photo_name(index)).read_bytes))
            if report.findings:
                await self._blobs.write(sheet_path(job_id), await asyncio.to_thread((folder / SHEET_NAME).read_bytes))
                await self._blobs.write(report_path(job_id), msgspec.json.encode(report))
        except BaseException:
            await self._blobs.delete_all(photos_prefix(job_id))
            raise
        return StoredPhotos(paths, captions, tuple(photo.focus for photo in report.photos), bool(report.findings))


async def _decode(sources: list[dict[str, str]], folder: Path, scale: Scale, explicit_from: float | None) -> Said:
    """Let a child process decode the files and look at them. Raises UserError."""
    request = msgspec.json.encode(
        {"sources": sources, "folder": str(folder), "scale": scale, "explicit_from": explicit_from}
    )
    try:
        return _answer(await ask_child("bot.decoding", request, timeout_s=DECODE_TIMEOUT_S))
    except TimeoutError:
        raise UserError("These photos took too long to open: save them anew as smaller JPEGs and send those.") from None


def _answer(ended: Ended) -> Said:
    last = msgspec.json.decode(ended.lines[-1], type=Said) if ended.lines else Said()
    if last.error is not None:
        raise UserError(last.error)
    if last.report is not None:
        return last
    log.error("decoding.died", returncode=ended.returncode, stderr=ended.stderr[-2000:])
    if last.looking:
        raise DarkroomError("the photos could not be looked at, so they are not taken")
    if last.reading is not None:
        raise UserError(f"{quoted(last.reading)} can't be opened: save it anew as a JPEG and send that.")
    raise DarkroomError(f"the decoder ended with {ended.returncode} before it read anything")
