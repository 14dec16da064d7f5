"""The settings that travel with a picture: what :mod:`trainer.contract.infotext` writes, as a PNG's ``parameters``."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trainer import messages
from trainer.adapters.files import TRAINER_VERSION

if TYPE_CHECKING:
    from trainer.generation.images import Picture


PROGRAM = f"Darkroom {TRAINER_VERSION}"  # behind "Version", where A1111 has v1.10.0: who made the picture


def write_png(image: Image.Image, parameters: str) -> bytes:
    """The picture as PNG with its ``parameters``."""
    info = PngInfo()
    info.add_itxt("parameters", parameters) if not parameters.isascii() else info.add_text("parameters", parameters)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info, optimize=True)
    return buffer.getvalue()


def read_parameters(data: bytes) -> str | None:
    """The ``parameters`` of a PNG, or None."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        text = getattr(image, "text", {}).get("parameters")
    return str(text) if text is not None else None


def picture_files(pictures: Iterable[Picture]) -> tuple[messages.PictureFile, ...]:
    """Pictures as they are sent."""
    return tuple(
        messages.PictureFile(write_png(p.image, p.parameters), p.image.width, p.image.height, p.seed, p.parameters)
        for p in pictures
    )
