"""The folder between a worker and its engine: what lies in it, for how long, and who may look."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore

from trainer.contract.blobs import BlobMissing, Blobs, open_blobs
from trainer.spool import open_spool


class Distant(Blobs):
    """A blob store that is no folder to its readers, and counts what it sends them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(LocalStore(folder))
        self.fetched: list[str] = []

    async def fetch(self, path: str, file: Path) -> None:
        self.fetched.append(path)
        await super().fetch(path, file)


@pytest.fixture
def distant(tmp_path: Path) -> Distant:
    return Distant(tmp_path / "distant")


def test_nobody_else_may_look_into_it_and_nothing_stays(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool", open_blobs(str(tmp_path / "blobs")))
    with spool.room() as room:
        (room / "photo").write_bytes(b"pixels")
        for folder in (room, room.parent, tmp_path / "spool"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not room.exists()
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_a_killed_worker_left_is_swept_away_and_a_living_ones_is_not(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from trainer.contract.blobs import open_blobs;"
        "from trainer.spool import open_spool; spool = open_spool(Path(sys.argv[1]), open_blobs(sys.argv[2]));"
        "spool.room().__enter__(); os.kill(os.getpid(), 9)"
    )
    blobs, folder = str(tmp_path / "blobs"), tmp_path / "spool"
    subprocess.run([sys.executable, "-c", script, str(folder), blobs], check=False)
    [left] = folder.iterdir()
    first = open_spool(folder, open_blobs(blobs))
    assert not left.exists()
    [own] = folder.iterdir()
    second = open_spool(folder, open_blobs(blobs))
    assert own.exists()
    assert len(list(folder.iterdir())) == 2
    first.close()
    second.close()


async def test_a_blob_in_a_folder_is_lent_as_it_is(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path / "blobs"))
    path = await blobs.put(b"an adapter", ".safetensors")
    spool = open_spool(tmp_path / "spool", blobs)
    with spool.room() as room:
        lent = await spool.lend(path, room)
        assert (Path(lent.path), lent.size, lent.read()) == (tmp_path / "blobs" / path, 10, b"an adapter")
        assert list(room.iterdir()) == []
        with pytest.raises(BlobMissing):
            await spool.lend("blobs/none", room)
    assert await blobs.exists(path)
    spool.close()


async def test_a_whole_model_from_afar_is_fetched_once(tmp_path: Path, distant: Distant) -> None:
    one, other = await distant.put(b"one model"), await distant.put(b"another")
    spool = open_spool(tmp_path / "spool", distant)
    with spool.room() as room:
        first = await spool.lend(one, room, keep=True)
        again = await spool.lend(one, room, keep=True)
        assert distant.fetched == [one]
        await spool.lend(other, room, keep=True)
        assert (first.read(), again.read()) == (b"one model", b"one model")  # they outlive their successor
        await spool.lend(one, room)
        assert distant.fetched == [one, other, one]
        await distant.delete(other)
        with pytest.raises(BlobMissing):  # what its owner deleted is not drawn with any more
            await spool.lend(other, room, keep=True)
    spool.close()


@pytest.mark.parametrize("near", [True, False], ids=["folder", "distant"])
async def test_a_file_becomes_a_blob_under_its_hash_and_is_gone(tmp_path: Path, near: bool, distant: Distant) -> None:
    blobs: Any = open_blobs(str(tmp_path / "blobs")) if near else distant
    path = await blobs.put(b"weights" * 10**6, ".safetensors")  # several chunks
    for data, expected in ((b"weights" * 10**6, path), (b"others" * 10**6, None)):
        file = tmp_path / "made.safetensors"
        file.write_bytes(data)
        stored = await blobs.put_file(file, ".safetensors")
        assert stored == expected or expected is None
        assert await blobs.read(stored) == data
        assert not file.exists()
    copy = tmp_path / "copy"
    await blobs.fetch(path, copy)
    assert copy.read_bytes() == b"weights" * 10**6
    with pytest.raises(BlobMissing):
        await blobs.fetch("blobs/none", copy)


def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    """300 MB to a distant store and back, in a process of its own that tells the most memory it ever had."""
    script = """
import asyncio, resource, sys
from pathlib import Path
from obstore.store import LocalStore
from trainer.contract.blobs import Blobs

async def main(folder: Path) -> None:
    (folder / "store").mkdir()
    blobs = Blobs(LocalStore(folder / "store"))
    with (folder / "made").open("wb") as file:
        for number in range(300):
            file.write((number % 256).to_bytes() * 10**6)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = await blobs.put_file(folder / "made")
    await blobs.fetch(path, folder / "copy")
    print((folder / "copy").stat().st_size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main(Path(sys.argv[1])))
"""
    # what was freed goes back at once, so that what is counted was held
    env = os.environ | {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True, env=env
    )
    size, kilobytes = map(int, done.stdout.split())
    assert size == 300 * 10**6
    assert kilobytes < 150_000
