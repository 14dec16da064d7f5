"""The crop sheet: frames lie where the crops do, and it stays small enough to send."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from bot.crops import FRAME, GAP, MOST_BYTES, RED, SHEET_WIDTH, draw_sheet, preview
from bot.findings import Inspected, Scale, report_on
from tests.bot.scenes import scene

SCALE = Scale(resolution=64, step=8)


def sheet_of(images: list[Image.Image], **changes: Any) -> Image.Image:
    measured = [
        Inspected(
            filename="a.jpg", width=image.width, height=image.height, fingerprint=None,
            **({"blur_px": 1.0, "focus": (0.5, 0.5)} | changes),
        )
        for image in images
    ]  # fmt: skip
    data = draw_sheet([preview(image) for image in images], report_on(measured, SCALE))
    assert len(data) <= MOST_BYTES
    sheet = Image.open(io.BytesIO(data))
    assert (sheet.format, sheet.width) == ("JPEG", SHEET_WIDTH)
    return sheet.convert("RGB")


def bright_columns(sheet: Image.Image) -> tuple[int, int]:
    """From where to where the one white photo is bright, in the row through its middle."""
    row = [sheet.getpixel((x, sheet.height // 2 + 20)) for x in range(sheet.width)]
    bright = [x for x, (red, *_) in enumerate(row) if red > 200]
    return bright[0], bright[-1]


@pytest.mark.parametrize("focus", [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5)])
def test_what_is_learned_is_bright_and_what_is_cut_off_is_dark(focus: tuple[float, float]) -> None:
    photo = Inspected(filename="a.jpg", width=2000, height=500, blur_px=1.0, fingerprint=None, focus=focus)
    left, _, right, _ = SCALE.crop(photo)
    assert right - left < 0.6 * photo.width
    first, last = bright_columns(sheet_of([Image.new("RGB", (2000, 500), "white")], focus=focus))
    cell = (SHEET_WIDTH - 3 * GAP) // 2
    assert (first - GAP) / cell == pytest.approx(left / photo.width, abs=0.02)
    assert (last - GAP) / cell == pytest.approx(right / photo.width, abs=0.02)


def colours(sheet: Image.Image) -> set[str]:
    """Which of the two frame colours the sheet has, as JPEG leaves them."""
    found = set()
    for name, colour in (("red", RED), ("white", FRAME)):
        wanted = tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
        pixels = sheet.getdata() if not hasattr(sheet, "get_flattened_data") else sheet.get_flattened_data()
        if sum(all(abs(a - b) < 24 for a, b in zip(pixel, wanted, strict=True)) for pixel in pixels) > 500:
            found.add(name)
    return found


def test_photos_with_findings_are_red() -> None:
    dark = Image.new("RGB", (300, 200), (10, 60, 10))
    assert colours(sheet_of([dark])) == {"white"}
    assert colours(sheet_of([dark], blur_px=9.0)) == {"red"}


@pytest.mark.parametrize("count", [3, 10, 100])
def test_any_number_of_photos_fits(count: int) -> None:
    shapes = [(300, 200), (200, 300), (60, 400), (400, 33)]
    sheet_of([scene(shapes[number % 4], seed=number) for number in range(count)])


def test_a_cut_out_is_drawn_on_white_as_it_is_learned() -> None:
    sheet = sheet_of([Image.new("RGBA", (300, 200), (0, 0, 0, 0))])
    assert sheet.getpixel((GAP + 250, sheet.height // 2 + 20))[0] > 240
