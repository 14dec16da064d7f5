"""Pictures made small tile by tile are what Pillow makes of them as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bot.shrinking import shrink


def noise(size: tuple[int, int], mode: str, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 2**16, (size[1], size[0]), dtype=np.uint16))
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    pixels = rng.integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    return Image.fromarray(pixels.squeeze() if channels == 1 else pixels, mode)


@pytest.mark.filterwarnings("ignore:.*mode.*:DeprecationWarning")
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("size", [(640, 480), (333, 1000), (3000, 40), (41, 900)])
def test_tiles_are_the_whole_picture_made_small(
    monkeypatch: pytest.MonkeyPatch, mode: str, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("bot.shrinking.TILE_PIXELS", 20_000)
    image = noise(size, mode)
    small = shrink(image, 128)
    assert max(small.size) == 128
    whole, most = image.resize(small.size, Image.Resampling.LANCZOS), 1  # rounded at other places
    assert (small.mode, small.size) == (whole.mode, whole.size)
    if mode == "RGBA":  # where hardly anything shows, its colour is rounded coarsely
        small, whole, most = small.convert("RGBa"), whole.convert("RGBa"), 2
    difference = np.abs(np.asarray(small, dtype=int) - np.asarray(whole, dtype=int))
    assert difference.max() <= most


def test_sixteen_bits_and_palettes_become_eight_bits_and_colours() -> None:
    assert shrink(noise((300, 200), "I;16"), 64).mode == "L"
    deep = shrink(Image.new("I;16", (300, 200), 0xFFFF), 64)
    assert deep.getextrema() == (255, 255)
    painted = Image.new("RGB", (300, 200), "red").convert("P")
    assert shrink(painted, 64).getpixel((5, 5)) == (255, 0, 0)
    painted.info["transparency"] = painted.getpixel((0, 0))
    assert shrink(painted, 64).getpixel((5, 5))[3] == 0
    assert shrink(Image.new("1", (300, 200), 1), 64).getextrema() == (255, 255)


def test_a_small_picture_stays_as_it_is_with_what_was_said_of_it() -> None:
    image = Image.new("RGB", (64, 48), "blue")
    image.info["icc_profile"] = b"profile"
    same = shrink(image, 64)
    assert (same.size, same.tobytes(), same.info) == (image.size, image.tobytes(), {"icc_profile": b"profile"})
