"""Pictures as a channel shows them: small ones enlarged, several in one sheet, as A1111's grid. No torch."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from PIL import Image

ENLARGE_BELOW = 256  # pixels; Discord shows small pictures as small as they are
ENLARGED_TO = 384  # a side of a single picture
_GAP = 8
_SHEET_SIDE = 288  # a side of each picture of a sheet


def show_large(pngs: Sequence[bytes]) -> bytes | None:
    """One PNG in which small pictures can be seen, or None where they are large enough as they are.

    A single one is enlarged; several are laid out side by side. Lanczos, for the small base draws soft shapes, not
    pixel art.
    """
    images = [_open(png) for png in pngs]
    if not images or max(max(image.size) for image in images) >= ENLARGE_BELOW:
        return None
    if len(images) == 1:
        return _save(_enlarged(images[0], ENLARGED_TO))
    large = [_enlarged(image, _SHEET_SIDE) for image in images]
    columns = len(large) if len(large) <= 3 else math.ceil(math.sqrt(len(large)))
    rows = math.ceil(len(large) / columns)
    width, height = max(image.width for image in large), max(image.height for image in large)
    size = (columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP)
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    for place, image in enumerate(large):
        row, column = divmod(place, columns)
        sheet.paste(image, (column * (width + _GAP), row * (height + _GAP)))
    return _save(sheet)


def _open(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        return image.convert("RGB")


def _enlarged(image: Image.Image, longest: int) -> Image.Image:
    factor = longest / max(image.size)
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def _save(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
