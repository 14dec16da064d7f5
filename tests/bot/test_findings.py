"""What is said of photos before they are learned."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.findings import Inspected, Report, Scale, cut_lines, lines, marks, report_on, scale_of
from tests.bot.worlds import base_info

SD = Scale()


def photo(number: int = 0, **changes: Any) -> Inspected:
    """A good photo, unlike those with other numbers."""
    values: dict[str, Any] = {
        "filename": f"IMG_{number}.HEIC", "width": 1200, "height": 900, "blur_px": 1.0,
        "fingerprint": 0xFFFF << 16 * (number % 4), "focus": (0.5, 0.5),
    }  # fmt: skip
    return Inspected(**(values | changes))


def test_good_photos_have_no_findings() -> None:
    report = report_on([photo(0), photo(1), photo(2)], SD)
    assert report.findings == ()
    assert report.kept() == (0, 1, 2)
    assert lines(report) == cut_lines(report) == []
    assert marks(report) == {}


def test_each_fault_is_named_with_its_photo_and_measure() -> None:
    report = report_on(
        [
            photo(0),
            photo(1, width=300, height=255),
            photo(2, blur_px=3.0, filename="a `b` @everyone.jpg"),
            photo(4, fingerprint=photo(0).fingerprint),
            photo(3, width=200, height=200, blur_px=5.0),
        ],
        SD,
    )
    assert lines(report) == [
        "photo 2 is too small (300 × 255 pixels, 256 a side are needed)",
        "photo 3 is blurred",
        "photo 4 shows the same as photo 1",
        "photo 5 is too small (200 × 200 pixels, 256 a side are needed) and is blurred",
    ]
    assert lines(report, named=True)[1] == "photo 3 (`a 'b' @\u200beveryone.jpg`) is blurred"
    assert marks(report) == {1: "too small", 2: "blurred", 3: "same as 1", 4: "too small"}
    assert report.kept() == (0,)


@pytest.mark.parametrize(("resolution", "small"), [(64, False), (512, False), (768, True), (1024, True)])
def test_too_small_depends_on_what_the_base_learns_at(resolution: int, small: bool) -> None:
    report = report_on([photo(width=400, height=300)], Scale(resolution=resolution))
    assert bool(report.findings) == small


def test_of_photos_that_look_the_same_one_is_kept() -> None:
    near = photo(0).fingerprint ^ 0b111 if photo(0).fingerprint else 0
    report = report_on([photo(0), photo(1), photo(2, fingerprint=near), photo(3, fingerprint=near)], SD)
    assert [finding.photo for finding in report.findings] == [2, 3]
    assert [finding.like for finding in report.findings] == [0, 0]


def test_a_good_copy_of_a_bad_photo_is_kept() -> None:
    report = report_on([photo(0, blur_px=4.0), photo(0)], SD)
    assert report.kept() == (1,)


def test_photos_that_show_nothing_to_tell_by_are_not_faulted() -> None:
    assert report_on([photo(fingerprint=None, blur_px=None)] * 3, SD).findings == ()


def test_what_a_crop_cuts_off_is_said_where_it_is_much() -> None:
    report = report_on([photo(0), photo(1, width=2048, height=600)], SD)
    assert cut_lines(report) == ["photo 2 is too long and narrow to be learned whole: 51% of it is cut off"]


def test_the_scale_is_the_bases_unless_another_resolution_is_asked_for() -> None:
    assert scale_of(base_info()) == Scale(resolution=64, step=64)
    assert scale_of(base_info(), 96).resolution == 96
    assert scale_of(None) == Scale(resolution=64, step=8)  # the embedded base's


@given(
    st.lists(
        st.builds(
            Inspected,
            filename=st.just("a.jpg"),
            width=st.integers(32, 2048),
            height=st.integers(32, 2048),
            blur_px=st.none() | st.floats(0.1, 50),
            fingerprint=st.none() | st.integers(0, 2**64 - 1),
            focus=st.tuples(st.floats(0, 1), st.floats(0, 1)),
        ),
        max_size=8,
    ),
    st.sampled_from([64, 512, 1024]),
)
def test_every_photo_is_kept_or_named_once(photos: list[Inspected], resolution: int) -> None:
    report: Report = report_on(photos, Scale(resolution=resolution, step=8))
    named = [finding.photo for finding in report.findings]
    assert sorted([*named, *report.kept()]) == list(range(len(photos)))
    assert len(lines(report)) == len(named)
    for finding in report.findings:
        assert "repeated" not in finding.faults or finding.like in report.kept()
