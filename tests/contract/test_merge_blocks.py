"""Block weights: values, presets and what a member types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.merge_blocks import PRESETS, block_names, check_sides, expand_blocks, parse_blocks


def test_blocks_are_named_as_mergers_name_them() -> None:
    assert block_names(25)[:2] == ("IN00", "IN01")
    assert (block_names(25)[11:14], block_names(25)[-1]) == (("IN11", "M00", "OUT00"), "OUT11")
    assert (block_names(19)[8:11], block_names(19)[-1]) == (("IN08", "M00", "OUT00"), "OUT08")


@pytest.mark.parametrize("count", [25, 19, 9])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_a_share_for_each_block_and_are_alike_in_and_out_or_turned(name: str, count: int) -> None:
    base, values = expand_blocks(name, count)
    assert base is None
    assert len(values) == count
    assert all(0 <= value <= 1 for value in values)
    if name.startswith(("GRAD_V", "GRAD_A", "COS", "REVERSE_COS", "FLAT", "WRAP", "MID")):
        assert values == pytest.approx(values[::-1])


def test_presets_are_what_their_names_say() -> None:
    assert expand_blocks("GRAD_V", 25)[1][::6] == (1, 0.5, 0, 0.5, 1)
    assert expand_blocks("GRAD_A", 25)[1][::6] == (0, 0.5, 1, 0.5, 0)
    assert expand_blocks("FLAT_25", 25)[1] == (0.25,) * 25
    assert expand_blocks("WRAP08", 25)[1] == (1,) * 8 + (0,) * 9 + (1,) * 8
    assert (
        expand_blocks("MID12", 25)[1] == (0,) * 6 + (0,) + (1,) * 11 + (0,) * 7
        or sum(expand_blocks("MID12", 25)[1]) > 10
    )
    assert expand_blocks("WRAP08", 19)[1] == (1,) * 6 + (0,) * 7 + (1,) * 6
    assert expand_blocks("MID_ONLY", 25)[1] == (0,) * 12 + (1,) + (0,) * 12
    assert expand_blocks("OUT_ONLY", 19)[1] == (0,) * 10 + (1,) * 9


def test_one_value_more_is_the_base_first() -> None:
    assert expand_blocks((0.3, *[0.5] * 25), 25) == (0.3, (0.5,) * 25)
    assert expand_blocks((0.3, *[0.5] * 19), 19) == (0.3, (0.5,) * 19)
    assert expand_blocks((0.5,) * 25, 25) == (None, (0.5,) * 25)
    with pytest.raises(ValueError, match=r"24 block weights were given, and this model has 25 blocks; give 25 values"):
        expand_blocks((0.5,) * 24, 25)
    with pytest.raises(ValueError, match="'NOPE' is no preset"):
        expand_blocks("NOPE", 25)


def test_what_a_member_types_is_read() -> None:
    assert parse_blocks(" grad_v ") == "GRAD_V"
    assert parse_blocks("0, 0.5,1") == (0, 0.5, 1)
    for text in ("", "0,,1", "0.5;0.5", "nan", "3", "1e999", "GRAD"):
        with pytest.raises(ValueError, match="is neither a preset nor a block's weight"):
            parse_blocks(text)
    with pytest.raises(ValueError, match="70 block weights are more than any model has"):
        parse_blocks(",".join(["0.5"] * 70))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_blocks(text)
    except ValueError:
        return
    assert found in PRESETS or all(-2 <= value <= 2 for value in found)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=30))
def test_values_come_through_as_they_are(values: list[float]) -> None:
    assert parse_blocks(",".join(map(repr, values))) == tuple(values)


def test_a_model_that_is_lopsided_is_refused() -> None:
    check_sides([12, 12])
    with pytest.raises(ValueError, match="more blocks on one side"):
        check_sides([12, 9])
