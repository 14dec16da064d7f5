"""What a page says of a model: the record that an import and ``darkroom models add`` go by."""

from __future__ import annotations

import html
import re
from typing import Literal

import msgspec

from bot.addresses.sites import Site
from bot.importing import found
from bot.importing.found import Licence

PageKind = Literal["lora", "textual_inversion", "checkpoint"]


LONGEST_WORDS, LONGEST_TEXT = 200, 20_000  # characters of a name, and of a description that are read


_TAG = re.compile(r"<[^<>]{0,2000}>")


def plain_text(text: str) -> str:
    """HTML as Civitai's descriptions are, as text."""
    return html.unescape(_TAG.sub(" ", text[:LONGEST_TEXT]))


def plain_words(text: str) -> str:
    """A stranger's words on one line, without what steers a terminal or a message, and not too long."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:LONGEST_WORDS]


class RemoteFile(msgspec.Struct, frozen=True):
    """One file as its site describes it, before it is fetched."""

    name: str  # what it is called there; never a path here
    path: str  # on the site, with its query
    size_bytes: int | None = None  # about, on Civitai; exactly, on Hugging Face
    exact: bool = False  # whether size_bytes is exact
    sha256: str | None = None  # 64 digits in lower case; None: the site does not say


class Page(msgspec.Struct, frozen=True):
    """A model's page, and the file to take. ``files`` has more than one where a base lies in a folder."""

    site: Site
    source: str  # the page's address
    title: str
    kind: PageKind | None  # None: the site does not say, the file's header will
    files: tuple[RemoteFile, ...]
    version: str | None = None
    creator: str | None = None
    base_model: str | None = None  # as the page names it, such as SDXL 1.0
    trigger_words: tuple[str, ...] = ()
    weights: tuple[float, float, float] | None = None  # recommended: from, best, to; None: the page says nothing
    licence: Licence = Licence()  # where a site says nothing, the careful answer
    licence_name: str | None = None  # such as creativeml-openrail-m
    description: str = ""
    age_restricted: bool = False
    real_person: bool = False  # its likeness: stays private, or with named members

    @property
    def file(self) -> RemoteFile:
        """The one file of an adapter."""
        return self.files[0]

    def told(self) -> found.Page:
        """What an adapter's record takes of it."""
        return found.Page(
            address=self.source,
            title=self.title,
            maker=self.creator or "",
            trigger_words=self.trigger_words,
            base_model=self.base_model or "",
            weights=self.weights,
            description=self.description,
            licence=self.licence,
            age_restricted=self.age_restricted,
        )
