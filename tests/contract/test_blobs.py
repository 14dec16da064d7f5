"""The blob store promises the same in a folder and in S3; S3 is moto's server on loopback."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from trainer.contract.blobs import PART_BYTES, BlobMissing, Blobs, open_blobs

KEYS = {"access_key_id": "darkroom", "secret_access_key": "not-a-secret"}
Open = Callable[[], Blobs]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same empty store, each time as another process would."""
    if request.param == "folder":
        return lambda: open_blobs(str(tmp_path / "blobs"))
    endpoint, bucket = (
        request.getfixturevalue("endpoint"),
        re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-"),
    )
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="darkroom", aws_secret_access_key="not-a-secret",
        region_name="us-east-1",
    )  # fmt: skip
    client.create_bucket(Bucket=bucket)
    return lambda: open_blobs(f"s3://{bucket}/darkroom", endpoint=endpoint, **KEYS)


async def test_the_same_bytes_are_stored_once_under_their_hash(open_store: Open) -> None:
    one, other = open_store(), open_store()
    path = await one.put(b"latents", ".safetensors")
    assert path == await other.put(b"latents", ".safetensors") != await other.put(b"others", ".safetensors")
    assert await other.read(path) == b"latents"
    assert len(await one.list("blobs/")) == 2


async def test_an_outcome_is_committed_by_one_of_many(open_store: Open) -> None:
    stores = [open_store() for _ in range(8)]
    created = await asyncio.gather(
        *(store.create("outcomes/7", str(number).encode()) for number, store in enumerate(stores))
    )
    assert sum(created) == 1
    assert await stores[0].read("outcomes/7") == str(created.index(True)).encode()


async def test_a_checkpoint_replaces_the_one_before(open_store: Open) -> None:
    store = open_store()
    await store.write("checkpoints/7/newest.json", b"1")
    await store.write("checkpoints/7/newest.json", b"2")
    assert await open_store().read("checkpoints/7/newest.json") == b"2"


async def test_files_larger_than_a_part_go_in_and_out(open_store: Open, tmp_path: Path) -> None:
    data = bytes(range(256)) * (2 * PART_BYTES // 256 + 4)
    going, coming = tmp_path / "going", tmp_path / "coming"
    going.write_bytes(data)
    path = await open_store().put_file(going)
    assert not going.exists()
    await open_store().fetch(path, coming)
    assert coming.read_bytes() == data


async def test_what_is_not_there_is_named_and_deleting_it_is_no_error(open_store: Open, tmp_path: Path) -> None:
    store = open_store()
    with pytest.raises(BlobMissing, match="blobs/aa/aa"):
        await store.read("blobs/aa/aa")
    with pytest.raises(BlobMissing, match="blobs/aa/aa"):
        await store.fetch("blobs/aa/aa", tmp_path / "coming")
    assert not await store.exists("blobs/aa/aa")
    await store.delete("blobs/aa/aa")


async def test_a_jobs_photos_are_deleted_and_no_others(open_store: Open) -> None:
    store = open_store()
    for path in ("photos/7/000.png", "photos/7/001.png", "photos/70/000.png"):
        await store.write(path, b"a photo")
    await store.delete_all("photos/7/")
    assert await store.list("photos/") == ["photos/70/000.png"]


def test_what_is_neither_a_folder_nor_s3_is_refused() -> None:
    with pytest.raises(ValueError, match="neither a folder nor an s3:// address"):
        open_blobs("memory://")
