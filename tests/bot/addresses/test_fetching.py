"""Files of the sites onto the disk, and hostile servers, of which nothing stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from bot.addresses import fetching
from bot.addresses.door import Addresses, Keys
from bot.addresses.page import Page
from bot.errors import UserError
from tests.bot.addresses.internet import (
    SHA256,
    WEIGHTS,
    Handler,
    Internet,
    civitai_file,
    civitai_model,
    civitai_version,
    endless,
    hub_repository,
)

MOST = 10 * 1024 * 1024
MODEL, FILE = "civitai.com/api/v1/models/123", "civitai.com/api/download/models/456"
STORE = "b2.civitai.com/file/civitai-modelfiles/model/7/moss.safetensors"
HUB_FILE = "huggingface.co/ada/moss/resolve/0123456789abcdef0123456789abcdef01234567/moss.safetensors"


@pytest.fixture
async def page(internet: Internet, addresses: Addresses) -> Page:
    """A LoRA on Civitai whose file lies where its site says."""
    internet.answer(MODEL, civitai_model())
    internet.redirect(FILE, f"https://{STORE}?Authorization=3_20&b2ContentDisposition=a%3Bb%22")
    internet.answer(STORE, WEIGHTS)
    return await addresses.look_up("https://civitai.com/models/123")


async def refusal(addresses: Addresses, page: Page, path: Path, most_bytes: int = MOST) -> str:
    with pytest.raises(UserError) as caught:
        await addresses.fetch(page, path, most_bytes=most_bytes)
    assert list(path.parent.iterdir()) == []
    return caught.value.message


async def test_a_file_is_fetched_and_its_progress_told(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    path = tmp_path / "moss"
    sha256 = await addresses.fetch(page, path, most_bytes=MOST, on_progress=lambda *now: told.append(now))
    assert (path.read_bytes(), sha256) == (WEIGHTS, SHA256)
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert internet.asked[-1].rel_url.raw_query_string == "Authorization=3_20&b2ContentDisposition=a%3Bb%22"


async def test_a_file_of_hugging_face_is_fetched_by_its_commit(
    internet: Internet, addresses: Addresses, tmp_path: Path
) -> None:
    internet.answer("huggingface.co/api/models/ada/moss/revision/main", hub_repository())
    internet.redirect(HUB_FILE, "https://us.aws.cdn.hf.co/xet-bridge-us/1/2?X-Amz-Signature=3")
    internet.answer("us.aws.cdn.hf.co/xet-bridge-us/1/2", WEIGHTS)
    page = await addresses.look_up("https://huggingface.co/ada/moss")
    assert await addresses.fetch(page, tmp_path / "moss", most_bytes=MOST) == SHA256


@pytest.mark.parametrize(
    "location",
    [
        "https://169.254.169.254/latest/meta-data/", "http://169.254.169.254/", "https://127.0.0.1/", "https://[::1]/",
        f"http://{STORE}", "https://evil.example/x", "https://b2.civitai.com.evil.example/x", "https://b2.civitai.com:444/x",
        "https://a@b2.civitai.com/x", "https://b2.civitai.com@evil.example/x", "//evil.example/x", "file:///etc/passwd",
        "https://huggingface.co/x", "https://b2.civitai.com\\@evil.example/", "ftp://civitai.com/x",
        "https://[", "https://evil.r2.cloudflarestorage.com/x", "gopher://civitai.com/",
    ],
)  # fmt: skip
async def test_redirects_to_elsewhere_are_not_followed(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path, location: str
) -> None:
    internet.redirect(FILE, location)
    internet.answer("evil.example/x", WEIGHTS)
    asked = len(internet.asked)
    assert "not known to come from" in await refusal(addresses, page, tmp_path / "moss")
    assert len(internet.asked) == asked + 1


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.7", "::1", "::ffff:127.0.0.1"])
async def test_a_known_name_that_leads_into_this_network_is_not_connected_to(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path, address: str
) -> None:
    internet.lies["b2.civitai.com"] = [address]
    assert "not known to come from" in await refusal(addresses, page, tmp_path / "moss")


async def test_redirects_in_a_circle_end(internet: Internet, addresses: Addresses, page: Page, tmp_path: Path) -> None:
    internet.redirect(FILE, f"https://{FILE}?again=1")
    assert "round in circles" in await refusal(addresses, page, tmp_path / "moss")


async def test_being_sent_to_log_in_is_understood(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
) -> None:
    internet.redirect(FILE, "/login?returnUrl=/models/123")
    assert "CIVITAI_TOKEN" in await refusal(addresses, page, tmp_path / "moss")
    internet.answer(FILE, web.Response(text="<html>Log in</html>", content_type="text/html"))
    assert "CIVITAI_TOKEN" in await refusal(addresses, page, tmp_path / "moss")


@pytest.mark.parametrize(("status", "words"), [(401, "CIVITAI_TOKEN"), (403, "early access"), (404, "removed")])
async def test_a_file_that_is_not_given_out_is_told(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path, status: int, words: str
) -> None:
    internet.answer(FILE, web.Response(status=status))
    assert words in await refusal(addresses, page, tmp_path / "moss")


async def test_what_is_declared_too_large_is_not_begun(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
) -> None:
    asked = len(internet.asked)
    assert "is the most that is taken" in await refusal(addresses, page, tmp_path / "moss", most_bytes=50_000)
    assert len(internet.asked) == asked


async def declares_much(request: web.Request) -> web.StreamResponse:
    """A header that says a terabyte."""
    response = web.StreamResponse(headers={"Content-Length": str(2**40)})
    await response.prepare(request)
    await response.write(b"\0" * 10)
    return response


@pytest.mark.parametrize("hostile", [endless, declares_much])
async def test_what_turns_out_too_large_is_left(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path, hostile: Handler
) -> None:
    internet.answer(STORE, hostile)
    assert "10 MB is the most" in await refusal(addresses, page, tmp_path / "moss")


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Half of what was promised."""
    response = web.StreamResponse(headers={"Content-Length": str(len(WEIGHTS))})
    await response.prepare(request)
    await response.write(WEIGHTS[:50_000])
    assert request.transport is not None
    request.transport.close()
    return response


async def test_a_file_that_breaks_off_is_no_file(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
) -> None:
    internet.answer(STORE, breaks_off)
    assert "connection broke" in await refusal(addresses, page, tmp_path / "moss")


async def test_another_file_than_the_page_describes_is_thrown_away(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
) -> None:
    internet.answer(STORE, WEIGHTS[:-1] + b"!")
    assert "SHA-256" in await refusal(addresses, page, tmp_path / "moss")


async def test_another_length_than_hugging_face_says_is_told(
    internet: Internet, addresses: Addresses, tmp_path: Path
) -> None:
    internet.answer("huggingface.co/api/models/ada/moss/revision/main", hub_repository())
    internet.answer(HUB_FILE, WEIGHTS[:-1])
    page = await addresses.look_up("https://huggingface.co/ada/moss")
    assert "99,999 bytes instead of 100,000" in await refusal(addresses, page, tmp_path / "moss")


async def test_the_hash_that_comes_with_the_file_counts_where_the_page_says_none(
    internet: Internet, addresses: Addresses, tmp_path: Path
) -> None:
    file = {"rfilename": "moss.safetensors", "size": len(WEIGHTS)}
    internet.answer("huggingface.co/api/models/ada/moss/revision/main", hub_repository(siblings=[file]))
    internet.answer(HUB_FILE, web.Response(body=WEIGHTS, headers={"X-Linked-Etag": f'"{"0" * 64}"'}))
    page = await addresses.look_up("https://huggingface.co/ada/moss")
    assert "SHA-256" in await refusal(addresses, page, tmp_path / "moss")


async def test_a_packed_file_is_not_unpacked(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
) -> None:
    internet.answer(STORE, web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))
    assert "packed" in await refusal(addresses, page, tmp_path / "moss")


@pytest.mark.parametrize(("idle_s", "total_s"), [(0.2, 60.0), (60.0, 0.3)], ids=["idle", "drip"])
async def test_who_drips_is_left(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    idle_s: float, total_s: float,
) -> None:  # fmt: skip
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"\0")
        while idle_s > 1:
            await response.write(b"\0")
            await asyncio.sleep(0)
        await asyncio.Event().wait()
        return response

    monkeypatch.setattr(fetching, "IDLE_S", idle_s)
    monkeypatch.setattr(fetching, "START_S", total_s)
    monkeypatch.setattr(fetching, "LEAST_BYTES_PER_S", 1 << 50)
    internet.answer(STORE, drip)
    assert "too slow" in await refusal(addresses, page, tmp_path / "moss")


async def test_a_fetch_that_is_cancelled_leaves_nothing(
    internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
) -> None:
    begun = asyncio.Event()
    internet.answer(STORE, endless)
    fetch = asyncio.create_task(
        addresses.fetch(page, tmp_path / "moss", most_bytes=2**50, on_progress=lambda *_: begun.set())
    )
    await begun.wait()
    fetch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetch
    assert list(tmp_path.iterdir()) == []


class TestWithToken:
    @pytest.fixture
    def keys(self) -> Keys:
        return Keys(civitai_token="secret-of-civitai", hub_token="secret-of-the-hub")

    async def test_it_goes_to_the_site_and_to_nowhere_that_the_site_sends_us(
        self, internet: Internet, addresses: Addresses, page: Page, tmp_path: Path
    ) -> None:
        await addresses.fetch(page, tmp_path / "moss", most_bytes=MOST)
        sent = {request.host: request.headers.get("Authorization") for request in internet.asked}
        assert sent == {"civitai.com": "Bearer secret-of-civitai", "b2.civitai.com": None}
        assert all("secret" not in str(request.rel_url) for request in internet.asked)

    async def test_another_site_of_civitai_gets_none_either(
        self, internet: Internet, addresses: Addresses, tmp_path: Path
    ) -> None:
        internet.answer("civitai.red/api/v1/models/123", civitai_model(civitai_version(files=[civitai_file()])))
        internet.redirect(f"civitai.red/{FILE.partition('/')[2]}", f"https://{STORE}")
        internet.answer(STORE, WEIGHTS)
        red = await addresses.look_up("https://civitai.red/models/123")
        await addresses.fetch(red, tmp_path / "moss", most_bytes=MOST)
        assert {request.host for request in internet.asked} == {"civitai.red", "b2.civitai.com"}
