"""X/Y grids: sides as people write them, and the picture of every place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.grid_changes import KINDS, Cell
from bot.grids import MOST_CELLS, expand
from trainer.contract.drawings import Axis, DrawingSettings, Grid

PLAIN = Cell("<lora:thnos:0.8> in a suit", "rain", DrawingSettings(width=64), 7)


def test_cells_come_row_by_row_with_their_labels() -> None:
    grid, cells = expand(PLAIN, "weight(0.5, 0.7,1)", "guidance(4, 7)")
    assert grid == Grid(Axis("weight", ("0.5", "0.7", "1")), Axis("guidance", ("4", "7")))
    assert [(cell.prompt, cell.settings.guidance_scale) for cell in cells] == [
        (f"<lora:thnos:{weight}> in a suit", guidance) for guidance in (4.0, 7.0) for weight in ("0.5", "0.7", "1")
    ]
    assert {(cell.seed, cell.settings.width, cell.negative_prompt) for cell in cells} == {(7, 64, "rain")}


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("seed(1-4)", ("1", "2", "3", "4")),
        ("seed(1-9 (+4))", ("1", "5", "9")),
        ("guidance(0.5-1 [3])", ("0.5", "0.75", "1")),
        ("CFG Scale( 3 , 4.5 )", ("3", "4.5")),
        ("seed(3-1)", ("3", "2", "1")),
        ("seed(5, 5, 6)", ("5", "6")),
        ("sampler(Euler a, DPM++ 2M Karras)", ("Euler a", "DPM++ 2M Karras")),
    ],
)
def test_values_may_be_ranges(written: str, values: tuple[str, ...]) -> None:
    grid, _ = expand(PLAIN, written, None)
    assert grid.x.labels == values
    assert grid.y is None


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("adapter(moss, ada/fern)", ["<lora:moss:0.8> in a suit", "<lora:ada/fern:0.8> in a suit"]),
        ("words(suit, gown)", ["<lora:thnos:0.8> in a suit", "<lora:thnos:0.8> in a gown"]),
    ],
)
def test_words_and_adapters_take_the_place_of_others(written: str, found: list[str]) -> None:
    assert [cell.prompt for cell in expand(PLAIN, written, None)[1]] == found


def test_every_setting_that_can_change_does() -> None:
    values = {"adapter": "moss", "words": "suit, gown", "sampler": "DDIM", "size": "64x96", "model": "moss"}
    plain = replace(PLAIN, has_source=True)
    for kind in KINDS:
        _, cells = expand(plain, f"{kind}({values.get(kind, '1, 2')})", None)
        assert cells[-1] != plain, kind


def test_sizes_may_be_words_ratios_and_pixels() -> None:
    _, cells = expand(PLAIN, "size(portrait, 3:2, 64x96, 128)", None)
    found = [(cell.aspect, cell.settings.width, cell.settings.height) for cell in cells]
    assert found == [(2 / 3, None, None), (3 / 2, None, None), (None, 64, 96), (None, 128, 128)]


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("a fox", ["a fox", "<lora:moss> a fox", "<lora:ada/fern> a fox"]),
        ("<lora:Moss> a <lora:thnos:0.8> fox", [
            "a <lora:thnos:0.8> fox", "<lora:moss> a <lora:thnos:0.8> fox", "<lora:ada/fern> a <lora:thnos:0.8> fox",
        ]),
    ],
)  # fmt: skip
def test_whole_models_of_one_base_stand_beside_the_base_itself(prompt: str, found: list[str]) -> None:
    plain = Cell(prompt, "", DrawingSettings(), 1, bases=("sd15", "sdxl"))
    _, cells = expand(plain, "model(SD15, moss, ada/fern)", None)
    assert [cell.prompt for cell in cells] == found
    assert [cell.base for cell in cells] == ["sd15", None, None]


@pytest.mark.parametrize(("base", "x"), [(None, "checkpoint(sd15, sdxl)"), ("sdxl", "model(moss, sd15)")])
def test_two_bases_are_two_grids(base: str | None, x: str) -> None:
    plain = Cell("a fox", "", DrawingSettings(), 1, base=base, bases=("sd15", "sdxl"))
    with pytest.raises(UserError) as refused:
        expand(plain, x, None)
    assert "is drawn with one base model, and this one names" in refused.value.message
    assert refused.value.message.endswith("make a grid of each with the same `seed`.")


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("weight", None, "no side of a grid"),
        ("weight()", None, "names no values"),
        ("colour(red)", None, "can't change along a grid"),
        ("guidance(a)", None, "`a` is no number"),
        ("steps(1.5)", None, "whole numbers"),
        ("seed(1-1000)", None, "over 12 values"),
        ("seed(1-2 (+0))", None, "over 12 values"),
        ("seed(1-2 [99])", None, "99 values"),
        ("seed(1,2,3,4,5,6,7,8,9,10,11,12,13)", None, "13 values"),
        ("seed(1-12)", "guidance(1-4)", f"12 × 4 = 48 pictures, and {MOST_CELLS} are the most"),
        ("seed(1)", "seed(2)", "Both sides"),
        ("sampler(Eulre)", None, "nearest are Euler"),
        ("size(big)", None, "no size"),
        ("size(9:1)", None, "between 1:4 and 4:1"),
        ("model(<lora:x>)", None, "no adapter's name"),
        ("strength(0.3, 0.6)", None, "no picture to draw from: attach one as `image`"),
        ("words(hat, cap)", None, "`hat` is not in the prompt"),
        ("adapter(<lora:x>)", None, "no adapter's name"),
    ],
)
def test_what_cannot_be_read_is_told_with_a_way_out(x: str, y: str | None, words: str) -> None:
    with pytest.raises(UserError) as refused:
        expand(PLAIN, x, y)
    assert words in refused.value.message


def test_a_weight_needs_a_tag() -> None:
    with pytest.raises(UserError, match="has no tag"):
        expand(Cell("a fox", "", DrawingSettings(), 1), "weight(1, 2)", None)


@given(x=st.text(max_size=60), y=st.none() | st.text(max_size=60))
def test_nothing_else_is_ever_raised(x: str, y: str | None) -> None:
    try:
        _, cells = expand(PLAIN, x, y)
    except UserError:
        return
    assert 1 <= len(cells) <= MOST_CELLS


@given(
    kind=st.sampled_from(list(KINDS)),
    values=st.lists(st.text("0123456789.-+()[], e", min_size=1, max_size=12), min_size=1, max_size=4),
)
def test_numbers_of_all_sorts_are_read_or_refused(kind: str, values: list[str]) -> None:
    try:
        expand(PLAIN, f"{kind}({','.join(values)})", None)
    except UserError:
        return
