"""The crop sheet: every photo with the frame of what is learned from it, for a phone, on light and dark.

Drawn in the decoding child, for it has the photos open.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import accumulate

from PIL import Image, ImageDraw, ImageFont

from bot.findings import Report, marks

SHEET_WIDTH = 1080  # what a phone's screen has
GAP = 18
HEADROOM = 54  # above a photo, for its number and what is wrong with it
MOST_BYTES = 1_000_000
GROUND, INK, FRAME, RED = "#1e1f22", "#f2f3f5", "#ffffff", "#ff5a52"
_LABEL_PX, _LEAST_LABEL_PX = 34, 18


def preview(photo: Image.Image) -> Image.Image:
    """The photo as small as the sheet shows it at most, so that a hundred of them fit into memory; RGB, over white."""
    small = photo.copy()
    small.thumbnail((SHEET_WIDTH // 2, SHEET_WIDTH // 2), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if small.mode != "RGBA":
        return small
    return Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")


def draw_sheet(previews: Sequence[Image.Image], report: Report) -> bytes:
    """A JPEG of at most 1 MB: photos numbered from 1, what is cut off in the dark, those with findings in red."""
    columns = 2 if len(previews) <= 6 else 3 if len(previews) <= 12 else 5 if len(previews) <= 40 else 6
    cell = (SHEET_WIDTH - GAP * (columns + 1)) // columns
    said = marks(report)
    tiles = [
        _tile(small, photo.width, report.scale.crop(photo), cell, RED if index in said else FRAME)
        for index, (small, photo) in enumerate(zip(previews, report.photos, strict=True))
    ]
    rows = [range(start, min(start + columns, len(tiles))) for start in range(0, len(tiles), columns)]
    heights = [HEADROOM + max(tiles[index].height for index in row) + GAP for row in rows]
    sheet = Image.new("RGB", (SHEET_WIDTH, sum(heights)), GROUND)
    for row, top in zip(rows, accumulate(heights, initial=0), strict=False):
        for column, index in enumerate(row):
            left = GAP + column * (cell + GAP)
            _draw_label(sheet, (left, top), cell, str(index + 1), said.get(index))
            sheet.paste(tiles[index], (left + (cell - tiles[index].width) // 2, top + HEADROOM))
    return _encoded(sheet)


def _tile(
    small: Image.Image, width: int, box: tuple[float, float, float, float], cell: int, colour: str
) -> Image.Image:
    """A photo that fits into a square cell: bright inside the frame, dark outside. ``box`` is of ``width`` pixels."""
    fit = min(cell / small.width, cell / small.height)
    bright = small.resize(
        (max(1, round(small.width * fit)), max(1, round(small.height * fit))), Image.Resampling.LANCZOS
    )
    tile = Image.blend(bright, Image.new("RGB", bright.size, GROUND), 0.7)
    left, top, right, bottom = (round(side * bright.width / width) for side in box)
    tile.paste(bright.crop((left, top, right, bottom)), (left, top))
    line = max(3, cell // 110)
    frame = (left, top, max(left, min(right, tile.width) - 1), max(top, min(bottom, tile.height) - 1))
    pen = ImageDraw.Draw(tile)
    pen.rectangle(frame, outline=GROUND, width=line + 2)  # so that it shows on a white photo, too
    pen.rectangle(frame, outline=colour, width=line)
    return tile


def _draw_label(sheet: Image.Image, at: tuple[int, int], cell: int, number: str, fault: str | None) -> None:
    """The photo's number, and in red what is wrong with it, as large as fits above the photo."""
    pen = ImageDraw.Draw(sheet)
    words = number if fault is None else f"{number}  {fault}"
    font = _font(_LABEL_PX)
    for size_px in range(_LABEL_PX, _LEAST_LABEL_PX - 1, -2):
        font = _font(size_px)
        if font.getlength(words) <= cell:
            break
    middle = at[1] + HEADROOM // 2
    pen.text((at[0], middle), number, font=font, fill=INK if fault is None else RED, anchor="lm")
    if fault is not None:
        pen.text((at[0] + font.getlength(f"{number}  "), middle), fault, font=font, fill=RED, anchor="lm")


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)  # what Pillow gives for a size
    return font


def _encoded(sheet: Image.Image) -> bytes:
    for quality in (88, 75, 60, 40, 20):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    return buffer.getvalue()
