"""Pictures as a channel shows them: small ones enlarged, several in one sheet, as A1111's grid. No torch."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from trainer.contract.drawings import Grid
from trainer.contract.looks import DONE

ENLARGE_BELOW = 256  # pixels; Discord shows small pictures as small as they are
ENLARGED_TO = 384  # a side of a single picture
_GAP = 8
_SHEET_SIDE = 288  # a side of each picture of a sheet
_CELL_SIDE = 240  # of a grid's pictures: four columns are as wide as a phone shows without tapping
_LABEL, _NOTE = 36, 26  # pixels of letters: half of that on a phone
_INK, _FAINT, _PAPER = "#f2f3f5", "#b5bac1", "#1e1f22"
_FRAME = 6
_WIDEST = 4_096  # pixels of a sheet; what Discord and phones show without complaint
GRID_BYTES = 1_000_000


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


def draw_grid(
    columns: Sequence[str],
    rows: Sequence[str],
    cells: Sequence[Sequence[Image.Image]],
    *,
    notes: Sequence[Sequence[str]] = (),
    framed: tuple[int, int] | None = None,
    legend: str,
    side: int = _CELL_SIDE,
    most_bytes: int = GRID_BYTES,
) -> bytes:
    """A PNG of at most ``most_bytes``: labelled pictures in ``cells[row][column]``, a note under each, one framed.

    ``framed`` is (row, column), ``side`` the longer one of each picture. Labels may have several lines.
    """
    pictures = [[_enlarged(image.convert("RGB"), side) for image in row] for row in cells]
    width, height = max(p.width for row in pictures for p in row), max(p.height for row in pictures for p in row)
    label, note = ImageFont.load_default(_LABEL), ImageFont.load_default(_NOTE)
    left = _GAP + max(_text_width(row, label) for row in rows) + 2 * _GAP
    lines = max(2, *(len(name.splitlines()) for name in columns))
    top, across = lines * _LABEL + 3 * _GAP, width + 2 * _GAP
    down = height + (_NOTE + 3 * _GAP if notes else 2 * _GAP)
    size = (round(left) + across * len(columns), top + down * len(rows) + _NOTE + 2 * _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, name in enumerate(columns):
        draw.text((left + across * place + width // 2, top // 2), name, _INK, label, anchor="mm", align="center")
    for row, name in enumerate(rows):
        draw.text((_GAP, top + down * row + height // 2), name, _INK, label, anchor="lm", align="left")
        for column, picture in enumerate(pictures[row]):
            x, y = round(left) + across * column, top + down * row
            sheet.paste(picture, (x, y))
            if notes:
                draw.text((x + width // 2, y + height + _GAP), notes[row][column], _FAINT, note, anchor="mt")
            if (row, column) == framed:
                box = (x - _FRAME, y - _FRAME, x + picture.width + _FRAME - 1, y + picture.height + _FRAME - 1)
                draw.rectangle(box, outline=f"#{DONE:06x}", width=_FRAME)
    draw.text((_GAP, size[1] - _GAP), legend, _FAINT, note, anchor="lb")
    return _save_within(sheet, most_bytes)


def lay_out(grid: Grid, pngs: Sequence[bytes], most_bytes: int) -> bytes:
    """The sheet of an X/Y grid as a PNG of at most ``most_bytes``: its pictures row by row, with labelled axes.

    As A1111's X/Y/Z plot. Pictures keep their size up to what a sheet of ``_WIDEST`` pixels has room for.
    """
    images = [_open(png) for png in pngs]
    across = len(grid.x.labels)
    side = min(max(*images[0].size, _CELL_SIDE), max(_CELL_SIDE, _WIDEST // across))
    columns, rows = ([_wrap(label, side) for label in axis.labels] if axis else [" "] for axis in (grid.x, grid.y))
    cells = [images[start : start + across] for start in range(0, len(images), across)]
    legend = f"across: {grid.x.name}" + (f" · down: {grid.y.name}" if grid.y else "")
    return draw_grid(columns, rows, cells, legend=legend, side=side, most_bytes=most_bytes)


def _wrap(label: str, width: int) -> str:
    """In lines of at most ``width`` pixels; of what is longer than three of them the rest is left out."""
    font = ImageFont.load_default(_LABEL)
    letters = max(4, int(width / font.getlength("n")))
    return "\n".join(textwrap.wrap(label, letters, max_lines=3, placeholder="…")) or " "


def _text_width(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> float:
    return max(font.getlength(line) for line in text.splitlines())


def _save_within(image: Image.Image, most: int) -> bytes:
    """As a PNG of at most so many bytes: with fewer colours, then smaller, where it has to be."""
    data = _save(image)
    if len(data) > most:
        data = _save(image.quantize(256))
    while len(data) > most:
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)
        data = _save(image.quantize(256))
    return data


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
