"""The web server behind links to exported files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp.test_utils import TestClient, TestServer
from obstore.store import MemoryStore

from bot.errors import StartupFault
from bot.exporting.downloads import MOST_REQUESTS, PER_MINUTE, Downloads, open_downloads
from bot.exporting.links import GOOD_FOR_S, Links
from tests.bot.worlds import Clock
from trainer.contract.blobs import Blobs
from trainer.contract.events import Outcome, OutputFile

DATA = bytes(range(256)) * 8192  # 2 MiB: more than a chunk


@dataclass
class Job:
    """What was exported."""

    id: str = "77"
    owner_id: int = 1


class Books:
    """Of jobs and exports what the server asks."""

    def __init__(self) -> None:
        self.allowed, self.blob = True, ""

    async def get(self, job_id: str) -> Job | None:
        return Job() if job_id == "77" else None

    async def is_allowed(self, job: Job, member_id: int) -> bool:
        return self.allowed and member_id == job.owner_id

    async def outcome(self, job: Job) -> Outcome:
        file = OutputFile(self.blob, "thnos.safetensors", "application/octet-stream", len(DATA))
        return Outcome(job_id="77", attempt=1, committed_at=0.0, export=file)


class Site:
    """The server and who asks it."""

    def __init__(self, books: Books, links: Links, clock: Clock, client: TestClient) -> None:  # type: ignore[type-arg]
        self.books, self.links, self.clock, self.client = books, links, clock, client

    def link(self) -> str:
        return self.links.make(Job()).removeprefix("http://here")  # type: ignore[arg-type]

    async def status(self, path: str, **headers: str) -> int:
        self.clock.now += 10  # so that nobody asks too often
        async with self.client.get(path, headers=headers) as answer:
            return answer.status


@pytest.fixture(params=["folder", "memory"])
async def site(request: pytest.FixtureRequest, blobs: Blobs, clock: Clock) -> AsyncIterator[Site]:
    store = blobs if request.param == "folder" else Blobs(MemoryStore())
    books, links = Books(), Links("http://here", clock=clock)
    books.blob = await store.put(DATA, ".safetensors")
    downloads = Downloads(links, books, books, store, clock=clock)  # type: ignore[arg-type]
    async with TestClient(TestServer(downloads.application())) as client:
        yield Site(books, links, clock, client)


async def test_the_file_comes_whole_and_as_a_file(site: Site) -> None:
    async with site.client.get(site.link()) as answer:
        assert answer.status == 200
        assert await answer.read() == DATA
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="thnos.safetensors"'
        assert answer.headers["Cache-Control"] == "private, no-store"


async def test_a_download_that_broke_off_goes_on(site: Site) -> None:
    link, own = site.link(), site.client.server.app  # type: ignore[union-attr]
    assert own is not None
    async with site.client.get(link, headers={"Range": "bytes=100-"}) as answer:
        data = await answer.read()
    assert data in (DATA, DATA[100:])  # a store that is no folder begins anew
    for _ in range(3):
        assert await site.status(link) == 200
    assert await site.status(link) == 410
    assert await site.status(site.link()) == 200


async def test_nobody_asks_a_link_for_ever(site: Site) -> None:
    link = site.link()
    for _ in range(MOST_REQUESTS):
        assert await site.status(link, Range="bytes=5-6") in (200, 206)
    assert await site.status(link, Range="bytes=5-6") == 410


async def test_links_that_are_too_old_or_not_allowed_any_more(site: Site) -> None:
    link = site.link()
    site.books.allowed = False
    assert await site.status(link) == 410
    site.books.allowed = True
    assert await site.status(link) == 200
    site.clock.now += GOOD_FOR_S
    assert await site.status(link) == 410


async def test_a_file_that_is_gone(site: Site) -> None:
    site.books.blob = "blobs/00/gone.safetensors"
    assert await site.status(site.link()) == 410


@pytest.mark.parametrize("path", ["/", "/exports", "/exports/", "/exports/x", "/exports/../etc/passwd"])
async def test_nothing_else_is_there(site: Site, path: str) -> None:
    assert await site.status(path) == 404


async def test_other_methods_are_not_answered(site: Site) -> None:
    async with site.client.post(site.link(), data=b"x") as answer:
        assert answer.status == 405


async def test_who_asks_too_often_waits_a_minute(site: Site) -> None:
    for _ in range(PER_MINUTE):
        async with site.client.get("/exports/x") as answer:
            assert answer.status == 404
    async with site.client.get(site.link()) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
    site.clock.now += 61
    assert await site.status(site.link()) == 200


async def test_a_port_that_is_taken_ends_the_start_in_a_sentence(site: Site) -> None:
    port = site.client.port
    assert port is not None
    downloads = Downloads(site.links, site.books, site.books, Blobs(MemoryStore()))  # type: ignore[arg-type]
    with pytest.raises(StartupFault, match=f"DARKROOM_DOWNLOADS_PORT {port} can't be used"):
        await open_downloads(downloads, "127.0.0.1", port)
