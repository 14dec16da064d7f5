"""Whatever a picture is, it crashes nothing, and its child stays small."""

from __future__ import annotations

from pathlib import Path

from tests.bot.hostile_pictures import COUNT, decode_measured, decode_together, hostile_pictures, largest

MOST_MIB = 300


def test_five_hundred_hostile_pictures_crash_nothing_and_stay_below_300_mib(tmp_path: Path) -> None:
    """All in one child, which is stricter than one each: what one leaves behind counts for the next."""
    pictures = list(hostile_pictures())
    assert len(pictures) == COUNT == 500
    got_through, measured = decode_measured(pictures, tmp_path)
    assert (got_through, measured.returncode) == (COUNT, 0)
    assert measured.peak_mib <= MOST_MIB


def test_the_largest_photos_of_one_order_stay_below_300_mib_with_what_looks_at_them(tmp_path: Path) -> None:
    measured = decode_together([largest()] * 3, tmp_path)
    assert b'"report"' in measured.stdout.splitlines()[-1]
    assert measured.peak_mib <= MOST_MIB
