"""What `darkroom backup` and `darkroom restore` do: the database as of one moment, and the files that it names.

A bot that runs copies its database itself when it is asked (through Redis); a stopped bot's is copied here. What is
copied is checked before it counts as a backup.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bot.backups import BackupMaker
from bot.errors import DarkroomError
from bot.queue import Queue
from bot.store.database import open_database
from bot.store.lock import Taken, hold_data_folder
from bot.store.migrate import find_migrations
from bot.store.snapshots import blobs_named
from trainer.contract.blobs import BlobMissing, Blobs, digest_of

DATABASE, MANIFEST, BLOBS = "darkroom.sqlite3", "manifest.json", "blobs"
COPY_TIMEOUT_S = 600.0
_NAME = re.compile(r"darkroom-\d{8}T\d{6}Z")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds; written last, so that a folder without one is none."""

    at: float  # Unix seconds: the moment that the database is of
    version: int  # of its migrations
    sha256: str  # of the database's file
    blobs: int | None  # files beside it; None: they were left out
    missing: int = 0  # files that were deleted while they were copied


class BackupFault(DarkroomError):
    """A backup can't be made or used; one sentence for the operator."""


async def make_backup(
    data: Path, blobs: Blobs, queue: Queue, into: Path, *, with_blobs: bool = True, now: float | None = None
) -> Path:
    """Make a backup in a new folder under ``into``; its path. Raises BackupFault, QueueDown."""
    at = time.time() if now is None else now
    folder = into / datetime.fromtimestamp(at, UTC).strftime("darkroom-%Y%m%dT%H%M%SZ")
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    before = newest(into)
    try:
        async with _copied(data, queue) as copy:
            await asyncio.to_thread(shutil.move, copy, part / DATABASE)
        version, named = await asyncio.to_thread(_examine, part / DATABASE)
        missing = 0
        if with_blobs:
            for path in named:
                missing += not await _copy_blob(blobs, path, part / BLOBS / path, before)
        manifest = Manifest(
            at=at,
            version=version,
            sha256=await asyncio.to_thread(digest_of, part / DATABASE),
            blobs=len(named) - missing if with_blobs else None,
            missing=missing,
        )
        _write_durably(part / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return folder


@asynccontextmanager
async def _copied(data: Path, queue: Queue) -> AsyncIterator[Path]:
    """A copy of the database, made by the bot if it runs, else here."""
    copy = data / "backups" / f"{secrets.token_hex(8)}.sqlite3"
    try:
        try:
            with hold_data_folder(data):
                database = await open_database(data / DATABASE)
                try:
                    await BackupMaker(database, queue, copy.parent).copy(copy)
                finally:
                    await database.close()
        except Taken:
            answer = await queue.ask_backup(copy.stem, COPY_TIMEOUT_S)
            if answer != "done":
                why = "did not answer" if answer is None else f"could not copy its database ({answer})"
                raise BackupFault(f"The bot {why}: look into its log, and try again.") from None
            if not copy.exists():
                raise BackupFault(
                    f"The bot made a copy that is not in {copy.parent}: run this where the bot's DARKROOM_DATA is."
                ) from None
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _examine(file: Path) -> tuple[int, list[str]]:
    """The version of a database, and the files that it names. Raises BackupFault if it is damaged."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            sound = [row[0] for row in connection.execute("PRAGMA integrity_check")] == ["ok"]
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
            if not sound or orphan is not None:
                raise BackupFault(f"The database {file} is damaged: take an older backup.")
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            return version, blobs_named(connection)
    except sqlite3.Error as error:
        raise BackupFault(f"The database {file} can't be read ({error}): take an older backup.") from error


async def _copy_blob(blobs: Blobs, path: str, target: Path, before: Path | None) -> bool:
    """Copy a file, or link it to the backup before; whether it is there. Their names say their content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    known = None if before is None else before / BLOBS / path
    if known is not None and known.is_file():
        os.link(known, target)
        return True
    try:
        await blobs.fetch(path, target)
    except BlobMissing:
        target.unlink(missing_ok=True)
        return False
    return True


def backups_in(folder: Path) -> list[Path]:
    """The backups in a folder, the oldest first."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file())


def newest(folder: Path) -> Path | None:
    """The newest backup in a folder."""
    found = backups_in(folder)
    return found[-1] if found else None


def delete_older(folder: Path, days: float, now: float | None = None) -> list[Path]:
    """Delete backups of more than ``days`` ago, but never the newest; what a member had deleted goes with them."""
    since = (time.time() if now is None else now) - 86400.0 * days
    old = [path for path in backups_in(folder)[:-1] if read_manifest(path).at < since]
    for path in old:
        shutil.rmtree(path)
    return old


def read_manifest(backup: Path) -> Manifest:
    """What a backup holds. Raises BackupFault: it is none."""
    try:
        return msgspec.json.decode((backup / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupFault(
            f"{str(backup)!r} is no whole backup ({error}): name a folder darkroom-… that `darkroom backup` made."
        ) from error


async def restore_backup(backup: Path, data: Path, blobs: Blobs) -> Manifest:
    """Put a backup's database and files in place; what was there is kept aside in ``data/replaced-…``.

    Raises BackupFault, or StartupFault while a bot runs there.
    """
    manifest = read_manifest(backup)
    if await asyncio.to_thread(digest_of, backup / DATABASE) != manifest.sha256:
        raise BackupFault(f"The database in {str(backup)!r} was changed after it was made: take another backup.")
    newest_version = find_migrations()[-1][0]
    if manifest.version > newest_version:
        raise BackupFault(
            f"The backup is of version {manifest.version}, and this Darkroom knows versions up to {newest_version}:"
            " install the newer Darkroom that made it."
        )
    _, named = await asyncio.to_thread(_examine, backup / DATABASE)
    data.mkdir(parents=True, exist_ok=True)
    with hold_data_folder(data):
        for path in named if manifest.blobs is not None else ():
            await _restore_blob(blobs, path, backup / BLOBS / path, data)
        part = data / f"{DATABASE}.part"
        await asyncio.to_thread(shutil.copyfile, backup / DATABASE, part)
        _put_aside(data)
        part.replace(data / DATABASE)
        database = await open_database(data / DATABASE)  # brings it to the newest version, and shows that it opens
        await database.close()
    return manifest


async def _restore_blob(blobs: Blobs, path: str, source: Path, data: Path) -> None:
    if not source.is_file() or await blobs.exists(path):
        return
    part = data / f"{source.name}.part"  # writing it takes the file away, and the backup has to stay
    await asyncio.to_thread(shutil.copyfile, source, part)
    await blobs.write_file(path, part)


def _put_aside(data: Path) -> None:
    there = [path for path in (data / DATABASE, data / f"{DATABASE}-wal", data / f"{DATABASE}-shm") if path.exists()]
    if there:
        aside = data / datetime.now(UTC).strftime("replaced-%Y%m%dT%H%M%S%fZ")
        aside.mkdir()
        for path in there:
            path.rename(aside / path.name)


def _write_durably(file: Path, data: bytes) -> None:
    with file.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
