"""Safetensors files are checked by our own reader before a library sees them."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from trainer.adapters.lora_files import read_lora, write_lora
from trainer.adapters.safetensors_file import read_header, tensor_bytes
from trainer.errors import BadAdapterFile

NAME = "unet.mid_block.attentions.0.to_q.lora_{}.weight"


def file_with(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_a_lora_reads_back() -> None:
    weights = {NAME.format("A"): torch.ones(2, 4), NAME.format("B"): torch.ones(4, 2)}
    file = read_lora(write_lora(weights, {"darkroom.trigger": "thnos"}))
    assert file.metadata["darkroom.trigger"] == "thnos"
    assert torch.equal(file.weights[NAME.format("B")], torch.ones(4, 2))
    assert torch.equal(file.weights[NAME.format("A")], torch.ones(2, 4))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "header of 0 bytes"),
        (b"PK\x03\x04" + b"\0" * 60, "a header of"),
        (file_with(b"[1, 2]"), "no JSON object"),
        (file_with(b"{" * 100_000), "no JSON"),
        (file_with(b'{"a": 1, "a": 2}'), "twice"),
        (file_with({"__metadata__": {"a": 1}}), "metadata"),
        (file_with({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}), "does not fit"),
        (file_with({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}}, b"1234"), "does not fit"),
        (file_with({"a": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}, b"1234"), "badly described"),
        (file_with({"a": {"shape": []}}), "badly described"),
        (file_with({str(i): {} for i in range(30_000)}), "at most 20,000"),
        (save({NAME.format("A"): torch.tensor([float("nan")])}), "not finite"),
        (save({"../../etc/passwd": torch.ones(1)}), "not a LoRA"),
        (save({}), "not a LoRA"),
        (file_with({"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}, b"1234"), "badly described"),
        (
            file_with(b'{"a": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 4]}}', b"1234"),
            "badly described",
        ),
        (file_with({"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}}, b"1234"), "badly described"),
        (file_with({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}, b"1234"), "one another"),
        (file_with({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"12345678"), "one another"),
    ],
)
def test_what_is_no_adapter_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BadAdapterFile, match=reason):
        read_lora(data)


_NUMBERS = st.integers(-2, 12) | st.sampled_from(["1", None, True, 1.5, float("inf")])
_TENSORS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "F8_E4M3", "C64"]),
        "shape": st.lists(_NUMBERS, max_size=3),
        "data_offsets": st.lists(_NUMBERS, min_size=1, max_size=3),
    }
)


@given(
    st.dictionaries(st.sampled_from([NAME.format("A"), NAME.format("B"), NAME.format("C")]), _TENSORS),
    st.binary(max_size=16),
)
def test_no_header_does_worse_than_be_refused(header: dict[str, object], body: bytes) -> None:
    try:
        file = read_lora(file_with(header, body))
    except BadAdapterFile:
        return
    assert all(tensor.isfinite().all() for tensor in file.weights.values())


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_be_refused(data: bytes) -> None:
    try:
        header, metadata = read_header(data)
    except BadAdapterFile:
        return
    assert isinstance(header, dict)
    assert isinstance(metadata, dict)


_ARRAYS = st.tuples(
    st.lists(st.integers(1, 4), max_size=4),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int64]),
)


@given(
    st.dictionaries(st.text(min_size=1, max_size=9), _ARRAYS, max_size=6),
    st.dictionaries(st.text(max_size=9), st.text()),
)
def test_the_library_reads_what_is_written_and_its_bytes_are_the_same_each_time(arrays, metadata) -> None:
    arrays.pop("__metadata__", None)
    tensors = {
        name: torch.full(shape, place, dtype=dtype) for place, (name, (shape, dtype)) in enumerate(arrays.items())
    }
    data = tensor_bytes(tensors, metadata)
    back = load(data)
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in back.items()} == {
        name: (tensor.dtype, tensor.tolist()) for name, tensor in tensors.items()
    }
    assert read_header(data)[1] == {"format": "pt"} | metadata
    assert tensor_bytes(dict(reversed(tensors.items())), metadata) == data
