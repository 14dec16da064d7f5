"""The text fields of pictures' files: wherever programs put them, and nothing that strangers put there does harm."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.describing.child import describe
from bot.describing.fields import MOST_METADATA, read_fields
from bot.errors import UserError
from tests.bot.describing.files import A1111, chunk, png, png_of_chunks, with_exif

HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("text", [A1111, A1111.replace("ü", "u")])
def test_a_pngs_texts(text: str, compressed: bool) -> None:
    assert read_fields(png({"parameters": text, "Other": "x"}, compressed=compressed), "a.png") == {
        "parameters": text, "Other": "x",
    }  # fmt: skip


def test_a_text_behind_the_pixels_and_one_in_utf8_that_says_it_is_latin1() -> None:
    data = png_of_chunks(HEADER, chunk(b"IDAT", b"pixels"), chunk(b"tEXt", b"parameters\0" + A1111.encode()))
    assert read_fields(data, "a.png") == {"parameters": A1111}


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + A1111.encode("utf-16-be"),
        b"UNICODE\0" + A1111.encode("utf-16-le"),
        b"UNICODE\0" + A1111.encode("utf-16"),
        b"ASCII\0\0\0" + A1111.encode(),
        b"\0" * 8 + A1111.encode(),
        A1111.encode(),
    ],
    ids=["A1111", "little-endian", "with a mark", "ascii", "undefined", "bare"],
)
def test_exifs_user_comment(form: str, comment: bytes) -> None:
    assert read_fields(with_exif(form, {}, comment=comment), "a") == {"UserComment": A1111}


def test_exif_texts_of_comfyui_and_fooocus() -> None:
    fields = read_fields(with_exif("WEBP", {0x010F: 'workflow:{"a": 1}', 0x0110: 'prompt:{"b": 2}'}), "a.webp")
    assert (fields["workflow"], fields["prompt"]) == ('{"a": 1}', '{"b": 2}')
    fields = read_fields(with_exif("JPEG", {0x9286: '{"a": 1}', 0x0131: "Fooocus v2.5.5"}), "a.jpg")
    assert fields == {"UserComment": '{"a": 1}', "Software": "Fooocus v2.5.5"}


def test_a_megabyte_is_one_sentence() -> None:
    for data in (png({"parameters": "a" * 1_000_000}), png({f"t{n}": "a" * 100_000 for n in range(10)})):
        with pytest.raises(UserError) as refused:
            read_fields(data, "fox.png")
        assert refused.value.message == (
            "`fox.png` carries more than 512 kB of text, which is more than settings are: copy them in the program that"
            " made it, and paste those."
        )


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_bomb_is_not_inflated(kind: bytes) -> None:
    """64 MB in 64 kB; it is known for one after two of them."""
    bomb = zlib.compress(b"\0" * 2**26, 9)
    head = b"parameters\0\0" if kind == b"zTXt" else b"parameters\0\1\0\0\0"
    data = png_of_chunks(HEADER, chunk(kind, head + bomb))
    tracemalloc.start()
    with pytest.raises(UserError, match="carries more than"):
        read_fields(data, "a.png")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2**25


def test_just_below_the_limit_is_read() -> None:
    text = "a" * (MOST_METADATA - 100)
    assert read_fields(png({"parameters": text}, compressed=True), "a.png")["parameters"] == text


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"BM", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE", b"a text"])
def test_what_is_no_picture_is_named(data: bytes) -> None:
    with pytest.raises(UserError, match=r"`x.png` is no PNG, JPEG or WEBP picture: send the file"):
        read_fields(data, "x.png")


WHOLE = [
    png({"parameters": A1111}, compressed=True),
    with_exif("JPEG", {0x0110: "prompt:{}"}, comment=b"UNICODE\0" + A1111.encode("utf-16-be")),
    with_exif("WEBP", {0x010E: "x"}, comment=A1111.encode()),
    with_exif("PNG", {}, comment=A1111.encode()),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE), st.data())
def test_damaged_files_raise_nothing(whole: bytes, data: st.DataObject) -> None:
    """Cut off, or with bytes that chance wrote anywhere behind the signature."""
    broken = bytearray(whole[: data.draw(st.integers(12, len(whole)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if len(broken) > 12:
            broken[data.draw(st.integers(12, len(broken) - 1))] = data.draw(st.integers(0, 255))
    assert describe(bytes(broken), "a.png").error is None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1\0\x40Exif\0\0", b"RIFF\0\0\0\0WEBPEXIF"]),
       st.binary(max_size=400))  # fmt: skip
def test_noise_raises_nothing(signature: bytes, noise: bytes) -> None:
    describe(signature + noise, "a.png")
