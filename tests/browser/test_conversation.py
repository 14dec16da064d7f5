"""A person trains and imagines by page: commands, options, live cards, pictures."""

import re

from playwright.async_api import expect

from sandbox.server import Sandbox
from tests.browser.channel_page import ChannelPage
from tests.browser.studio import Studio, draw
from tests.browser.windows import Windows

PHOTOS = [(f"thnos-{i}.png", draw((40 * i, 90, 140))) for i in (1, 2, 3)]


async def test_a_person_trains_with_dropped_photos_and_watches_the_card(
    ada: ChannelPage, studio: Studio, sandbox: Sandbox
) -> None:
    await ada.open_command("train")
    await ada.fill_option("name", "thnos")
    await ada.fill_option("consent", True)
    await ada.drop_photos(PHOTOS)
    for number, (filename, _) in enumerate(PHOTOS, 1):
        await expect(ada.pill(f"photo{number}")).to_contain_text(filename)
    await ada.send()

    card = await ada.wait_for("is thinking…")
    await expect(card).to_contain_text("Ada")
    await expect(card).to_contain_text("/train")
    assert studio.seen == [
        ("train", {"name": "thnos", "consent": True, "photos": [name for name, _ in PHOTOS], "steps": None})
    ]
    for step in (1, 2, 3):
        studio.step()
        card = await ada.wait_for(f"Step {step} of 3")
        await expect(card).to_contain_text(str(sum(len(data) for _, data in PHOTOS)))
    studio.step()
    await ada.wait_for("thnos is ready")
    await expect(ada.messages).to_have_count(1)
    assert sandbox.violations == []


async def test_a_person_imagines_and_looks_at_the_picture(ada: ChannelPage, studio: Studio) -> None:
    await ada.type_command("imagine", prompt="<lora:thnos:0.8> in a suit", weight=0.8, model="Emoji", strict=True)
    card = await ada.wait_for("in a suit")
    picture = await ada.wait_for_picture(card)
    sent = {"prompt": "<lora:thnos:0.8> in a suit", "adapter": None, "weight": 0.8, "model": "emoji-64", "strict": True}
    assert studio.seen == [("imagine", sent)]

    await picture.click()
    box = ada.page.get_by_role("dialog", name="Picture")
    await expect(box.locator("img")).to_have_js_property("naturalWidth", 512)
    await ada.page.keyboard.press("Escape")
    await expect(box).to_be_hidden()
    assert await ada.focused() == "Open picture: Done picture"


async def test_autocomplete_is_asked_while_one_types(ada: ChannelPage, studio: Studio) -> None:
    await ada.open_command("imagine")
    await ada.fill_option("prompt", "x")
    pill = await ada.add_option("adapter")
    await expect(ada.panel.get_by_role("option")).to_have_count(3)
    await pill.locator("textarea").press_sequentially("th")
    await expect(ada.panel.get_by_role("option")).to_have_text(["thnos (yours)", "thora (yours)"])
    await ada.page.keyboard.press("ArrowDown")
    await ada.page.keyboard.press("Tab")
    await expect(pill.locator("textarea")).to_have_value("thora (yours)")
    await ada.send()
    await ada.wait_for_picture(await ada.wait_for("Done"))
    assert studio.seen[0][1]["adapter"] == "id-thora"


async def test_options_are_checked_before_anything_is_sent(ada: ChannelPage, studio: Studio) -> None:
    await ada.open_command("train")
    await ada.send()
    await expect(ada.panel).to_contain_text("This option is required. Specify a value.")
    await expect(ada.pill("name").locator("textarea")).to_be_focused()
    await ada.fill_option("name", "n" * 33)
    await ada.fill_option("consent", "maybe")
    await ada.fill_option("steps", 101)
    await ada.send()
    await expect(ada.panel).to_contain_text("Write at most 32 characters")
    await ada.fill_option("name", "thnos")
    await ada.send()
    await expect(ada.panel).to_contain_text("Choose True or False.")
    await ada.fill_option("consent", False)
    await ada.send()
    await expect(ada.panel).to_contain_text("Value must be between 1 and 100.")
    await ada.fill_option("steps", "many")
    await ada.send()
    await expect(ada.panel).to_contain_text("Input a valid integer.")
    assert studio.seen == []


async def test_a_silent_application_is_named_and_the_command_can_be_taken_up_again(
    ada: ChannelPage, studio: Studio
) -> None:
    await ada.type_command("silent", word="hello")
    note = await ada.wait_for("The application did not respond")
    await expect(note).to_contain_text("Only you can see this")
    await note.get_by_role("button", name="Edit and try again").click()
    await expect(ada.pill("word").locator("textarea")).to_have_value("hello")
    assert studio.seen == [("silent", {"word": "hello"})]


async def test_nothing_but_the_keyboard(ada: ChannelPage, studio: Studio) -> None:
    keys = ada.page.keyboard
    await keys.type("/ima")
    await expect(ada.panel.get_by_role("option")).to_have_count(1)
    await keys.press("Enter")
    await keys.type("a cat")
    await keys.press("Tab")
    await keys.type("str")
    await keys.press("Tab")
    await keys.type("fal")
    await keys.press("Enter")
    await keys.press("Enter")
    card = await ada.wait_for("Done")
    await ada.wait_for_picture(card)
    assert studio.seen[0][1] | {"prompt": "a cat", "strict": False} == studio.seen[0][1]

    await expect(ada.composer).to_be_focused()
    await keys.press("ArrowUp")
    await expect(card).to_be_focused()
    await keys.press("Enter")
    await expect(ada.page.get_by_role("menuitem", name="Train on these photos")).to_be_focused()
    await keys.press("Escape")
    await expect(card).to_be_focused()
    await keys.press("Tab")
    await keys.press("Tab")
    assert await ada.focused() == "again"
    await keys.press("Enter")
    await ada.wait_for("Again for @Ada")


async def test_leaving_a_command(ada: ChannelPage) -> None:
    await ada.open_command("adapter list")
    await ada.page.keyboard.press("Backspace")
    await expect(ada.composer).to_have_value("/adapter list")
    await ada.open_command("imagine")
    await ada.page.keyboard.press("Escape")
    await expect(ada.composer).to_be_focused()
    await expect(ada.pill_bar).to_be_hidden()


async def test_what_only_one_person_sees(ada: ChannelPage, windows: Windows) -> None:
    ben = await windows.open("ben")
    await ada.type_command("adapter list")
    message = await ada.wait_for("thnos, thora, teapot")
    await expect(message).to_contain_text("Only you can see this")
    await ada.post("public words")
    await ben.wait_for("public words")
    await expect(ben.messages).to_have_count(1)
    await message.get_by_role("button", name="Dismiss message").click()
    await expect(ada.messages).to_have_count(1)
    await ada.page.reload()
    await ada.wait_for("public words")
    await expect(ada.message("thnos, thora")).to_have_count(0)


async def test_messages_with_files_and_their_menu(ada: ChannelPage, studio: Studio, windows: Windows) -> None:
    await ada.post("three of him", PHOTOS)
    message = await ada.wait_for("three of him")
    await expect(message.locator(".picture")).to_have_count(3)
    await ada.use_menu(message, "Train on these photos")
    await ada.wait_for("Training on thnos-1.png, thnos-2.png, thnos-3.png")

    ben = await windows.open("ben")
    theirs = await ben.wait_for("three of him")
    await theirs.click(button="right", position={"x": 300, "y": 8})
    await expect(ben.page.get_by_role("menuitem", name="Train on these photos")).to_be_visible()
    await expect(ben.page.get_by_role("menuitem", name="Delete message")).to_have_count(0)
    await ben.page.keyboard.press("Escape")

    await message.locator(".picture").first.click()
    box = ada.page.get_by_role("dialog", name="Picture")
    for name in ("thnos-1.png", "thnos-2.png", "thnos-3.png", "thnos-1.png"):
        await expect(box).to_contain_text(name)
        await ada.page.keyboard.press("ArrowRight")
    await ada.page.keyboard.press("Escape")
    await ada.use_menu(message, "Delete message")
    await expect(ben.messages).to_have_count(0)


async def test_files_that_were_dropped_first_go_along_into_the_command(ada: ChannelPage) -> None:
    await ada.drop_photos(PHOTOS, let_go=False)
    await expect(ada.page.locator("#dropzone")).to_contain_text("Upload to #darkroom")
    await ada.drop_photos(PHOTOS)
    await expect(ada.page.get_by_role("list", name="Files to send").get_by_role("listitem")).to_have_count(3)
    await ada.open_command("train")
    await expect(ada.pill("photo3")).to_contain_text("thnos-3.png")
    await ada.drop_photos([("a.png", PHOTOS[0][1]), ("b.png", PHOTOS[0][1])])
    await expect(ada.pill("photo4")).to_contain_text("a.png")
    await expect(ada.page.locator("#toasts")).to_contain_text(re.compile("no place for b.png"))
