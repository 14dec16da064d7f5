"""The page around the conversation: people, channels, connection, themes, narrow screens, and strangers' text."""

import json
import re

import aiohttp
import pytest
from playwright.async_api import expect

from sandbox.server import Sandbox
from tests.browser.channel_page import ChannelPage
from tests.browser.studio import Studio, connected
from tests.browser.windows import Windows

NASTY = "<img src=x onerror=alert(1)> <script>alert(2)</script> [x](javascript:alert(3)) **<b>bold</b>**"
MARKDOWN = """
async ([text]) => {
  const { renderMarkdown } = await import("/page/js/markdown.js");
  const box = document.createElement("div");
  box.append(...renderMarkdown(text, { user: (id) => (id === "7" ? "Ada" : undefined) }));
  const tidy = (node) => node.nodeType === 3 ? node.data
    : `<${node.localName}>${[...node.childNodes].map(tidy).join("")}</>`;
  return [...box.childNodes].map(tidy).join("");
}
"""


async def test_people_and_channels(ada: ChannelPage, sandbox: Sandbox) -> None:
    await ada.post("as ada")
    await ada.become("Ben")
    await ada.post("as ben")
    await expect(ada.message("as ben")).to_contain_text("Ben")
    await ada.go_to("general")
    await expect(ada.messages).to_have_count(0)
    await sandbox.member("cleo").post("over here", channel="darkroom")
    await expect(ada.page.get_by_role("button", name="darkroom (unread)")).to_be_visible()
    assert re.search(r"member=ben&channel=general", ada.page.url)
    await ada.go_to("darkroom")
    await ada.become("Cleo")  # who moderates
    await ada.use_menu(ada.message("as ada"), "Delete message")
    await expect(ada.messages).to_have_count(2)


async def test_text_of_strangers_stays_text(ada: ChannelPage) -> None:
    await ada.post(NASTY)
    message = await ada.wait_for("onerror")
    await expect(message.locator("img, script, a, b")).to_have_count(0)
    await expect(message.locator("strong")).to_have_text("<b>bold</b>")
    answer = await ada.page.request.get(ada.url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**a *b* c** _d_ __e__ ~~f~~", "<strong>a <em>b</> c</> <em>d</> <u>e</> <s>f</>"),
        ("`**a**` ``b`c``", "<code>**a**</> <code>b`c</>"),
        ("```py\nx = `1`\n```after", "<pre><code>x = `1`</></>after"),
        ("snake_case_name 2 * 3 * 4 \\*no\\*", "snake_case_name 2 * 3 * 4 *no*"),
        ("<@7> <@8> @everyone </imagine:5>", "<span>@Ada</> <span>@unknown-user</> @everyone <span>/imagine</>"),
        ("see https://a.example/x_y_z, [b](https://b.example)", "see <a>https://a.example/x_y_z</>, <a>b</>"),
        ("[x](javascript:alert(1)) [y](data:text/html,z)", "[x](javascript:alert(1)) [y](data:text/html,z)"),
        (
            "# Big\n-# small\n> quoted\n- one\n- two",
            "<div>Big</><div>small</><blockquote>quoted</><ul><li>one</><li>two</></>",
        ),
        ("<lora:thnos:0.8> in a suit", "<lora:thnos:0.8> in a suit"),
        ("<t:0:d>", "<time>01/01/1970</>"),
    ],
)
async def test_markdown(browser_page: ChannelPage, text: str, shown: str) -> None:
    assert await browser_page.page.evaluate(MARKDOWN, [text]) == shown


async def test_relative_times_and_depth(browser_page: ChannelPage) -> None:
    now = await browser_page.page.evaluate("() => Math.floor(Date.now() / 1000)")
    assert await browser_page.page.evaluate(MARKDOWN, [f"<t:{now + 7200}:R>"]) in (
        "<time>in 2 hours</>",
        "<time>in 1 hour</>",
    )
    assert "x" in await browser_page.page.evaluate(MARKDOWN, ["**_" * 900 + "x" + "_**" * 900])


async def test_the_connection_comes_back(ada: ChannelPage, sandbox: Sandbox, studio: Studio) -> None:
    await ada.post("before")
    await ada.wait_for("before")
    await studio.close()
    await expect(ada.page.locator("#banner")).to_contain_text("Darkroom is not connected")
    await sandbox.close()
    await expect(ada.page.locator("#banner")).to_contain_text("Connection lost")
    async with Sandbox(port=sandbox.port) as again, connected(again):
        await again.member("ben").post("after the restart", channel="darkroom")
        await ada.wait_for("after the restart")
        await expect(ada.message("before")).to_have_count(0)
        await expect(ada.page.locator("#toasts")).to_contain_text("Connected again.")
        await expect(ada.page.locator("#banner")).to_be_hidden()
        await ada.type_command("adapter list")
        await ada.wait_for("thnos, thora, teapot")
    ada.forgive("WebSocket|ERR_CONNECTION|Failed to load resource")


async def test_light_and_dark(windows: Windows) -> None:
    ada = await windows.open(color_scheme="light")
    scheme = "() => getComputedStyle(document.documentElement).colorScheme"
    assert await ada.page.evaluate(scheme) == "light"
    await ada.page.get_by_role("button", name="Switch to dark").click()
    assert await ada.page.evaluate(scheme) == "dark"
    await ada.page.reload()
    await expect(ada.page.get_by_role("button", name="Switch to light")).to_be_visible()
    assert await ada.page.evaluate(scheme) == "dark"


async def test_a_narrow_screen(windows: Windows) -> None:
    ada = await windows.open(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    await expect(ada.page.get_by_role("navigation")).to_be_hidden()
    drawer = ada.page.get_by_role("button", name="Channels and members")
    await drawer.tap()
    await expect(ada.page.get_by_role("button", name="darkroom", exact=True)).to_be_focused()
    await ada.page.keyboard.press("Escape")
    await expect(drawer).to_be_focused()
    await drawer.tap()
    await ada.page.get_by_role("navigation").get_by_role("button", name="general").tap()
    await expect(ada.page.get_by_role("navigation")).to_be_hidden()
    await ada.type_command("imagine", prompt="a very long prompt " * 12)
    card = await ada.wait_for("Done")
    await ada.wait_for_picture(card)
    width = await ada.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390, "the page scrolls sideways"
    small = await ada.page.evaluate(
        "() => [...document.querySelectorAll('.channel button:not([hidden])')]"
        ".filter((b) => b.offsetParent && (b.offsetWidth < 36 || b.offsetHeight < 36)).map((b) => b.outerHTML)"
    )
    assert small == []


async def test_only_the_page_itself_may_use_the_api(sandbox: Sandbox) -> None:
    state = f"{sandbox.page_url}sandbox/state"
    post = f"{sandbox.page_url}sandbox/interactions"
    async with aiohttp.ClientSession() as http:
        async with http.get(state) as answer:
            assert answer.status == 200
            assert {"me", "guild", "members", "channels", "commands"} <= json.loads(await answer.text()).keys()
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            async with http.get(state, headers=headers) as answer:
                assert answer.status == 403
            async with http.get(f"{sandbox.page_url}sandbox/live", headers=headers) as answer:
                assert answer.status == 403
        async with http.post(post, data={"payload_json": "{}"}) as answer:
            assert answer.status == 403
        for body in ("{}", "[", '{"kind": "click", "message_id": "x", "custom_id": "y"}', '{"kind": "slash"}'):
            async with http.post(post, data={"payload_json": body}, headers={"X-Sandbox-Page": "1"}) as answer:
                assert answer.status in (400, 404), body
        for path in ("page/../server.py", "page/%2e%2e/server.py", "page/css", "page/nothing.js"):
            async with http.get(f"{sandbox.page_url}{path}") as answer:
                assert answer.status == 404
