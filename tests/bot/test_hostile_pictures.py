"""Whatever a picture is, it crashes nothing, and its child stays small."""

from __future__ import annotations

from pathlib import Path

from tests.bot.hostile_pictures import COUNT, decode_measured, hostile_pictures

MOST_MIB = 300


def test_five_hundred_hostile_pictures_crash_nothing_and_stay_below_300_mib(tmp_path: Path) -> None:
    """All in one child, which is stricter than one each: what one leaves behind counts for the next."""
    pictures = list(hostile_pictures())
    assert len(pictures) == COUNT == 500
    got_through, measured = decode_measured(pictures, tmp_path)
    assert (got_through, measured.returncode) == (COUNT, 0)
    assert measured.peak_mib <= MOST_MIB
