"""A person at the page, and behind it the real bot, a real worker and the embedded base: train, then imagine."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Browser, expect

from sandbox.demo import PHOTOS, darkroom
from sandbox.server import Sandbox
from tests.browser.windows import Windows

LEARNED_S, DRAWN_S = 600.0, 120.0  # when to give up


async def test_a_person_trains_and_imagines(browser: Browser, tmp_path: Path) -> None:
    async with Sandbox() as sandbox, darkroom(sandbox, tmp_path, tmp_path / "darkroom.log"):
        await sandbox.wait_ready(command="train", timeout_s=60)
        windows = Windows(browser, sandbox)
        ada = await windows.open("ada")
        await ada.open_command("train")
        await ada.fill_option("name", "thnos")
        await ada.fill_option("consent", True)
        await ada.drop_photos(sorted(PHOTOS.glob("*.jpg")))
        await expect(ada.pill("photo6")).to_contain_text("imp-6.jpg")
        await ada.send()
        await ada.wait_for(re.compile("thnos is (waiting|next|learning)"))
        ready = await ada.wait_for("has been learned", LEARNED_S)
        await ada.wait_for_picture(ready)
        await expect(ready.get_by_role("button", name="in a suit at a fancy dinner")).to_be_visible()

        await ada.type_command("imagine", prompt="<lora:thnos:0.8> in a suit at a fancy dinner", seed=1)
        done = await ada.wait_for("Here it is", DRAWN_S)
        await expect(done).to_contain_text("thnos character in a suit at a fancy dinner")
        await ada.wait_for_picture(done)
        await ada.click_button("Settings", done)
        await ada.wait_for("Seed: 1, Size: 64x64")

        ben = await windows.open("ben")
        await ben.type_command("imagine", prompt="<lora:thnos:0.8> at the beach")
        await ben.wait_for("There is no adapter thnos that you can use.")
        complaints = [text for window in windows.pages for text in window.complaints]
        for window in windows.pages:
            await window.page.context.close()
        assert complaints == []
        assert sandbox.violations == []
