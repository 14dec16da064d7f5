"""What photos teach little, and why: said before the GPU is used. Pure; the measuring is in `bot/inspection.py`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from bot.errors import quoted
from trainer.contract.buckets import buckets, choose_bucket, crop_box
from trainer.contract.events import BaseInfo

Fault = Literal["small", "blurred", "repeated"]

BLUR_SHOWS_FROM_PX = 2.75  # sharp photos of ours measured 0.5 to 2.0, the same with a Gaussian of 3 px 2.9 and more
ALIKE_BITS = 6  # of 64: saved anew, brightened or cut a little differ in 0 to 7, different faces in 9 and more
MUCH_CUT = 1 / 3  # of the picture's area
SHEET_NAME = "crops.jpg"  # in the folder that the photos were decoded into


class Inspected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo as it was measured."""

    filename: str  # "" once nobody knows it any more
    width: int
    height: int
    blur_px: float | None  # how wide its sharpest edges are, scaled to 512 pixels; None: it has no edges to tell by
    fingerprint: int | None  # 64 bits, of which photos that look alike share nearly all; None: it shows nothing
    focus: tuple[float, float]  # what a crop keeps in the middle: (x, y) in 0…1


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At what size a base learns: pixels as many as a square of ``resolution``, sides in multiples of ``step``."""

    resolution: int = 512
    step: int = 64

    def crop(self, photo: Inspected) -> tuple[float, float, float, float]:
        """What of the photo is learned: (left, top, right, bottom) in its own pixels."""
        size = choose_bucket(photo.width, photo.height, buckets(self.resolution, self.step))
        return crop_box(photo.width, photo.height, size, photo.focus)


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo that teaches little."""

    photo: int  # from 0
    faults: tuple[Fault, ...]
    least_px: int = 0  # of "small": how long its shorter side should be
    like: int = 0  # of "repeated": the photo that shows the same, from 0


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All photos of a training, and what is to be said of them."""

    photos: tuple[Inspected, ...]
    findings: tuple[Finding, ...]
    scale: Scale

    def kept(self) -> tuple[int, ...]:
        """The photos with no finding, from 0."""
        flagged = {finding.photo for finding in self.findings}
        return tuple(index for index in range(len(self.photos)) if index not in flagged)


def photo_name(index: int) -> str:
    """What a decoded photo is called there."""
    return f"{index:03}.png"


def scale_of(base: BaseInfo | None, resolution: int | None = None) -> Scale:
    """The scale that a base learns at, or that was asked for.

    None: no worker has said yet, and then only the embedded base can be meant, whose pictures have 64 × 64 pixels.
    """
    if base is None:
        return Scale(resolution=resolution or 64, step=8)
    return Scale(resolution=resolution or min(base.width, base.height), step=base.bucket_step)


def report_on(photos: Sequence[Inspected], scale: Scale) -> Report:
    """Look through the photos. Of two that show the same the later one is named, so that one is left."""
    findings: list[Finding] = []
    good: list[int] = []
    for index, photo in enumerate(photos):
        faults: list[Fault] = []
        if min(photo.width, photo.height) < scale.resolution / 2:
            faults.append("small")
        if photo.blur_px is not None and photo.blur_px > BLUR_SHOWS_FROM_PX:
            faults.append("blurred")
        like = next((other for other in good if _alike(photo, photos[other])), None)
        if like is not None:
            faults.append("repeated")
        if faults:
            least_px = math.ceil(scale.resolution / 2)
            findings.append(Finding(photo=index, faults=tuple(faults), least_px=least_px, like=like or 0))
        else:
            good.append(index)
    return Report(photos=tuple(photos), findings=tuple(findings), scale=scale)


def _alike(one: Inspected, other: Inspected) -> bool:
    if one.fingerprint is None or other.fingerprint is None:
        return False
    return (one.fingerprint ^ other.fingerprint).bit_count() <= ALIKE_BITS


# -- words ------------------------------------------------------------------------------------------------------------


def lines(report: Report, *, named: bool = False) -> list[str]:
    """One line a finding; with the file's name only where nobody but its owner reads it."""
    return [_line(report, finding, named=named) for finding in report.findings]


def _line(report: Report, finding: Finding, *, named: bool) -> str:
    photo = report.photos[finding.photo]
    words: dict[Fault, str] = {
        "small": f"is too small ({photo.width} × {photo.height} pixels, {finding.least_px} a side are needed)",
        "blurred": "is blurred",
        "repeated": f"shows the same as photo {finding.like + 1}",
    }
    shown = f"photo {finding.photo + 1}" + (f" ({quoted(photo.filename)})" if named and photo.filename else "")
    return f"{shown} {' and '.join(words[fault] for fault in finding.faults)}"


def marks(report: Report) -> dict[int, str]:
    """What is wrong with each photo that has a finding, in two or three words, to be written over it."""
    words: dict[Fault, str] = {"small": "too small", "blurred": "blurred", "repeated": "same as"}
    return {
        finding.photo: f"{words[fault]} {finding.like + 1}"
        if (fault := finding.faults[0]) == "repeated"
        else words[fault]
        for finding in report.findings
    }


def cut_lines(report: Report) -> list[str]:
    """One line for each photo of which a crop leaves much out."""
    said = []
    for index, photo in enumerate(report.photos):
        left, top, right, bottom = report.scale.crop(photo)
        cut = 1 - (right - left) * (bottom - top) / (photo.width * photo.height)
        if cut > MUCH_CUT:
            said.append(f"photo {index + 1} is too long and narrow to be learned whole: {cut:.0%} of it is cut off")
    return said


def numbers(indices: Iterable[int]) -> str:
    """Photos by number as people list them: 1, 4 and 6."""
    shown = [str(index + 1) for index in indices]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
