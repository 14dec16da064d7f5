"""Pictures that look like photos to what measures them: sharp, and each seed's unlike the others'."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def scene(size: tuple[int, int] = (640, 480), *, seed: int = 1) -> Image.Image:
    """Shapes with sharp edges in all directions."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(rng.integers(60, 200, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, side = int(rng.integers(size[0])), int(rng.integers(size[1])), int(rng.integers(20, 120))
        pen.regular_polygon((x, y, side), int(rng.integers(3, 9)), fill=tuple(rng.integers(0, 255, 3)))
    return image
