"""Five hundred pictures that a careless decoder dies of or takes gigabytes for: by hand, and by seeds."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pillow_heif
from PIL import Image, ImageDraw

from tests.bot.importing.measuring import Measured, run_measured

COUNT = 500

_BATCH = """
import json, resource, sys
from pathlib import Path
from bot import decoding
from bot.errors import UserError
resource.setrlimit(resource.RLIMIT_AS, (decoding.MEMORY_BYTES, decoding.MEMORY_BYTES))
request, scale = json.load(sys.stdin), {"resolution": 64, "step": 8}
for path in request["paths"]:
    print(path, flush=True)
    source = {"path": path, "filename": "x.jpg"}
    try:
        decoding.decode_all({"folder": request["folder"], "sources": [source], "scale": scale})
    except UserError as error:
        print(json.dumps(error.message), flush=True)
print("done", flush=True)
"""


def _sample(size: tuple[int, int] = (160, 120), mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", size, "red")
    draw = ImageDraw.Draw(image)
    for place in range(0, size[0], 8):
        draw.line((place, 0, size[0] - place, size[1]), fill=(place % 256, 90, 200))
    return image.convert(mode)


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, depth: int, colour: int, *chunks: bytes, rows: int | None = None) -> bytes:
    """All black; ``rows``: how many there really are."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" * (1 + (width * depth * samples + 7) // 8)
    packer, body = zlib.compressobj(9), b""
    for _ in range(height if rows is None else rows):
        body += packer.compress(row)
    body += packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [_chunk(b"IHDR", head), *chunks, _chunk(b"IDAT", body), _chunk(b"IEND", b"")]
    )


def _sound() -> dict[str, bytes]:
    image = _sample()
    heif = io.BytesIO()
    pillow_heif.from_pillow(image).save(heif, quality=60)
    frames = {"save_all": True, "append_images": [_sample(mode="L").convert("RGB")] * 3}
    return {
        "JPEG": _saved(image, "JPEG"), "progressive JPEG": _saved(image, "JPEG", progressive=True),
        "CMYK": _saved(_sample(mode="CMYK"), "JPEG"), "PNG": _saved(image, "PNG"),
        "palette": _saved(_sample(mode="P"), "PNG"), "RGBA": _saved(_sample(mode="RGBA"), "PNG"),
        "APNG": _saved(image, "PNG", **frames), "WEBP": _saved(image, "WEBP"),
        "lossless WEBP": _saved(image, "WEBP", lossless=True), "animated WEBP": _saved(image, "WEBP", **frames),
        "HEIC": heif.getvalue(),
    }  # fmt: skip


def _bombs() -> Iterator[Callable[[], bytes]]:
    """Few bytes that become many pixels, or many bytes that are no pixels."""
    for width, height, depth, colour in (
        (6300, 6300, 1, 0),
        (6300, 6300, 16, 0),
        (6300, 6300, 16, 2),
        (6300, 6300, 8, 4),
        (6300, 6300, 8, 6),
        (50_000, 790, 8, 6),
        (1_200_000, 33, 8, 2),
        (7000, 7000, 8, 6),
    ):
        yield partial(_png, width, height, depth, colour, rows=500)
    for depth, colour, chunks in ((8, 2, ()), (8, 3, (_chunk(b"PLTE", bytes(768)), _chunk(b"tRNS", bytes(256))))):
        yield partial(_png, 6300, 6300, depth, colour, *chunks)
    for side in (13_000, 100_000, 2**31 - 1):
        yield partial(_png, side, side, 1, 0, rows=0)
    zeros = zlib.compress(bytes(100 * 1024 * 1024), 9)
    for kind, head in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")):
        for times in (1, 20):
            yield partial(_png, 64, 64, 8, 2, *[_chunk(kind, head + zeros)] * times)
    yield partial(_png, 64, 64, 8, 2, *[_chunk(b"tEXt", b"a\0" + b"b" * 100)] * 50_000)
    large = partial(_sample, (7000, 7000))
    yield lambda: _saved(large(), "JPEG", quality=30, progressive=True)
    yield lambda: _saved(large("CMYK"), "JPEG", quality=30)
    for side in (3460, 7000):
        yield lambda side=side: _saved(_sample((side, side), "RGBA"), "WEBP", quality=10, method=0)
    yield lambda: _saved(_sample(), "JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 60_000)
    yield lambda: _saved(_sample(), "JPEG", icc_profile=bytes(60_000))
    yield lambda: b"\xff\xd8" + b"\xff\xe1\xff\xff" + b"a" * 65_533 * 200
    yield lambda: b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x11\0\x02\x11\0\x03\x11\0" + bytes(1000)
    yield lambda: b"RIFF\xff\xff\xff\x7fWEBPVP8X\x0a\0\0\0\x02\0\0\0\xff\xff\xff\xff\xff\xff" + bytes(1000)


def _mutated(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(changed[: rng.randrange(len(changed))])
    if kind == 1:
        for _ in range(rng.randrange(1, 40)):
            changed[rng.randrange(12, len(changed))] = rng.randrange(256)
    elif kind == 2:  # the sizes stand near the beginning
        changed[rng.randrange(12, min(64, len(changed)))] = rng.choice([0, 1, 127, 128, 255])
    elif kind == 3:
        at = rng.randrange(12, len(changed))
        changed[at:at] = changed[at : at + rng.randrange(1, 4000)]
    else:
        at, count = rng.randrange(12, len(changed)), rng.randrange(1, 200)
        del changed[at : at + count]
    return bytes(changed)


def hostile_pictures(count: int = COUNT) -> Iterator[Callable[[], bytes]]:
    """So many of them, each to be made when it is its turn."""
    bombs, sound = list(_bombs()), list(_sound().values())
    yield from bombs[:count]
    for seed in range(count - len(bombs)):
        yield partial(_mutated, sound[seed % len(sound)], random.Random(seed))


def decode_measured(pictures: list[Callable[[], bytes]], folder: Path) -> tuple[int, Measured]:
    """How many the decoder got through, and what it took for all of them."""
    paths = []
    for number, make in enumerate(pictures):
        (folder / f"{number}").write_bytes(make())
        paths.append(str(folder / f"{number}"))
    request = json.dumps({"paths": paths, "folder": str(folder)}).encode()
    measured = run_measured("-c", _BATCH, request=request)
    lines = measured.stdout.decode().splitlines()
    return len(set(paths) & set(lines)) if lines[-1:] == ["done"] else 0, measured


def decode_together(pictures: list[Callable[[], bytes]], folder: Path) -> Measured:
    """The photos of one order, with a look at what is explicit in them, as the bot asks for it."""
    sources = []
    for number, make in enumerate(pictures):
        (folder / f"{number}").write_bytes(make())
        sources.append({"path": str(folder / f"{number}"), "filename": "x.jpg"})
    request = {"sources": sources, "folder": str(folder), "scale": {}, "explicit_from": 0.8}
    return run_measured("-m", "bot.decoding", request=json.dumps(request).encode())


def largest() -> Callable[[], bytes]:
    """A PNG of nearly as many pixels as are taken, each of four bytes."""
    return partial(_png, 6300, 6300, 8, 6, rows=500)
