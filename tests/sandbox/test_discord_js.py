"""discord.js 14 takes the sandbox for Discord: a third client, in another language."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.members import File
from sandbox.server import Sandbox

FOLDER = Path(__file__).parent / "conformance"
PHOTO = File("photo.jpg", b"1234567")

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules" / "discord.js").exists(),
        reason="discord.js is not installed: run `npm ci` in tests/sandbox/conformance",
    ),
]


class JsBot:
    """The running client; `lines` is what it printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def line(self, beginning: str, timeout_s: float = 30) -> str:
        """The next line that begins so; an error that the client printed fails the test."""
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout_s):
            while raw := await self.process.stdout.readline():
                text = raw.decode().rstrip()
                self.lines.append(text)
                assert not text.startswith("error"), text
                if text.startswith(beginning):
                    return text
        raise AssertionError(f"the client stopped after {self.lines}")


@asynccontextmanager
async def run_js(sandbox: Sandbox, token: str | None = None) -> AsyncIterator[JsBot]:
    """discord.js in a process of its own; closing its standard input ends it."""
    environment = os.environ | {
        "DISCORD_TOKEN": token or sandbox.token,
        "DISCORD_API_BASE": sandbox.api_base,
        "DISCORD_CDN_BASE": sandbox.cdn_base,
        "CHANNEL_ID": str(sandbox.place("general").id),
    }
    process = await asyncio.create_subprocess_exec(
        "node", "client.mjs", cwd=FOLDER, env=environment, stdin=-1, stdout=-1, stderr=None
    )
    try:
        yield JsBot(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def test_discord_js(sandbox: Sandbox) -> None:
    ada = sandbox.member("ada")
    async with run_js(sandbox) as bot:
        assert await bot.line("ready") == "ready darkroom Darkroom Lab"
        assert [(m.text, m.attachments) for m in sandbox.messages("general")] == [("hello again", [])]
        await sandbox.wait_ready(command="draw")

        offered = await ada.autocomplete("draw", focused="word", value="th")
        assert offered == [{"name": "thnos", "value": "thnos"}]

        drawn = await (await ada.slash("draw", word="cat", photo=PHOTO)).response()
        assert drawn.text == "Drawn\ncat 7"
        assert [f.data for f in drawn.files] == [b"12345"]
        await sandbox.wait_for(lambda m: m.text == "for you alone" and m.ephemeral_to == ada.id, seen_by=ada)
        chosen = await (await ada.select(drawn, "Model", ["two"])).response()
        assert chosen.text == "chose two"
        pressed = await (await ada.click(drawn, "Again")).response()
        assert (pressed, pressed.buttons) == (drawn, [])

        form = await ada.slash("form")
        sent = await ada.submit(form.modal, {"Name": "thnos", "Photos": [PHOTO, PHOTO]})
        assert (await sent.response()).text == "thnos 7 7"

        posted = await ada.post(files=[PHOTO])
        counted = await ada.message_command("Count photos", posted)
        assert (await counted.response()).text == "1 photos"

        await sandbox.cut_gateway(resumable=True)
        await bot.line("resumed")
        assert (await (await ada.slash("draw", word="after")).response()).text == "Drawn\nafter 0"
    assert sandbox.violations == []


async def test_discord_js_is_told_of_a_wrong_token(sandbox: Sandbox) -> None:
    async with run_js(sandbox, sandbox.token + "-not") as bot:
        assert "TokenInvalid" in await bot.line("refused")
