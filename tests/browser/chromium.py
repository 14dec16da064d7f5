"""Finding a Chromium to drive, and starting it."""

import os
import shutil
from pathlib import Path

from playwright.async_api import Browser, Playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "no Chromium: set DARKROOM_CHROMIUM to its path, install it (apt install chromium), "
    "or let Playwright fetch one (python -m playwright install chromium)"
)


def find(playwright: Playwright) -> str | None:
    """Path of the browser: DARKROOM_CHROMIUM, then the system's, then Playwright's own; None when there is none."""
    named = os.environ.get("DARKROOM_CHROMIUM")
    if named:
        return named
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


async def launch(playwright: Playwright, path: str) -> Browser:
    """Start it without a window."""
    return await playwright.chromium.launch(executable_path=path, args=ARGUMENTS, headless=True)
