"""Backups under load, restored; what a member had deleted does not outlive the oldest of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.backups import BackupMaker
from bot.queue import Queue, open_queue
from bot.restoring import (
    DATABASE,
    MANIFEST,
    BackupFault,
    backups_in,
    delete_older,
    make_backup,
    read_manifest,
    restore_backup,
)
from bot.store import adapters, members
from bot.store.database import Database, open_database
from bot.store.lock import Taken, hold_data_folder
from bot.store.records import Adapter
from trainer.contract.blobs import Blobs, open_blobs

DAY_S = 86400.0


def adapter_of(blob: str, number: int) -> Adapter:
    return Adapter(
        id=f"a{number}", job_id=str(number), owner_id=1, owner_name="ada", guild_id=None, name=f"thing-{number}",
        kind="lora", subject_kind="subject", trigger="thing", class_word="toy", base="emoji-64", base_hash="0",
        blob=blob, size_bytes=1, rank=4, steps=1, photos=3, seconds=1.0, final_loss=0.1, trainer_version="0",
        created_at=float(number),
    )  # fmt: skip


class House:
    """A data folder with its database, blobs and Redis; the bot's part of it is there while `bot_runs`."""

    def __init__(self, folder: Path, queue: Queue) -> None:
        self.data, self.queue = folder / "data", queue
        self.data.mkdir()
        self.blobs: Blobs = open_blobs(str(folder / "blobs"))
        self.backups = folder / "backups"

    async def add(self, database: Database, number: int) -> None:
        blob = await self.blobs.put(f"weights {number}".encode(), ".safetensors")

        def enter(tx: sqlite3.Connection) -> None:
            members.remember(tx, 1, "ada", float(number))
            adapters.insert(tx, adapter_of(blob, number))

        await database.write(enter)

    async def names(self) -> list[str]:
        database = await open_database(self.data / DATABASE)
        try:
            return [row[0] for row in await database.read(lambda tx: tx.execute("SELECT id FROM adapters").fetchall())]
        finally:
            await database.close()


@pytest.fixture
async def house(tmp_path: Path, redis_url: str) -> AsyncIterator[House]:
    async with open_queue(redis_url) as queue:
        yield House(tmp_path, queue)


@pytest.fixture
def held(house: House) -> Iterator[None]:
    with hold_data_folder(house.data):
        yield


async def fill(house: House, *numbers: int) -> None:
    database = await open_database(house.data / DATABASE)
    for number in numbers:
        await house.add(database, number)
    await database.close()


async def test_a_backup_of_a_stopped_bot_is_restored_with_its_files(house: House) -> None:
    await fill(house, 1, 2)
    made = await make_backup(house.data, house.blobs, house.queue, house.backups, now=0.0)
    assert made.name == "darkroom-19700101T000000Z"
    assert read_manifest(made).blobs == 2
    assert sorted(path.name for path in made.iterdir()) == ["blobs", DATABASE, MANIFEST]
    await fill(house, 3)
    for path in await house.blobs.list("blobs/"):
        await house.blobs.delete(path)
    await restore_backup(made, house.data, house.blobs)
    assert sorted(await house.names()) == ["a1", "a2"]
    assert {await house.blobs.read(path) for path in await house.blobs.list("blobs/")} == {b"weights 1", b"weights 2"}
    # what was there is kept aside, whole
    (aside,) = house.data.glob("replaced-*")
    with closing(sqlite3.connect(aside / DATABASE)) as before:
        assert before.execute("SELECT count(*) FROM adapters").fetchone() == (3,)
    # and the backup is still one
    await restore_backup(made, house.data, house.blobs)


@pytest.mark.usefixtures("held")
async def test_a_bot_that_runs_is_backed_up_while_it_writes(house: House) -> None:
    """Each backup holds a prefix of what was written: no acknowledged write before it is missing, and none is half."""
    database = await open_database(house.data / DATABASE)
    maker = asyncio.create_task(BackupMaker(database, house.queue, house.data / "backups").run())
    written: list[int] = []
    stopped = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            await house.add(database, number)
            written.append(number)

    writer = asyncio.create_task(write())
    counts = []
    for round_ in range(3):
        known = len(written)
        made = await make_backup(house.data, house.blobs, house.queue, house.backups, now=round_ * DAY_S)
        with closing(sqlite3.connect(made / DATABASE)) as copy:
            ids = [int(row[0][1:]) for row in copy.execute("SELECT id FROM adapters")]
        assert sorted(ids) == list(range(1, len(ids) + 1))
        assert known <= len(ids) <= len(written) + 1
        manifest = read_manifest(made)
        assert (manifest.blobs, manifest.missing) == (len(ids), 0)
        counts.append(len(ids))
    stopped.set()
    await writer
    maker.cancel()
    await asyncio.gather(maker, return_exceptions=True)
    await database.close()
    assert counts == sorted(counts)
    assert not list((house.data / "backups").iterdir())  # what the bot laid down was taken away


async def test_files_that_two_backups_share_lie_on_the_disk_once(house: House) -> None:
    await fill(house, 1)
    first = await make_backup(house.data, house.blobs, house.queue, house.backups, now=0.0)
    await fill(house, 2)
    second = await make_backup(house.data, house.blobs, house.queue, house.backups, now=DAY_S)
    (shared,) = (path for path in first.rglob("*.safetensors"))
    assert shared.stat().st_ino == (second / shared.relative_to(first)).stat().st_ino
    assert len(list(second.rglob("*.safetensors"))) == 2


async def test_backups_expire_but_the_newest_stays(house: House) -> None:
    await fill(house, 1)
    made = [
        await make_backup(house.data, house.blobs, house.queue, house.backups, now=day * DAY_S) for day in (0, 5, 9)
    ]
    assert delete_older(house.backups, 3, now=10 * DAY_S) == made[:2]
    assert delete_older(house.backups, 3, now=90 * DAY_S) == []
    assert backups_in(house.backups) == [made[2]]


async def test_a_file_that_is_gone_is_counted_and_the_rest_is_kept(house: House) -> None:
    await fill(house, 1, 2)
    await house.blobs.delete((await house.blobs.list("blobs/"))[0])
    made = await make_backup(house.data, house.blobs, house.queue, house.backups)
    assert (read_manifest(made).blobs, read_manifest(made).missing) == (1, 1)
    await restore_backup(made, house.data, house.blobs)


@pytest.mark.usefixtures("held")
async def test_nothing_is_restored_under_a_bot_that_runs(house: House, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    database = await open_database(other / DATABASE)
    await database.close()
    made = await make_backup(other, house.blobs, house.queue, house.backups)
    with pytest.raises(Taken, match="A bot runs already with DARKROOM_DATA"):
        await restore_backup(made, house.data, house.blobs)
    assert not (house.data / DATABASE).exists()


async def test_what_is_no_whole_backup_is_refused_and_changes_nothing(house: House) -> None:
    await fill(house, 1)
    made = await make_backup(house.data, house.blobs, house.queue, house.backups)
    await fill(house, 2)
    whole = (made / DATABASE).read_bytes()
    (made / DATABASE).write_bytes(whole[:-4096])
    with pytest.raises(BackupFault, match="was changed after it was made"):
        await restore_backup(made, house.data, house.blobs)
    (made / DATABASE).write_bytes(whole)
    (made / MANIFEST).unlink()
    with pytest.raises(BackupFault, match="is no whole backup"):
        await restore_backup(made, house.data, house.blobs)
    assert sorted(await house.names()) == ["a1", "a2"]


async def test_a_damaged_database_makes_no_backup(house: House) -> None:
    await fill(house, *range(1, 40))
    file = house.data / DATABASE
    data = bytearray(file.read_bytes())
    data[-8192:] = b"\xff" * 8192
    file.write_bytes(data)
    with pytest.raises((BackupFault, sqlite3.DatabaseError)):
        await make_backup(house.data, house.blobs, house.queue, house.backups)
    assert backups_in(house.backups) == []
    assert not list(house.backups.iterdir())


async def test_two_bots_never_have_one_database(house: House) -> None:
    with hold_data_folder(house.data), pytest.raises(Taken), hold_data_folder(house.data):
        raise AssertionError("both had it")
    with hold_data_folder(house.data):
        pass
