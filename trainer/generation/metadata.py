"""The settings that travel with a picture: A1111's ``parameters`` text in a PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo


def parameters_text(prompt: str, negative_prompt: str, settings: Mapping[str, str | int | float]) -> str:
    """A1111's text form: the prompt, the negative prompt, then ``Key: value`` pairs on one line.

    As ``create_infotext`` of A1111's ``modules/processing.py`` writes it; a value with a comma or a colon is quoted.
    """
    pairs = ", ".join(f"{key}: {_quote(value)}" for key, value in settings.items())
    negative = f"Negative prompt: {negative_prompt}\n" if negative_prompt else ""
    return f"{prompt}\n{negative}{pairs}"


def _quote(value: str | int | float) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if any(c in text for c in ",:\n") else text


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
