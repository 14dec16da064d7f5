"""Buttons, selects, forms, and cards that change under the reader's hands."""

import pytest
from playwright.async_api import Locator, expect

from sandbox.server import Sandbox
from tests.browser.channel_page import ChannelPage
from tests.browser.studio import Studio, draw
from tests.browser.windows import Windows

PHOTOS = [(f"thnos-{i}.png", draw((40 * i, 90, 140))) for i in (1, 2, 3)]


async def imagined(window: ChannelPage) -> Locator:
    """The card of a finished picture."""
    await window.type_command("imagine", prompt="a cat")
    card = await window.wait_for("Done")
    await window.wait_for_picture(card)
    return card


async def test_buttons(ada: ChannelPage, studio: Studio, windows: Windows) -> None:
    card = await imagined(ada)
    await ada.click_button("Again")
    await ada.wait_for("Again for @Ada")
    ben = await windows.open("ben")
    await ben.click_button("Quiet")
    await ben.wait_for("Nobody else sees this.")
    await expect(ada.message("Nobody else sees this.")).to_have_count(0)
    await expect(card.get_by_role("button", name="Locked")).to_be_disabled()
    await expect(card.get_by_role("link", name="Help")).to_have_attribute("href", "https://example.org/help")
    await ada.click_button("Broken")
    await expect(card).to_contain_text("This interaction failed")
    await ada.choose("Another size", "Portrait")
    await ada.wait_for("Now portrait")
    assert studio.clicks == ["again", "quiet", "broken", "size:portrait"]


async def test_a_select_by_keyboard(ada: ChannelPage) -> None:
    card = await imagined(ada)
    select = card.get_by_role("button", name="Another size")
    await select.press("Enter")
    await expect(ada.page.get_by_role("option", name="Square")).to_be_focused()
    await ada.page.keyboard.press("Escape")
    await expect(select).to_be_focused()
    await select.press("Enter")
    await ada.page.keyboard.press("ArrowDown")
    await ada.page.keyboard.press("Enter")
    await ada.wait_for("Now portrait")


async def test_edits_leave_focus_and_scroll_where_they_are(ada: ChannelPage, studio: Studio, sandbox: Sandbox) -> None:
    for number in range(30):
        await sandbox.member("ben").post(f"line {number}", channel="darkroom")
    await ada.wait_for("line 29")
    await ada.open_command("train")
    await ada.fill_option("name", "thnos")
    await ada.fill_option("consent", True)
    await ada.drop_photos(PHOTOS)
    await ada.send()
    studio.step()
    card = await ada.wait_for("Step 1 of 3")
    await card.get_by_role("button", name="Quiet").focus()
    picked = await card.evaluate_handle("card => card.querySelector('[data-custom-id=quiet]')")
    studio.step()
    card = await ada.wait_for("Step 2 of 3")
    assert await ada.focused() == "quiet"
    assert await card.evaluate("(card, old) => card.contains(old)", picked), "the button itself was replaced"

    frame = ada.page.locator("#timeline")
    await frame.evaluate("frame => { frame.scrollTop = 40 }")
    await expect(ada.page.locator("#jump")).to_be_visible()
    before = await frame.evaluate("frame => frame.scrollTop")
    studio.step()
    await ada.wait_for("Step 3 of 3")
    await sandbox.member("ben").post("one more", channel="darkroom")
    await expect(ada.page.locator("#jump")).to_contain_text("1 new message")
    assert await frame.evaluate("frame => frame.scrollTop") == before
    # The last edit takes the buttons away: focus falls to their card, not out of the page.
    studio.step()
    card = await ada.wait_for("thnos is ready")
    await expect(card).to_be_focused()
    await ada.page.locator("#jump").click()
    await expect(ada.message("one more")).to_be_in_viewport()


async def test_a_form(ada: ChannelPage, studio: Studio) -> None:
    await ada.type_command("train", name="thnos", consent=True)
    await expect(ada.modal).to_contain_text("Train on your photos")
    await ada.fill_modal({})
    await expect(ada.modal.get_by_text("This field is required.")).to_have_count(2)
    await expect(ada.modal.get_by_role("textbox", name="Name")).to_be_focused()
    await ada.fill_modal({"Name": "thnos", "Kind": "style", "I may use these photos": True}, submit=False)
    await ada.drop_photos(PHOTOS[:2], target="dialog.modal")
    await ada.fill_modal({"Notes": "two\nlines"})
    await expect(ada.modal).to_contain_text("Choose at least 3 files.")
    await ada.fill_modal({"Photos": PHOTOS[2:]})
    await ada.wait_for("Took 3 photos of thnos")
    await expect(ada.modal).to_have_count(0)
    form = {
        "name": "thnos",
        "photos": [name for name, _ in PHOTOS],
        "bytes": [len(data) for _, data in PHOTOS],
        "kind": ["style"],
        "notes": "two\nlines",
        "consent": True,
    }
    assert studio.seen[-1] == ("form", form)


@pytest.mark.parametrize("backwards", [False, True])
async def test_focus_stays_in_a_form_and_comes_back_from_it(ada: ChannelPage, backwards: bool) -> None:
    card = await imagined(ada)
    button = card.get_by_role("button", name="Rename")
    await button.press("Enter")
    await expect(ada.modal.get_by_role("textbox", name="Name")).to_be_focused()
    for _ in range(12):
        await ada.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        assert await ada.page.evaluate("() => document.querySelector('dialog').contains(document.activeElement)")
    await ada.page.keyboard.press("Escape")
    await expect(ada.modal).to_have_count(0)
    await expect(button).to_be_focused()
