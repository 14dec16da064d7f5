"""Small pictures as a channel shows them."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from trainer.contract.drawings import Axis, Grid
from trainer.contract.looks import DONE
from trainer.generation.sheets import ENLARGED_TO, GRID_BYTES, draw_grid, lay_out, show_large


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


def grid(cells: list[list[Image.Image]], framed: tuple[int, int] = (0, 0)) -> bytes:
    columns, rows = [f"weight\n{c}" for c in range(len(cells[0]))], [f"step\n{row}00" for row in range(len(cells))]
    notes = [["95 · 90"] * len(row) for row in cells]
    return draw_grid(columns, rows, cells, notes=notes, framed=framed, legend="what they mean")


def test_a_grid_enlarges_its_pictures_and_frames_one() -> None:
    cells = [[Image.new("RGB", (64, 64), colour) for colour in row] for row in (("red", "lime"), ("blue", "yellow"))]
    sheet = Image.open(io.BytesIO(grid(cells, framed=(1, 0)))).convert("RGB")
    areas = {colour: count for count, colour in sheet.getcolors(sheet.width * sheet.height) or []}
    assert all(areas[cell[0].getpixel((0, 0))] >= 200 * 200 for cell in cells)  # type: ignore[index]
    green = ((DONE >> 16) & 255, (DONE >> 8) & 255, DONE & 255)
    frame = [(x, y) for x in range(sheet.width) for y in range(sheet.height) if sheet.getpixel((x, y)) == green]
    inside = [(sum(xs) // len(xs)) for xs in zip(*frame, strict=True)]
    assert sheet.getpixel(tuple(inside)) == (0, 0, 255)  # type: ignore[arg-type]


def test_a_grid_is_small_enough_for_any_channel_even_of_noise() -> None:
    rng = random.Random(1)
    noise = [[Image.frombytes("RGB", (256, 256), rng.randbytes(256 * 256 * 3)) for _ in range(4)] for _ in range(3)]
    data = grid(noise)
    assert len(data) <= GRID_BYTES
    assert Image.open(io.BytesIO(data)).width > 500


def test_a_grid_of_two_axes_is_one_sheet_with_its_pictures_row_by_row() -> None:
    colours = ["red", "lime", "blue", "yellow", "cyan", "magenta"]
    grid = Grid(Axis("weight", ("0.5", "0.7", "1")), Axis("words", ("a very long label of many words " * 3, "b")))
    sheet = Image.open(io.BytesIO(lay_out(grid, [png(64, 64, colour) for colour in colours], 1_000_000)))
    pixels = sheet.convert("RGB")
    counted = {colour: count for count, colour in pixels.getcolors(pixels.width * pixels.height) or []}
    middles = {}
    for colour in colours:
        wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert counted[wanted] >= 200 * 200  # type: ignore[index]
        middles[colour] = list(pixels.get_flattened_data()).index(wanted)
    places = [middles[colour] for colour in colours]
    assert [place // pixels.width for place in places[:3]] == [places[0] // pixels.width] * 3
    assert sorted(place % pixels.width for place in places[:3]) == [place % pixels.width for place in places[:3]]
    assert places[3] // pixels.width > places[0] // pixels.width


def test_a_large_grid_keeps_to_its_bytes() -> None:
    noise = [Image.effect_noise((512, 512), 90).convert("RGB") for _ in range(4)]
    pngs = []
    for image in noise:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        pngs.append(buffer.getvalue())
    grid = Grid(Axis("seed", ("1", "2")), Axis("steps", ("10", "20")))
    assert len(lay_out(grid, pngs, 300_000)) <= 300_000
    assert len(lay_out(Grid(Axis("seed", tuple("1234"))), pngs, 10**9)) > 300_000
