"""The pictures that emoji-64 is made of, fetched as npm packages and read as RGBA.

Fluent emoji are Microsoft's (MIT), packed as ``@lobehub/fluent-emoji-3d`` (MIT). The second style, Google's Noto emoji
(Apache-2.0), comes from ``emoji-datasource-google`` and serves the read-out encoders alone.
"""

from __future__ import annotations

import subprocess
import tarfile
from functools import lru_cache
from pathlib import Path

from PIL import Image

PACKAGES = {"fluent": "@lobehub/fluent-emoji-3d@1.1.0", "noto": "emoji-datasource-google@16.0.0"}
_MEMBERS = {"fluent": ("package/assets/", ".webp"), "noto": ("package/img/google/64/", ".png")}
_NAMES = "package/emoji.json"  # the names and categories of all emoji


def fetch_assets(folder: Path) -> None:
    """Fetch both packages into ``folder/fluent`` and ``folder/noto`` with ``npm pack``; what is there already is kept.

    npm checks the packages against the integrity hashes of its registry. Only pictures and the list of names are
    taken out of them.
    Raises ``subprocess.CalledProcessError`` when npm cannot fetch.
    """
    for style, package in PACKAGES.items():
        target = folder / style
        if (target / ".complete").exists():
            continue
        target.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", "--pack-destination", str(folder), package]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
        prefix, suffix = _MEMBERS[style]
        with tarfile.open(folder / name) as archive:
            for member in archive:
                picture = member.name.startswith(prefix) and member.name.endswith(suffix)
                if member.isfile() and (picture or member.name == _NAMES):
                    source = archive.extractfile(member)
                    assert source is not None
                    (target / Path(member.name).name).write_bytes(source.read())
        (folder / name).unlink()
        (target / ".complete").touch()


class Assets:
    """Reads emoji by code point from a folder that :func:`fetch_assets` filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read = lru_cache(maxsize=1024)(self._read)

    def has(self, code: str, style: str = "fluent") -> bool:
        """Whether ``style`` draws this code point."""
        return self._path(code, style).exists()

    def codes(self, style: str = "fluent") -> list[str]:
        """All code points that ``style`` draws, sorted."""
        return sorted(path.stem for path in (self.folder / style).iterdir() if path.suffix == _MEMBERS[style][1])

    def _path(self, code: str, style: str) -> Path:
        return self.folder / style / f"{code}{_MEMBERS[style][1]}"

    def _read(self, code: str, style: str = "fluent") -> Image.Image:
        """The emoji as RGBA, cut to what is opaque."""
        with Image.open(self._path(code, style), formats=("WEBP", "PNG")) as image:
            rgba = image.convert("RGBA")
        box = rgba.getchannel("A").point(lambda a: 255 if a > 24 else 0).getbbox()
        return rgba.crop(box) if box else rgba
