"""Zips from strangers: what is in them is read entry by entry within limits, and their paths name nothing here."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.errors import UserError, quoted

MOST_ENTRIES = 500  # photos, captions, and what file managers add
MOST_BYTES = 400 * 1024 * 1024  # unpacked, all together
HIGHEST_RATIO = 200  # photos hardly compress; what shrinks more than this is a bomb
LONGEST_CAPTION = 300
_NOISE = frozenset({"thumbs.db", "desktop.ini"})
_ABOUT_ALL = frozenset({"readme", "read me", "license", "licence", "credits", "copying", "notice", "sources"})


@dataclass(frozen=True)
class Entry:
    """A photo: its name for messages, where it lies, and the caption beside it in a zip."""

    filename: str
    path: Path
    caption: str | None


def read_zip(path: Path, filename: str, folder: Path, *, most_photos: int, most_photo_bytes: int) -> list[Entry]:
    """The photos of a zip in the order of their names, unpacked into files of ``folder``. Raises UserError."""
    shown = quoted(filename)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked(archive, shown)
            captions = _captions(archive, entries)
            photos = sorted((info for info in entries if not _is_caption(info)), key=lambda info: info.filename.lower())
            _check_captions(entries, photos, shown)
            if len(photos) > most_photos:
                raise UserError(
                    f"{shown} holds {len(photos)} files, and {most_photos} photos are the most: leave some out."
                )
            unpacked = [folder / f"unpacked-{index:03}" for index in range(len(photos))]
            for info, file in zip(photos, unpacked, strict=True):
                file.write_bytes(_read(archive, info, shown, most_photo_bytes))
            return [
                Entry(_basename(info), file, _caption_of(info, captions))
                for info, file in zip(photos, unpacked, strict=True)
            ]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"{shown} is damaged, or no zip of the usual kind: pack the photos again and send that."
        ) from error


def _checked(archive: zipfile.ZipFile, shown: str) -> list[zipfile.ZipInfo]:
    entries = [info for info in archive.infolist() if not info.is_dir() and not _is_noise(info)]
    if len(entries) > MOST_ENTRIES:
        raise UserError(f"{shown} holds {len(entries)} files, and {MOST_ENTRIES} are the most: leave some out.")
    if any(info.flag_bits & 0x1 for info in entries):
        raise UserError(f"{shown} is locked with a password: pack the photos again without one.")
    swollen = any(
        info.file_size > HIGHEST_RATIO * max(1, info.compress_size) and info.file_size > 1024 * 1024 for info in entries
    )
    if swollen or sum(info.file_size for info in entries) > MOST_BYTES:
        megabytes = MOST_BYTES // (1024 * 1024)
        raise UserError(
            f"{shown} unpacks to far more than photos do (at most {megabytes} MB are allowed): pack only the photos."
        )
    return entries


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, shown: str, most_bytes: int) -> bytes:
    """Read at most ``most_bytes``; the size that the zip declares is not believed."""
    with archive.open(info) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        megabytes = most_bytes // (1024 * 1024)
        raise UserError(
            f"{quoted(_basename(info))} in {shown} is larger than {megabytes} MB: make it smaller, or leave it out."
        )
    return data


def _captions(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, str]:
    captions: dict[str, str] = {}
    for info in entries:
        if _is_caption(info):
            with archive.open(info) as file:
                text = file.read(8 * LONGEST_CAPTION).decode("utf-8-sig", "replace")
            caption = " ".join("".join(char if char.isprintable() else " " for char in text).split())
            if caption:
                captions[_stem(info)] = caption[:LONGEST_CAPTION]
    return captions


def _check_captions(entries: list[zipfile.ZipInfo], photos: list[zipfile.ZipInfo], shown: str) -> None:
    """A caption whose photo is not there is a slip of the pen, as a rule in a name. Raises UserError naming it."""
    names = {name for photo in photos for name in _caption_names(photo)}
    lost = [info for info in entries if _is_caption(info) and _stem(info) not in names and not _is_about_all(info)]
    if lost:
        more = f" (and {len(lost) - 1} more like it)" if len(lost) > 1 else ""
        raise UserError(
            f"{quoted(_basename(lost[0]))} in {shown} is the caption of no photo{more}: give it the name of its photo,"
            " as `cat.txt` beside `cat.jpg`, or leave it out."
        )


def _caption_of(photo: zipfile.ZipInfo, captions: dict[str, str]) -> str | None:
    return next((captions[name] for name in _caption_names(photo) if name in captions), None)


def _caption_names(photo: zipfile.ZipInfo) -> tuple[str, str]:
    """What its caption is called without .txt: ``cat`` or, as some programs write it, ``cat.jpg``."""
    return _stem(photo), photo.filename.lower()


def _is_about_all(info: zipfile.ZipInfo) -> bool:
    return PurePosixPath(info.filename).stem.lower().replace("_", " ") in _ABOUT_ALL


def _is_noise(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    return path.parts[:1] == ("__MACOSX",) or path.name.startswith(".") or path.name.lower() in _NOISE


def _is_caption(info: zipfile.ZipInfo) -> bool:
    return info.filename.lower().endswith(".txt")


def _stem(info: zipfile.ZipInfo) -> str:
    return str(PurePosixPath(info.filename).with_suffix("")).lower()


def _basename(info: zipfile.ZipInfo) -> str:
    return PurePosixPath(info.filename).name
