"""Browser windows for one test."""

from playwright.async_api import Browser

from sandbox.server import Sandbox
from tests.browser.channel_page import ChannelPage


class Windows:
    """Opens windows on the sandbox, and looks at the end whether the browser complained."""

    def __init__(self, browser: Browser, sandbox: Sandbox) -> None:
        self._browser = browser
        self._sandbox = sandbox
        self.pages: list[ChannelPage] = []

    async def open(self, member: str = "ada", channel: str = "darkroom", **context: object) -> ChannelPage:
        """A window of its own (cookies, storage) for this member. `context`: viewport, color_scheme, has_touch …"""
        context.setdefault("reduced_motion", "reduce")
        fresh = await self._browser.new_context(**context)  # type: ignore[arg-type]
        window = ChannelPage(await fresh.new_page(), self._sandbox.page_url)
        self.pages.append(window)
        return await window.open(member, channel)
