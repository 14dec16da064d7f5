"""One Chromium for all of these tests; for each test a sandbox of its own with a real discord.py bot in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from sandbox.server import Sandbox
from tests.browser import chromium
from tests.browser.channel_page import ChannelPage
from tests.browser.studio import Studio, connected
from tests.browser.windows import Windows

WAIT_MS = 10_000
expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser lives in one event loop, so its tests run in that one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium; without one the page's tests are skipped."""
    async with async_playwright() as playwright:
        path = chromium.find(playwright)
        if path is None:
            pytest.skip(chromium.MISSING)
        browser = await chromium.launch(playwright, path)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox that gives up on a silent bot after half a second instead of three."""
    async with Sandbox(acknowledge_within_s=0.5) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def studio(sandbox: Sandbox) -> AsyncIterator[Studio]:
    """The small bot, connected, its commands registered."""
    async with connected(sandbox) as bot:
        yield bot


@pytest_asyncio.fixture(loop_scope="session")
async def windows(browser: Browser, sandbox: Sandbox, studio: Studio) -> AsyncIterator[Windows]:
    """Windows for this test. Errors in a console fail it."""
    opened = Windows(browser, sandbox)
    yield opened
    complaints = [text for window in opened.pages for text in window.complaints]
    for window in opened.pages:
        await window.page.context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def ada(windows: Windows) -> ChannelPage:
    """Ada's window on #darkroom."""
    return await windows.open("ada")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser_page(browser: Browser) -> AsyncIterator[ChannelPage]:
    """A window without a bot behind it, shared by a module's tests of the page's own code."""
    async with Sandbox() as quiet:
        context = await browser.new_context()
        window = await ChannelPage(await context.new_page(), quiet.page_url).open()
        yield window
        await context.close()
