"""Whether tensors can be an adapter's change of a layer, by their shapes alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.adapter_shapes import MAX_NUMBERS, MAX_RANK, Misshapen, check_layer

HADAMARD = {"hada_w1_a": (8, 2), "hada_w1_b": (2, 6), "hada_w2_a": (8, 3), "hada_w2_b": (3, 6)}


@pytest.mark.parametrize(
    ("algorithm", "shapes", "rank"),
    [
        ("LoRA", {"down": (4, 320), "up": (640, 4)}, 4),
        ("LoRA", {"down": (4, 320, 3, 3), "up": (640, 4, 1, 1), "alpha": (), "scalar": (1,)}, 4),
        ("LoRA", {"down": (4, 320, 1, 1), "up": (640, 4, 1, 1), "mid": (4, 4, 3, 3), "dora_scale": (640, 1, 1, 1)}, 4),
        ("", {"down": (4, 320), "up": (640, 4), "magnitude": (640,)}, 4),
        ("LoHa", HADAMARD, 3),
        ("LoHa", {"hada_w1_a": (2, 8), "hada_w1_b": (2, 6), "hada_t1": (2, 2, 3, 3),
                  "hada_w2_a": (2, 8), "hada_w2_b": (2, 6), "hada_t2": (2, 2, 3, 3)}, 2),
        ("LoKr", {"lokr_w1": (2, 2), "lokr_w2": (160, 160, 3, 3), "alpha": (1,)}, 0),
        ("LoKr", {"lokr_w1_a": (2, 1), "lokr_w1_b": (1, 2), "lokr_w2_a": (160, 5), "lokr_w2_b": (5, 160)}, 5),
        ("Full", {"diff": (320, 320)}, 0),
        ("LoRA", {"down": (MAX_RANK, 1280), "up": (1280, MAX_RANK)}, MAX_RANK),
    ],
)  # fmt: skip
def test_the_rank_of_what_fits(algorithm: str, shapes: dict[str, tuple[int, ...]], rank: int) -> None:
    assert check_layer(algorithm, shapes) == rank


@pytest.mark.parametrize(
    ("algorithm", "shapes", "words"),
    [
        ("LoRA", {"down": (4, 320)}, "has no up matrix"),
        ("LoRA", {"down": (4, 320), "up": (640, 8)}, "rank 4 on one side and 8 on the other"),
        ("LoRA", {"down": (4, 320), "up": (640, 4, 3, 3)}, "fit no adapter"),
        ("LoRA", {"down": (4, 320), "up": (640, 4), "alpha": (2,)}, "an alpha that is no number"),
        ("LoRA", {"down": (1281, 1280), "up": (1280, 1281)}, "has rank 1,281; at most 1,280"),
        ("LoRA", {"down": (4, 320), "up": (640, 4), "dora_scale": (1, 320)}, "over the inputs, as LyCORIS once had"),
        ("LoRA", {"down": (4, 320), "up": (640, 4), "magnitude": (320,)}, "320 magnitudes for 640 outputs"),
        ("LoHa", HADAMARD | {"hada_w2_b": (3, 7)}, "fit no adapter"),
        ("LoHa", HADAMARD | {"hada_t1": (2, 2, 3, 3)}, "fit no adapter"),
        ("LoKr", {"lokr_w1": (2, 2, 1, 1), "lokr_w2": (2, 2)}, "fit no adapter"),
        ("LoKr", {"lokr_w1": (64, 64), "lokr_w2": (128, 128)}, "changes 8,192 × 8,192 weights"),
        ("Full", {"diff": (320,)}, "fit no adapter"),
        ("Full", {}, "has no diff"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_clause(algorithm: str, shapes: dict[str, tuple[int, ...]], words: str) -> None:
    with pytest.raises(Misshapen, match=words):
        check_layer(algorithm, shapes)


_ROLES = ("down", "up", "mid", "alpha", *HADAMARD, "hada_t1", "lokr_w1", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "diff")


@given(
    st.sampled_from(["LoRA", "LoHa", "LoKr", "Full", ""]),
    st.dictionaries(st.sampled_from(_ROLES), st.lists(st.integers(0, 2**20), max_size=5)),
)
def test_whatever_the_shapes_no_change_is_larger_than_a_layers(algorithm: str, shapes: dict[str, list[int]]) -> None:
    try:
        rank = check_layer(algorithm, shapes)
    except Misshapen:
        return
    assert 0 <= rank <= MAX_RANK
    if "down" in shapes and algorithm in ("LoRA", ""):
        assert shapes["up"][0] * shapes["down"][1] <= MAX_NUMBERS
