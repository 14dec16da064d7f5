"""Small pictures as a channel shows them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from trainer.generation.sheets import ENLARGED_TO, show_large


def png(width: int, height: int, colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_small_picture_is_enlarged_and_keeps_its_shape() -> None:
    large = show_large([png(64, 48)])
    assert large is not None
    assert Image.open(io.BytesIO(large)).size == (ENLARGED_TO, ENLARGED_TO * 48 // 64)


@pytest.mark.parametrize(("count", "columns", "rows"), [(2, 2, 1), (3, 3, 1), (4, 2, 2)])
def test_several_small_pictures_become_one_sheet_in_order(count: int, columns: int, rows: int) -> None:
    colours = ["red", "lime", "blue", "yellow"][:count]
    large = show_large([png(64, 64, colour) for colour in colours])
    assert large is not None
    sheet = Image.open(io.BytesIO(large)).convert("RGB")
    cell = (sheet.width // columns, sheet.height // rows)
    middles = [(cell[0] * (i % columns) + cell[0] // 2, cell[1] * (i // columns) + cell[1] // 2) for i in range(count)]
    reference = [Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for colour in colours]
    assert [sheet.getpixel(middle) for middle in middles] == reference


def test_what_is_large_enough_stays_as_it_is() -> None:
    assert show_large([png(512, 512)]) is None
    assert show_large([]) is None
