"""Photos from strangers, decoded in a child process of its own: `python -m bot.decoding`.

A decoder that crashes, hangs or takes gigabytes then takes down nothing but this child, and the bot stays small.
It reads one JSON request on stdin and writes JSON lines: what it is reading, then the captions and the report, or the
error. In the request's folder it leaves the photos, named by :func:`photo_name`, and the crop sheet.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from bot.archives import Entry, read_zip
from bot.crops import draw_sheet, preview
from bot.errors import UserError, quoted
from bot.findings import SHEET_NAME, Scale, photo_name, report_on
from bot.inspection import inspect
from bot.shrinking import shrink
from common.explicit import Classifier

MOST_PHOTO_BYTES = 25 * 1024 * 1024
# Phones make 12 to 50 megapixels, mostly as JPEG, which is decoded at a part of its size. A pixel of the others takes
# 4, 9 and 16 bytes while it is decoded, and one photo is to take no more than 300 MiB
MOST_PIXELS = {"JPEG": 50_000_000, "PNG": 40_000_000, "HEIF": 25_000_000, "WEBP": 12_000_000}
LEAST_SIDE = 32
LONGEST_SIDE = 2048  # more than any base learns from
MOST_PHOTOS_IN_ZIP = 100
LEAST_PHOTOS = 3
MEMORY_BYTES = 3 * 1024**3  # of address space
CPU_S = 240
WAY_OUT = "send a JPEG, PNG, WEBP or HEIC photo"

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_OTHERS = (  # what people send by mistake, so that the message can say what it is
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a zip"),
    (b"\x1aE\xdf\xa3", "a video"),
)


def sniff(data: bytes) -> str | None:
    """The format by content, as Pillow calls it; None if it is none that is taken."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "HEIF"
    return None


def _what_it_is(data: bytes) -> str:
    for magic, words in _OTHERS:
        if data.startswith(magic):
            return words
    if data[4:8] == b"ftyp":
        return "an AVIF picture" if data[8:12] in {b"avif", b"avis"} else "a video"
    try:
        data[:1024].decode("ascii")
    except UnicodeDecodeError:
        return "no photo"
    return "text and no photo" if data else "empty"


def normalise(data: bytes, filename: str) -> Image.Image:
    """The photo upright, in sRGB, RGB or RGBA, at most 2048 pixels wide and high, its first frame, without metadata.

    Raises UserError naming the file.
    """
    shown = quoted(filename)
    picture_format = sniff(data)
    if picture_format is None:
        raise UserError(f"{shown} is {_what_it_is(data)}: {WAY_OUT} instead.")
    if picture_format == "HEIF":
        import pillow_heif  # costs 20 MB: only where it is needed

        pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None  # ours is the stricter check, and it comes before any pixel is decoded
    try:
        with Image.open(io.BytesIO(data), formats=(picture_format,)) as image:
            _check_size(image, shown, MOST_PIXELS[picture_format])
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG then decodes at half, quarter or eighth size
            image.load()
            return _clean(image)
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{shown} takes too much memory to open: save it anew as a JPEG and send that.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        raise UserError(f"{shown} is damaged and can't be opened: save it anew as a JPEG and send that.") from error


def _check_size(image: Image.Image, shown: str, most_pixels: int) -> None:
    width, height = image.size
    if width * height > most_pixels:
        megapixels = f"{width * height / 1e6:.0f} megapixels ({width} × {height})"
        raise UserError(
            f"{shown} has {megapixels}, and {most_pixels // 1_000_000} are the most of its kind: make it smaller and"
            " send it again."
        )
    if min(width, height) < LEAST_SIDE:
        raise UserError(
            f"{shown} is {width} × {height} pixels, too small to learn from: send one of at least {LEAST_SIDE} pixels a"
            " side."
        )


def _clean(image: Image.Image) -> Image.Image:
    image = shrink(image, LONGEST_SIDE)  # first of all: whatever follows copies it
    with suppress(Exception):  # EXIF of cameras is broken in ways without end; then it stays as it lies
        image = ImageOps.exif_transpose(image)
    image = _to_srgb(image, image.info.get("icc_profile"))
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    clean = Image.new(image.mode, image.size)  # a new one carries nothing but pixels
    clean.paste(image)
    return clean


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile or image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted if converted is not None else image


def read_sources(sources: list[dict[str, str]], folder: Path) -> list[Entry]:
    """The photos themselves, or those in the one zip, unpacked into ``folder``. Raises UserError."""
    paths = [(Path(source["path"]), source["filename"]) for source in sources]
    if len(paths) == 1 and _begins(paths[0][0]) == b"PK\x03\x04":
        path, filename = paths[0]
        entries = read_zip(path, filename, folder, most_photos=MOST_PHOTOS_IN_ZIP, most_photo_bytes=MOST_PHOTO_BYTES)
        if len(entries) < LEAST_PHOTOS:
            raise UserError(
                f"{quoted(filename)} holds {len(entries)} photo{'' if len(entries) == 1 else 's'}: a training needs"
                f" {LEAST_PHOTOS} to {MOST_PHOTOS_IN_ZIP}, so add some more."
            )
        return entries
    return [Entry(filename, path, None) for path, filename in paths]


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def decode_all(request: dict[str, Any]) -> None:
    """Decode what ``request`` names into PNG files of its folder and look through them, writing JSON lines."""
    folder, scale = Path(request["folder"]), msgspec.convert(request["scale"], Scale)
    entries = read_sources(request["sources"], folder)
    inspected, previews = [], []
    for index, entry in enumerate(entries):
        _say(reading=entry.filename)
        image = normalise(entry.path.read_bytes(), entry.filename)
        image.save(folder / photo_name(index), format="PNG", compress_level=3)
        inspected.append(inspect(image, entry.filename))
        previews.append(preview(image))
    if request.get("explicit_from") is not None:
        _look_for_explicit(entries, folder, request["explicit_from"])
    report = report_on(inspected, scale)
    (folder / SHEET_NAME).write_bytes(draw_sheet(previews, report))
    _say(captions=[entry.caption for entry in entries], report=report)


def _look_for_explicit(entries: list[Entry], folder: Path, explicit_from: float) -> None:
    """Raises UserError: one is. After all are small, for what looks takes 100 MB, and a large photo more."""
    _say(looking=True)
    classifier = Classifier()
    for index, entry in enumerate(entries):
        check_explicit(classifier.score((folder / photo_name(index)).read_bytes()), explicit_from, entry.filename)


def check_explicit(score: float, explicit_from: float, filename: str) -> None:
    """Raises UserError: a photo is explicit. What is no number is, too."""
    if not score < explicit_from:
        raise UserError(
            f"{quoted(filename)} is explicit, and such photos are taken in age-restricted channels alone, and never of"
            " a real person: leave it out."
        )


def _say(**line: object) -> None:
    print(msgspec.json.encode(line).decode(), flush=True)


def main() -> None:
    """Serve one request, within limits on memory and time."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    try:
        decode_all(json.load(sys.stdin))
    except UserError as error:
        _say(error=error.message)


if __name__ == "__main__":
    main()
