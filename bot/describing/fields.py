"""The text fields of a picture's file: PNG's text chunks, and the EXIF of PNG, JPEG and WebP.

The containers are walked here, so that no codec sees a stranger's bytes and no pixel is decoded. Runs in the child.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator

from PIL import Image

from bot.errors import UserError, quoted

MOST_METADATA = 512 * 1024  # characters of all fields together; a large ComfyUI workflow has some 200,000
_TOO_LONG = 4 * MOST_METADATA + 1  # bytes of a compressed field that need not be told apart from more
_EXIF_IFD, _USER_COMMENT, _DESCRIPTION, _MAKE, _MODEL, _SOFTWARE = 0x8769, 0x9286, 0x010E, 0x010F, 0x0110, 0x0131
_LABELLED = re.compile(r"(prompt|workflow):\s*(?=\{)", re.IGNORECASE)  # ComfyUI puts them into EXIF texts of any tag


class TooMuch(Exception):
    """The fields are larger than any program's."""


def read_fields(data: bytes, filename: str) -> dict[str, str]:
    """The text fields of a PNG, JPEG or WebP by their names; what is damaged is passed over.

    EXIF gives ``UserComment``, ``ImageDescription`` and ``Software``. Raises UserError: another kind of file, or more
    than MOST_METADATA characters.
    """
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _collect(_png_fields(data))
        if data.startswith(b"\xff\xd8\xff"):
            return _collect(_jpeg_fields(data))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _collect(_webp_fields(data))
    except TooMuch:
        raise UserError(
            f"{quoted(filename)} carries more than {MOST_METADATA // 1024} kB of text, which is more than settings are:"
            " copy them in the program that made it, and paste those."
        ) from None
    raise UserError(f"{quoted(filename)} is no PNG, JPEG or WEBP picture: send the file as the program saved it.")


def _collect(found: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Of a name that stands there twice, the first."""
    fields: dict[str, str] = {}
    characters = 0
    for name, text in found:
        characters += len(name) + len(text)
        if characters > MOST_METADATA:
            raise TooMuch
        fields.setdefault(name, text.replace("\0", "").strip())
    return fields


# -- containers -------------------------------------------------------------------------------------------------------


def _png_fields(data: bytes) -> Iterator[tuple[str, str]]:
    """PNG specification, third edition, 5.3 and 11.3.3: chunks of length, type, data and checksum, in any order."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"eXIf":
            yield from _exif_fields(body)
        elif kind in {b"tEXt", b"zTXt", b"iTXt"}:
            name, _, rest = body.partition(b"\0")
            if (text := _png_text(kind, rest)) is not None:
                yield name.decode("latin-1"), text
        at += 12 + length


def _png_text(kind: bytes, rest: bytes) -> str | None:
    if kind == b"tEXt":
        return _decode(rest)
    if kind == b"zTXt":
        text = _inflate(rest[1:])
        return None if text is None else _decode(text)
    compressed, (_, _, rest) = rest[:1] == b"\1", rest[2:].partition(b"\0")  # language
    _, _, rest = rest.partition(b"\0")  # the name in that language
    text = _inflate(rest) if compressed else rest
    return None if text is None else text.decode("utf-8", "replace")


def _decode(data: bytes) -> str:
    """Latin-1 as the specification has it, but for the many that write UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _inflate(data: bytes) -> bytes | None:
    """Decompressed, as far as need be to see that it is too much; None if it is damaged."""
    try:
        return zlib.decompressobj().decompress(data, _TOO_LONG)
    except zlib.error:
        return None


def _jpeg_fields(data: bytes) -> Iterator[tuple[str, str]]:
    """ITU-T T.81, B.1.1: marker segments up to the scan; Exif is in APP1, comments in COM."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        marker, body = data[at + 1], data[at + 4 : at + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            yield from _exif_fields(body[6:])
        elif marker == 0xFE:
            yield "Comment", _decode(body)
        at += 2 + max(length, 2)


def _webp_fields(data: bytes) -> Iterator[tuple[str, str]]:
    """RFC 9649, 2.3 and 2.7: RIFF chunks of type, length and data, padded to even lengths."""
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            yield from _exif_fields(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2


# -- EXIF -------------------------------------------------------------------------------------------------------------


def _exif_fields(data: bytes) -> Iterator[tuple[str, str]]:
    """What programs keep settings in; Pillow reads the tags, and raises what it likes on damaged ones."""
    if len(data) > _TOO_LONG:
        raise TooMuch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif = Image.Exif()
            exif.load(data)
            tags = {**exif, **{_USER_COMMENT: exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT, exif.get(_USER_COMMENT))}}
        except Exception:
            return
    for tag, name in ((_USER_COMMENT, "UserComment"), (_DESCRIPTION, "ImageDescription"), (_SOFTWARE, "Software")):
        if text := _exif_text(tags.get(tag)):
            yield name, text
    for tag in (_DESCRIPTION, _MAKE, _MODEL, *range(_DESCRIPTION - 4, _DESCRIPTION)):
        text = _exif_text(tags.get(tag))
        if (label := _LABELLED.match(text)) is not None:
            yield label[1].lower(), text[label.end() :]


def _exif_text(value: object) -> str:
    """A text tag, or a user comment: eight bytes that name its encoding, then the text (Exif 2.32, 4.6.5)."""
    if isinstance(value, str):
        value = value.encode("latin-1", "replace") if value.isascii() else value.encode()
    if not isinstance(value, bytes):
        return ""
    encoding, text = value[:8], value[8:]
    if encoding == b"UNICODE\0":
        return _decode_utf16(text)
    return _decode(text if encoding in {b"ASCII\0\0\0", b"\0" * 8} else value).strip("\0 ")


def _decode_utf16(data: bytes) -> str:
    """Big-endian as A1111 writes it, or little-endian as others do: the one in which more of it is ASCII."""
    if data[:2] in {b"\xfe\xff", b"\xff\xfe"}:
        return data.decode("utf-16", "replace")
    both = [data.decode(encoding, "replace") for encoding in ("utf-16-be", "utf-16-le")]
    return max(both, key=lambda text: sum(character.isascii() for character in text))
