"""Photos from strangers: fetched within limits, checked by content, upright, and without anything but pixels."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from PIL import Image, ImageDraw

from bot.children import Ended
from bot.errors import DarkroomError, UserError
from bot.fetching import Fetcher
from bot.findings import Scale, lines
from bot.orders import Upload
from bot.photos import MOST_PHOTO_BYTES, Photos, check_uploads
from bot.reviews import report_of
from tests.bot.scenes import scene
from trainer.contract.blobs import Blobs
from trainer.contract.names import photos_prefix, sheet_path


class Cdn:
    """A CDN on loopback that serves what it was given, and can fail."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[int] = []
        self.asked = 0
        self.base = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.faults:
            return web.Response(status=self.faults.pop(), headers={"Location": "http://127.0.0.1/elsewhere"})
        return web.Response(body=self.files[request.match_info["name"]])

    def put(self, filename: str, data: bytes, *, said_bytes: int | None = None) -> Upload:
        self.files[filename] = data
        return Upload(filename=filename, url=f"{self.base}/{filename}", size_bytes=said_bytes or len(data))


@pytest.fixture
async def cdn() -> AsyncIterator[Cdn]:
    served = Cdn()
    app = web.Application()
    app.router.add_get("/{name}", served.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.fixture
async def photos(cdn: Cdn, blobs: Blobs, tmp_path: Path) -> AsyncIterator[Photos]:
    async with aiohttp.ClientSession() as session:
        yield Photos(Fetcher(session, cdn_base=cdn.base), blobs, tmp_path / "incoming")


def picture(size: tuple[int, int] = (96, 64), mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "red")
    ImageDraw.Draw(image).rectangle((size[0] // 2, 0, *size), fill="blue")
    return image.convert(mode)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


SCALE = Scale(resolution=64, step=8)
JPEG = encoded(picture(), "JPEG", quality=95)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def huge_png(side: int) -> bytes:
    """A PNG of a few kB that decodes to ``side``² pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * (side // 8 + 1) * 100, 9)  # some rows are enough: it is refused before they are read
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def stored(photos: Photos, blobs: Blobs, uploads: list[Upload]) -> list[Image.Image]:
    """The photos as they are stored."""
    result = await photos.collect("123", uploads, SCALE)
    return [Image.open(io.BytesIO(await blobs.read(path))) for path in result.paths]


async def test_four_formats_are_taken_by_content_whatever_they_are_called(
    cdn: Cdn, photos: Photos, blobs: Blobs
) -> None:
    import pillow_heif

    heic = pillow_heif.from_pillow(picture((128, 96)))
    buffer = io.BytesIO()
    heic.save(buffer, quality=90)
    uploads = [
        cdn.put("a.png", JPEG),
        cdn.put("b.txt", encoded(picture(), "PNG")),
        cdn.put("c", encoded(picture(), "WEBP")),
        cdn.put("d.jpg", buffer.getvalue()),
    ]
    images = await stored(photos, blobs, uploads)
    assert [(image.format, image.mode, image.size) for image in images] == [
        ("PNG", "RGB", size) for size in ((96, 64), (96, 64), (96, 64), (128, 96))
    ]
    for image in images:
        left, right = image.getpixel((5, 30)), image.getpixel((image.width - 5, 30))
        assert left[0] > 200 > 80 > left[2]
        assert right[2] > 200 > 80 > right[0]


async def test_photos_come_out_upright_small_enough_and_without_metadata(
    cdn: Cdn, photos: Photos, blobs: Blobs
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    turned = encoded(picture((3000, 2000)), "JPEG", exif=exif, comment=b"a secret")
    uploads = [cdn.put("a.jpg", turned), cdn.put("b.jpg", JPEG), cdn.put("c.jpg", JPEG)]
    image = (await stored(photos, blobs, uploads))[0]
    assert image.size == (1365, 2048)
    assert image.getpixel((100, 50))[0] > 200  # red, which was on the left, is on top now
    assert image.info == {}
    assert dict(image.getexif()) == {}


async def test_unusual_pixels_become_rgb_or_rgba(cdn: Cdn, photos: Photos, blobs: Blobs) -> None:
    deep = Image.new("I;16", (64, 64), 0xFFFF)
    seethrough = picture((64, 64), "RGBA")
    seethrough.putpixel((0, 0), (0, 0, 0, 0))
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "green")]
    moving = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    uploads = [
        cdn.put("deep.png", encoded(deep, "PNG")),
        cdn.put("grey.jpg", encoded(picture((64, 64), "L"), "JPEG")),
        cdn.put("ink.jpg", encoded(picture((64, 64), "CMYK"), "JPEG")),
        cdn.put("palette.png", encoded(picture((64, 64), "P"), "PNG")),
        cdn.put("seethrough.png", encoded(seethrough, "PNG")),
        cdn.put("opaque.png", encoded(picture((64, 64), "RGBA"), "PNG")),
        cdn.put("moving.png", moving),
    ]
    images = await stored(photos, blobs, uploads)
    assert [image.mode for image in images] == ["RGB"] * 4 + ["RGBA", "RGB", "RGB"]
    assert images[0].getpixel((5, 5)) == (255, 255, 255)
    assert images[6].getpixel((5, 5)) == (255, 0, 0)


async def test_transparency_is_kept_and_crops_keep_what_is_opaque(cdn: Cdn, photos: Photos, blobs: Blobs) -> None:
    cut_out = picture((200, 100), "RGBA")
    mask = Image.new("L", cut_out.size, 0)
    ImageDraw.Draw(mask).rectangle((140, 20, 179, 59), fill=255)
    cut_out.putalpha(mask)
    names = ("a.png", "b.png", "c.png")
    result = await photos.collect("123", [cdn.put(name, encoded(cut_out, "PNG")) for name in names], SCALE)
    for path in result.paths:
        image = Image.open(io.BytesIO(await blobs.read(path)))
        assert image.mode == "RGBA"
        assert image.getchannel("A").tobytes() == mask.tobytes()
    assert result.focuses == (pytest.approx((0.8, 0.4), abs=0.01),) * 3


async def test_a_report_with_findings_lies_among_the_photos(cdn: Cdn, photos: Photos, blobs: Blobs) -> None:
    good = [encoded(scene((300, 200), seed=seed), "PNG") for seed in (1, 2, 3)]
    result = await photos.collect("123", [cdn.put(f"{n}.png", data) for n, data in enumerate(good)], SCALE)
    assert not result.flagged
    assert await blobs.list("photos/123/") == list(result.paths)
    twice = [*good[:2], good[0]]
    result = await photos.collect("124", [cdn.put(f"{n}.png", data) for n, data in enumerate(twice)], SCALE)
    assert result.flagged
    assert sheet_path("124") in await blobs.list(photos_prefix("124"))
    report = await report_of(blobs, "124")
    assert report is not None
    assert lines(report, named=True) == ["photo 3 (`2.png`) shows the same as photo 1"]


async def test_checking_photos_keeps_nothing(cdn: Cdn, photos: Photos, blobs: Blobs, tmp_path: Path) -> None:
    report, sheet = await photos.check([cdn.put(name, JPEG) for name in ("a.jpg", "b.jpg", "c.jpg")], SCALE)
    assert [finding.photo for finding in report.findings] == [1, 2]
    assert Image.open(io.BytesIO(sheet)).format == "JPEG"
    assert await blobs.list("photos/") == []
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("filename", "data", "words"),
    [
        ("notes.jpg", b"dear diary, this is no photo\n" * 40, "`notes.jpg` is text and no photo"),
        (
            "big.png",
            huge_png(13_000),
            "`big.png` has 169 megapixels (13000 × 13000), and 40 are the most of its kind: make it smaller",
        ),
        ("dance.gif", encoded(picture(), "GIF", save_all=True, append_images=[picture(mode="L")]), "is a GIF"),
        ("a.pdf", b"%PDF-1.7 and more", "is a PDF"),
        ("empty.jpg", b"", "is empty"),
        ("cut.jpg", JPEG[: len(JPEG) // 2], "is damaged and can't be opened"),
        ("tiny.png", encoded(picture((8, 8)), "PNG"), "8 × 8 pixels, too small"),
        ("noise.jpg", b"\xff\xd8\xff" + bytes(range(256)) * 8, "is damaged"),
        ("`x` @everyone.jpg", b"text", "`'x' @\u200beveryone.jpg` is text"),
    ],
)
async def test_a_bad_photo_is_named_with_the_way_out_and_nothing_is_stored(
    cdn: Cdn, photos: Photos, blobs: Blobs, tmp_path: Path, filename: str, data: bytes, words: str
) -> None:
    uploads = [cdn.put("a.jpg", JPEG), cdn.put("b.jpg", JPEG), cdn.put(filename, data)]
    with pytest.raises(UserError) as error:
        await photos.collect("123", uploads, SCALE)
    assert words in error.value.message
    assert error.value.message.count(".") <= filename.count(".") + 1  # one sentence
    assert await blobs.list("photos/") == []
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "There are no photos: attach 3 to 10 photos"),
        (("a.jpg",), "One photo is too few to learn from: attach 3 to 10"),
        (("a.jpg", "b.jpg"), "2 photos are too few"),
        (tuple(f"{number}.jpg" for number in range(11)), "11 files are too many"),
        (("a.jpg", "b.jpg", "c.zip"), "`c.zip` is a zip among other files"),
    ],
)
def test_what_can_be_said_before_fetching_is_said(names: tuple[str, ...], words: str) -> None:
    uploads = [Upload(filename=name, url="http://cdn/x", size_bytes=10) for name in names]
    with pytest.raises(UserError) as error:
        check_uploads(uploads)
    assert words in error.value.message


async def test_the_limit_holds_whatever_the_size_was_said_to_be(
    cdn: Cdn, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Upload(filename="a.jpg", url=f"{cdn.base}/a.jpg", size_bytes=MOST_PHOTO_BYTES + 1)
    with pytest.raises(UserError, match=r"`a.jpg` is larger than 25 MB"):
        check_uploads([large] * 3)
    monkeypatch.setattr("bot.photos.MOST_PHOTO_BYTES", 1024 * 1024)
    lying = cdn.put("lying.jpg", b"x" * 2 * 1024 * 1024, said_bytes=10)
    with pytest.raises(UserError, match=r"`lying.jpg` is larger than 1 MB"):
        await photos.collect("123", [lying, lying, lying], SCALE)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://cdn.discordapp.com.evil.example/a.jpg",
        "https://cdn.discordapp.com@evil.example/a.jpg",
        "http://cdn.discordapp.com/a.jpg",
        "https://cdn.discordapp.com:8443/a.jpg",
        "file:///etc/passwd",
    ],
)
async def test_only_discords_cdn_is_asked(cdn: Cdn, photos: Photos, url: str) -> None:
    with pytest.raises(UserError, match="does not lie on Discord: attach the file itself"):
        await photos.collect("123", [Upload(filename="a.jpg", url=url, size_bytes=5)] * 3, SCALE)
    assert cdn.asked == 0


async def test_a_cdn_that_fails_once_is_asked_again_and_never_followed_elsewhere(
    cdn: Cdn, photos: Photos, blobs: Blobs
) -> None:
    uploads = [cdn.put(name, JPEG) for name in ("a.jpg", "b.jpg", "c.jpg")]
    cdn.faults = [503, 503]
    assert len(await stored(photos, blobs, uploads)) == 3
    cdn.faults = [302] * 3
    with pytest.raises(UserError, match=r"`a.jpg` could not be fetched from Discord: send the photos again"):
        await photos.collect("124", uploads, SCALE)


async def test_a_zip_brings_photos_with_captions_beside_them(cdn: Cdn, photos: Photos, blobs: Blobs) -> None:
    files = {
        "set/B.jpg": JPEG,
        "set/a.png": encoded(picture(), "PNG"),
        "set/a.txt": b"a toy,\n  on a table\x00",
        "set/c.JPG": JPEG,
        "set/c.jpg.txt": b"a toy in the snow",  # as some programs name it
        "other/README.txt": b"of the whole folder",
        "__MACOSX/set/._a.png": b"noise",
        "set/.DS_Store": b"noise",
        "set/Thumbs.db": b"noise",
        "../../escape.jpg": JPEG,
    }
    result = await photos.collect("123", [cdn.put("all.zip", zipped(files))], SCALE)
    assert result.captions == (None, "a toy, on a table", None, "a toy in the snow")
    assert result.paths == tuple(f"photos/123/{index:03}.png" for index in range(4))


def bomb() -> bytes:
    return zipped({f"{number}.jpg": bytes(20 * 1024 * 1024) for number in range(3)})


def locked() -> bytes:
    data = bytearray(zipped({f"{number}.jpg": JPEG for number in range(3)}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = data.find(magic)
        while position >= 0:
            data[position + offset] |= 1
            position = data.find(magic, position + 4)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bomb(), "`a.zip` unpacks to far more than photos do"),
        (zipped({f"{n}.jpg": JPEG for n in range(101)}), "`a.zip` holds 101 files, and 100 photos are the most"),
        (zipped({f"{n}.txt": b"x" for n in range(501)}), "`a.zip` holds 501 files, and 500 are the most"),
        (zipped({"one.jpg": JPEG}), "`a.zip` holds 1 photo: a training needs 3 to 100"),
        (zipped({"a.jpg": JPEG, "b.jpg": JPEG, "deep/er/c.exe": b"MZ\x90\0\xff"}), "`c.exe` is no photo"),
        (
            zipped({**{f"{n}.jpg": JPEG for n in range(3)}, "2.txt": b"a toy", "other/2.txt": b"a toy", "x.txt": b""}),
            r"`2.txt` in `a.zip` is the caption of no photo (and 1 more like it): give it the name of its photo",
        ),
        (locked(), "`a.zip` is locked with a password"),
        (zipped({f"{n}.jpg": JPEG for n in range(3)})[:-30], "`a.zip` is damaged, or no zip of the usual kind"),
        (b"PK\x03\x04 nothing more", "`a.zip` is damaged"),
        (b"just text", "`a.zip` is text and no photo"),
    ],
)
async def test_a_bad_zip_is_named_with_the_way_out(
    cdn: Cdn, photos: Photos, blobs: Blobs, data: bytes, words: str
) -> None:
    with pytest.raises(UserError) as error:
        await photos.collect("123", [cdn.put("a.zip", data)], SCALE)
    assert words in error.value.message
    assert await blobs.list("photos/") == []


async def test_a_decoder_that_dies_takes_nothing_down(
    cdn: Cdn, photos: Photos, blobs: Blobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "bot"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("")
    (broken / "decoding.py").write_text('import os\nprint(\'{"reading": "b.jpg"}\', flush=True)\nos.abort()\n')
    monkeypatch.setattr("bot.children._ROOT", broken.parent)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"`b.jpg` can't be opened: save it anew as a JPEG"):
        await photos.collect("123", [cdn.put(name, JPEG) for name in ("a.jpg", "b.jpg", "c.jpg")], SCALE)


async def test_what_a_dead_bot_left_of_incoming_photos_is_cleared(photos: Photos, tmp_path: Path) -> None:
    left = tmp_path / "incoming" / "1-abc"
    left.mkdir(parents=True)
    (left / "in-000").write_bytes(b"pixels")
    photos.clear_incoming()
    assert not left.exists()


async def test_explicit_photos_are_refused_unless_they_are_allowed(
    cdn: Cdn, blobs: Blobs, tmp_path: Path, photos: Photos
) -> None:
    """With the real classifier, and a threshold that every photo is above."""
    strict = Photos(photos._fetcher, blobs, tmp_path / "incoming", explicit_from=1e-9)
    uploads = [cdn.put(f"{number}.png", encoded(picture(), "PNG")) for number in range(3)]
    with pytest.raises(UserError, match=r"`0.png` is explicit, and such photos are taken in age-restricted channels"):
        await strict.collect("7", uploads, Scale())
    with pytest.raises(UserError, match=r"`0.png` is explicit"):
        await strict.collect_pictures("7", uploads[:1])
    assert await blobs.list("") == []
    assert (await strict.collect("7", uploads, Scale(), explicit_allowed=True)).paths
    lenient = Photos(photos._fetcher, blobs, tmp_path / "incoming", explicit_from=0.8)
    assert (await lenient.collect("8", uploads, Scale())).paths


async def test_photos_that_could_not_be_looked_at_are_not_taken(
    cdn: Cdn, blobs: Blobs, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object, **__: object) -> Ended:
        return Ended((b'{"reading":"0.png"}', b'{"looking":true}'), "no weights", 1)

    monkeypatch.setattr("bot.photos.ask_child", die)
    uploads = [cdn.put(f"{number}.png", encoded(picture(), "PNG")) for number in range(3)]
    with pytest.raises(DarkroomError, match="could not be looked at"):
        await photos.collect("7", uploads, Scale())
    assert await blobs.list("") == []
