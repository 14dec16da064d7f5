"""Injected faults, rate limits, signed links, Discord's OpenAPI file, and what the page is told."""

import asyncio
import os
from pathlib import Path

import aiohttp
import pytest

from sandbox.feed import Change
from sandbox.members import File
from sandbox.ratelimits import RateLimits
from sandbox.server import Sandbox


def authorised(sandbox: Sandbox) -> aiohttp.ClientSession:
    """A session that sends the bot's token."""
    return aiohttp.ClientSession(headers={"Authorization": f"Bot {sandbox.token}"})


def messages_url(sandbox: Sandbox) -> str:
    """Where messages are posted."""
    return f"{sandbox.api_base}/channels/{sandbox.place('general').id}/messages"


async def test_a_fault_before_and_one_after_the_effect(sandbox: Sandbox) -> None:
    sandbox.faults.add("POST", r"/channels/\d+/messages", status=503)
    sandbox.faults.add("POST", r"/channels/\d+/messages", cut=True, after="apply")
    async with authorised(sandbox) as http:
        async with http.post(messages_url(sandbox), json={"content": "one"}) as response:
            assert response.status == 503
        assert sandbox.messages() == []
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.post(messages_url(sandbox), json={"content": "two"})
        assert [m.text for m in sandbox.messages()] == ["two"]
        async with http.post(messages_url(sandbox), json={"content": "three"}) as response:
            assert response.status == 200
    assert [r.status for r in sandbox.requests] == [503, 0, 200]
    assert sandbox.requests[0].fault == "status 503 before apply"


async def test_a_cut_upload_has_no_effect(sandbox: Sandbox) -> None:
    sandbox.faults.add("POST", "/messages", cut=True)
    async with authorised(sandbox) as http:
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.post(messages_url(sandbox), json={"content": "lost"})
    assert sandbox.messages() == []


async def test_a_429_names_its_wait_and_cloudflares_does_not(sandbox: Sandbox) -> None:
    sandbox.faults.add("GET", "/users/@me", status=429, retry_after_s=0.25)
    sandbox.faults.add("GET", "/users/@me", status=429, cloudflare=True)
    async with authorised(sandbox) as http:
        async with http.get(f"{sandbox.api_base}/users/@me") as response:
            assert (await response.json())["retry_after"] == 0.25
            assert response.headers["Via"]
        async with http.get(f"{sandbox.api_base}/users/@me") as response:
            assert response.status == 429
            assert "Via" not in response.headers


async def test_the_sixth_message_in_five_seconds_is_refused(sandbox: Sandbox) -> None:
    async with authorised(sandbox) as http:
        for number in range(6):
            async with http.post(messages_url(sandbox), json={"content": str(number)}) as response:
                status, body, headers = response.status, await response.json(), response.headers
    assert status == 429
    assert 0 < body["retry_after"] <= 5
    assert headers["X-RateLimit-Limit"] == "5"
    assert headers["X-RateLimit-Remaining"] == "0"
    assert len(sandbox.messages()) == 5


def test_buckets_refill_and_the_global_limit_is_fifty() -> None:
    now = 0.0
    limits = RateLimits(monotonic=lambda: now)
    route = "/channels/{channel_id}/messages"
    assert [limits.check("POST", route, {"channel_id": "1"}).retry_after_s for _ in range(6)][-1] == 5.0
    assert limits.check("POST", route, {"channel_id": "2"}).retry_after_s is None
    now = 5.0
    verdict = limits.check("POST", route, {"channel_id": "1"})
    assert verdict.headers["X-RateLimit-Remaining"] == "4"
    now = 10.0
    verdicts = [limits.check("GET", route, {"channel_id": str(n)}) for n in range(51)]
    assert [v.is_global for v in verdicts].index(True) == 50
    assert limits.check("POST", "/interactions/{id}/{token}/callback", {}).retry_after_s is None


async def test_links_are_signed_and_expire() -> None:
    now = [1_800_000_000.0]
    async with Sandbox(clock=lambda: now[0]) as sandbox, aiohttp.ClientSession() as http:
        posted = await sandbox.member("ada").post(files=[File("a photo.jpg", b"bytes")])
        url = posted.attachments[0].url
        assert "/a_photo.jpg?ex=" in url

        async def fetch(address: str) -> tuple[int, bytes]:
            async with http.get(address) as response:
                return response.status, await response.read()

        assert await fetch(url) == (200, b"bytes")
        assert (await fetch(url.split("?")[0]))[0] == 404
        assert (await fetch(url.replace("ex=6", "ex=7")))[0] == 404
        now[0] += 24 * 3600
        assert await fetch(url) == (404, b"This content is no longer available.")
        assert await fetch(posted.attachments[0].url) == (200, b"bytes")
        await sandbox.member("ada").delete(posted)
        assert (await fetch(url))[0] == 404


async def test_the_content_type_follows_the_extension(sandbox: Sandbox) -> None:
    posted = await sandbox.member("ada").post(files=[File("words.jpg", b"just words")])
    assert posted.attachments[0].content_type == "image/jpeg"
    assert "width" not in posted.data["attachments"][0]


async def test_subscriptions_hide_what_is_somebody_elses(sandbox: Sandbox) -> None:
    ada, ben = sandbox.member("ada"), sandbox.member("ben")
    async with sandbox.subscribe(ben) as changes:
        sandbox.feed.publish(Change("exchange", {"id": "1"}, ada.id))
        posted = await ada.post("hello")
        await ada.delete(posted)
        kinds = []
        async with asyncio.timeout(5):
            async for change in changes:
                kinds.append((change.kind, change.data.get("content")))
                if len(kinds) == 2:
                    break
    assert kinds == [("message_create", "hello"), ("message_delete", None)]


async def test_wait_for_tells_what_was_there_instead(sandbox: Sandbox) -> None:
    await sandbox.member("ada").post("something else")
    with pytest.raises(TimeoutError, match="something else"):
        await sandbox.wait_for(lambda m: m.text == "never", timeout_s=0)


@pytest.mark.skipif("DISCORD_OPENAPI" not in os.environ, reason="DISCORD_OPENAPI names no OpenAPI file of Discord's")
async def test_bodies_are_held_against_discords_openapi_file() -> None:
    async with Sandbox(openapi=Path(os.environ["DISCORD_OPENAPI"])) as sandbox, authorised(sandbox) as http:
        await http.post(messages_url(sandbox), json={"content": "fine", "embeds": [{"title": "t"}]})
        assert sandbox.violations == []
        await http.post(messages_url(sandbox), json={"content": "odd", "tts": "yes", "attachments": []})
    assert [v.rule for v in sandbox.violations] == ["Discord's OpenAPI description"]
    assert sandbox.requests[-1].openapi_errors[0].startswith("tts: ")
