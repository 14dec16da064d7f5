"""Driving the page as a person would: by what is shown, its roles and labels. Knows nothing of any particular bot."""

import base64
import mimetypes
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Error, Locator, Page, expect

Photo = Path | tuple[str, bytes]
DROP = """
async ([target, files, type]) => {
  const transfer = new DataTransfer();
  for (const { name, mime, data } of files) {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: mime }));
  }
  const element = document.querySelector(target);
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  for (const name of type === "drop" ? ["dragenter", "dragover", "drop"] : ["dragenter", "dragover"])
    element.dispatchEvent(new DragEvent(name, options));
}
"""


class ChannelPage:
    """One person's window on the channel.

    Attributes:
        complaints: what the browser complained about: console errors and uncaught exceptions. Tests want none.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def forgive(self, pattern: str) -> None:
        """Drop complaints that a test provoked on purpose."""
        self.complaints = [text for text in self.complaints if not re.search(pattern, text)]

    # Places

    async def open(self, member: str = "ada", channel: str = "darkroom") -> "ChannelPage":
        """Go to a channel as a member; returns itself once messages are shown."""
        await self.page.goto(f"{self.url}?member={member}&channel={channel}")
        await expect(self.page.locator("#app[data-state=ready]")).to_be_attached()
        return self

    async def become(self, member: str) -> None:
        """Take over as another member."""
        await self.page.get_by_role("radio", name=re.compile(member, re.IGNORECASE)).click()
        await expect(self.page.get_by_role("radio", name=re.compile(member, re.IGNORECASE))).to_be_checked()

    async def go_to(self, channel: str) -> None:
        """Open another channel."""
        await self.page.get_by_role("navigation").get_by_role("button", name=channel).click()
        await expect(self.page.get_by_role("log", name=f"Messages in {channel}")).to_be_visible()

    @property
    def composer(self) -> Locator:
        """The message box."""
        return self.page.locator("#compose")

    @property
    def panel(self) -> Locator:
        """The list above the composer: commands, choices, suggestions."""
        return self.page.locator(".panel")

    @property
    def messages(self) -> Locator:
        """Every message, oldest first."""
        return self.page.locator("#messages article")

    def message(self, text: str | re.Pattern[str]) -> Locator:
        """The newest message that shows this text itself (not in what it replies to); looked up anew at each use."""
        return self.messages.filter(has=self.page.locator(".message-body").filter(has_text=text)).last

    async def wait_for(self, text: str | re.Pattern[str], timeout_s: float = 15.0) -> Locator:
        """Wait until a message shows this text; that message, also once its text has changed."""
        found = self.message(text)
        await expect(found).to_be_visible(timeout=timeout_s * 1000)
        return self.page.locator(f"#{await found.get_attribute('id')}")

    async def wait_for_picture(self, message: Locator, timeout_s: float = 15.0) -> Locator:
        """Wait until the message shows a picture that has really loaded; the picture's button."""
        button = message.locator(".picture").first
        await expect(button).to_be_visible(timeout=timeout_s * 1000)
        await expect(button.locator("img")).to_have_js_property("complete", True)
        assert await button.locator("img").evaluate("image => image.naturalWidth") > 0
        return button

    # Writing

    async def post(self, text: str = "", files: Sequence[Photo] = ()) -> None:
        """Write an ordinary message, with files."""
        if files:
            await self.page.locator("input#attach").set_input_files(payloads(files))
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def open_command(self, command: str) -> None:
        """Type a slash and the command's name, and take it from the palette."""
        await self.composer.click()
        await self.composer.fill("")
        await self.composer.press_sequentially(f"/{command}")
        option = self.panel.get_by_role("option").filter(has=self.page.get_by_text(f"/{command}", exact=True))
        await expect(option).to_be_visible()
        await option.click()
        await expect(self.pill_bar.get_by_text(f"/{command}", exact=True)).to_be_visible()

    @property
    def pill_bar(self) -> Locator:
        """The command being composed."""
        return self.page.get_by_role("group", name="Command")

    def pill(self, option: str) -> Locator:
        """The pill of one option."""
        return self.pill_bar.locator(f'[data-option="{option}"].pill')

    async def add_option(self, option: str) -> Locator:
        """The pill of an option, added from the optional ones when it is not there yet."""
        pill = self.pill(option)
        if not await pill.count():
            more = self.page.get_by_label("Add an optional option")
            await more.click()
            await more.fill(option)
            name = self.page.get_by_text(option, exact=True)
            await self.panel.get_by_role("option").filter(has=name).click()
        await expect(pill).to_be_visible()
        return pill

    async def fill_option(self, option: str, value: Any) -> None:
        """Enter a value: text, number, True or False, a choice's name, or a photo (path, or name and bytes)."""
        pill = await self.add_option(option)
        if isinstance(value, Path | tuple):
            await pill.locator("input[type=file]").set_input_files(payloads([value]))
            return
        field = pill.locator("textarea")
        await field.click()
        await field.fill(str(value))
        listed = self.panel.get_by_role("listbox")
        if await listed.count():
            await expect(listed).to_have_attribute("aria-busy", "false")
        choice = self.panel.get_by_role("option").filter(has=self.page.get_by_text(str(value), exact=True))
        if await choice.count():
            await choice.first.click()

    async def type_command(self, command: str, /, **options: Any) -> None:
        """A whole command, sent: `type_command("imagine", prompt="…", steps=4)`."""
        await self.open_command(command)
        for option, value in options.items():
            await self.fill_option(option, value)
        await self.send()

    async def send(self) -> None:
        """Press the send button."""
        await self.page.get_by_role("button", name="Send", exact=True).click()

    async def drop_photos(self, photos: Sequence[Photo], target: str = "#channel", *, let_go: bool = True) -> None:
        """Drag files over the channel (or another element) and, unless told otherwise, let go of them."""
        files = [
            {"name": p["name"], "mime": p["mimeType"], "data": base64.b64encode(p["buffer"]).decode()}
            for p in payloads(photos)
        ]
        await self.page.evaluate(DROP, [target, files, "drop" if let_go else "over"])

    # Answering

    async def click_button(self, label: str, message: Locator | None = None) -> None:
        """Press the button with this label, in this message or in the newest that has one."""
        scope = message or self.messages.filter(has=self.page.get_by_role("button", name=label, exact=True)).last
        await scope.get_by_role("button", name=label, exact=True).click()

    async def choose(self, placeholder: str, *labels: str, message: Locator | None = None) -> None:
        """Choose in a select menu."""
        await (message or self.page).get_by_role("button", name=placeholder).last.click()
        for label in labels:
            await self.page.locator(".picker").get_by_role("option", name=label).click()
        done = self.page.locator(".picker").get_by_role("button", name="Done")
        if await done.count():
            await done.click()

    async def use_menu(self, message: Locator, entry: str) -> None:
        """Open the menu of a message with its … button and take an entry."""
        await message.hover()
        await message.get_by_role("button", name=re.compile("^More actions")).click()
        await self.page.get_by_role("menuitem", name=entry).click()

    @property
    def modal(self) -> Locator:
        """The form that is open."""
        return self.page.locator("dialog.modal")

    async def fill_modal(self, values: Mapping[str, Any], *, submit: bool = True) -> None:
        """Fill fields by label: text, a choice's label for selects, True or False, or a list of photos."""
        await expect(self.modal).to_be_visible()
        for label, value in values.items():
            exactly = re.compile(rf"^{re.escape(label)}( \*)?$")
            field = self.modal.locator(".field").filter(has=self.page.get_by_text(exactly))
            if isinstance(value, bool):
                await field.get_by_role("checkbox").set_checked(value)
            elif isinstance(value, str) and await field.get_by_role("textbox").count():
                await field.get_by_role("textbox").fill(value)
            elif isinstance(value, str):
                await field.locator(".select").click()
                await self.page.locator(".picker").get_by_role("option", name=value).click()
            else:
                await field.locator("input[type=file]").set_input_files(payloads(value))
        if submit:
            await self.modal.get_by_role("button", name="Submit").click()

    # Looking

    async def focused(self) -> str:
        """A few words about what has focus: its label, custom id or text."""
        return str(
            await self.page.evaluate(
                "() => { const e = document.activeElement;"
                " return e.ariaLabel || e.dataset.customId || e.innerText || e.id }"
            )
        )

    async def screenshot(self, path: Path) -> None:
        """Keep what is to be seen, if the browser still can."""
        try:
            await self.page.screenshot(path=path)
        except Error:
            return


def payloads(files: Sequence[Photo]) -> list[Any]:
    """Files as Playwright takes them."""
    named = [(f.name, f.read_bytes()) if isinstance(f, Path) else f for f in files]
    return [
        {"name": name, "mimeType": mimetypes.guess_type(name)[0] or "application/octet-stream", "buffer": data}
        for name, data in named
    ]
