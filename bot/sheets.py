"""The covers of a page of the gallery as one picture: `python -m bot.sheets`, a child process of its own.

It reads :class:`Sheet` from stdin as msgpack, and writes a JPEG in base64.
"""

from __future__ import annotations

import base64
import io
import resource
import sys
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from PIL import Image

COLUMNS = 3
CELL, GAP, LABEL = 336, 18, 52  # pixels: three cells are as wide as a phone's screen
GROUND, EMPTY, INK, FAINT = "#1e1f22", "#2b2d31", "#f2f3f5", "#80848e"
MEMORY_BYTES = 1024**3  # of address space
CPU_S = 20
TIMEOUT_S = 20.0
_LABEL_PX, _LEAST_LABEL_PX = 28, 16


class Sheet(msgspec.Struct, frozen=True):
    """What is put on a sheet, in order: names, and pictures as PNG, JPEG or WEBP; None: there is none."""

    names: tuple[str, ...]
    pictures: tuple[bytes | None, ...]


def draw(sheet: Sheet) -> bytes:
    """A JPEG: squares with the number and the name below each."""
    from PIL import Image, ImageDraw

    rows = -(-len(sheet.names) // COLUMNS)
    width = min(COLUMNS, max(1, len(sheet.names)))
    drawn = Image.new("RGB", (GAP + width * (CELL + GAP), GAP + rows * (CELL + LABEL + GAP)), GROUND)
    pen = ImageDraw.Draw(drawn)
    for place, (name, data) in enumerate(zip(sheet.names, sheet.pictures, strict=True)):
        row, column = divmod(place, COLUMNS)
        left, top = GAP + column * (CELL + GAP), GAP + row * (CELL + LABEL + GAP)
        picture = None if data is None else _square(data)
        if picture is None:
            pen.rectangle((left, top, left + CELL - 1, top + CELL - 1), fill=EMPTY)
            _write(pen, (left + CELL // 2, top + CELL // 2), "no picture yet", FAINT, "mm")
        else:
            drawn.paste(picture, (left, top))
        _write(pen, (left, top + CELL + LABEL // 2), f"{place + 1}  {name}", INK, "lm")
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG", quality=85, optimize=True)
    return buffer.getvalue()


def _square(data: bytes) -> Image.Image | None:
    """The middle of a picture; None for one that can't be opened."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
            return ImageOps.fit(opened.convert("RGB"), (CELL, CELL), Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return None


def _write(pen: object, at: tuple[int, int], words: str, colour: str, anchor: str) -> None:
    """As large as fits below a square, and cut where the smallest does not."""
    from PIL import ImageFont

    for size in range(_LABEL_PX, _LEAST_LABEL_PX - 1, -2):
        font = ImageFont.load_default(size)
        if font.getlength(words) <= CELL:
            break
    pen.text(at, words, font=font, fill=colour, anchor=anchor)  # type: ignore[attr-defined]


def main() -> None:
    """Draw what stdin says."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    sheet = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Sheet)
    sys.stdout.buffer.write(base64.b64encode(draw(sheet)) + b"\n")


if __name__ == "__main__":
    main()
