"""Files of any size, tensor by tensor: what is written is what is read, and what is broken is said to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from trainer.errors import BadAdapterFile, UserFault
from trainer.merging.tensor_file import TensorFile, write_streaming

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.int32,
          torch.uint8, torch.bool]  # fmt: skip
in_one_folder = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=12).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3).map(tuple)),
    max_size=6,
)


def nothing(done: int, of: int) -> None: ...


def fill(dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    count = torch.Size(shape).numel()
    return torch.arange(count).remainder(2).to(dtype).reshape(shape)


@in_one_folder
@given(TENSORS, st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=3))
def test_what_is_written_is_read_again_by_us_and_by_the_library(tmp_path: Path, layout, metadata) -> None:
    path = tmp_path / "x.safetensors"
    write_streaming(layout, metadata, lambda name: fill(*layout[name]), path, nothing)
    theirs = load_file(path)
    with TensorFile(path) as file:
        assert file.metadata == {"format": "pt", **metadata}
        assert file.entries.keys() == layout.keys() == theirs.keys()
        for name, (dtype, shape) in layout.items():
            mine = file.read(name)
            assert (mine.dtype, tuple(mine.shape)) == (dtype, shape)
            assert torch.equal(mine.double(), fill(dtype, shape).double())
            assert torch.equal(mine.double(), theirs[name].double())


@in_one_folder
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadAdapterFile):
        TensorFile(path)


def test_a_file_that_shrinks_meanwhile_is_a_fault_and_no_signal(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(100_000), "b": torch.ones(100_000)}, path)
    with TensorFile(path) as file:
        os.truncate(path, 500_000)
        assert file.read("a").sum() == 100_000
        with pytest.raises(BadAdapterFile, match="ended within the tensor 'b'"):
            file.read("b")


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (float("nan"), torch.float32, "'x' has values that are not finite; take another file"),
        (float("inf"), torch.float16, "'x' has values that are not finite"),
        (70_000.0, torch.float16, "'x' has values that float16 can't hold; take bfloat16 or float32"),
    ],
)
def test_values_that_can_not_be_written_are_named(tmp_path: Path, value: float, dtype, message: str) -> None:
    with pytest.raises(UserFault, match=message):
        write_streaming({"x": (dtype, (2,))}, {}, lambda name: torch.tensor([1.0, value]), tmp_path / "x", nothing)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_told_and_nothing_remains(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="the worker's disk does not take"):
        write_streaming({"x": (torch.float32, (1,))}, {}, lambda name: torch.ones(1), tmp_path / "no" / "x", nothing)


def test_numbers_that_are_no_weights_keep_their_type(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_streaming({"ids": (torch.int64, (3,))}, {}, lambda name: torch.tensor([1, 2**40, -3]), path, nothing)
    assert load_file(path)["ids"].tolist() == [1, 2**40, -3]
