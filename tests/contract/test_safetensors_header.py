"""Headers of safetensors files, as our own reader takes them and as it writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.safetensors_header import (
    DTYPE_BYTES,
    MAX_HEADER_BYTES,
    BadHeader,
    Entries,
    header_length,
    parse_header,
    write_header,
)


def described(shapes: dict[str, tuple[str, list[int]]]) -> tuple[Entries, int]:
    """Tensors one behind the other, and how many bytes they take."""
    entries: Entries = {}
    place = 0
    for name, (dtype, shape) in shapes.items():
        size = DTYPE_BYTES[dtype]
        for side in shape:
            size *= side
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    return entries, place


_SHAPES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(sorted(DTYPE_BYTES)), st.lists(st.integers(0, 5), max_size=4)),
    max_size=8,
)
_NOTES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9), st.text(st.characters(exclude_categories=["Cs"]))
)


@given(_SHAPES, _NOTES)
def test_what_is_written_is_read_whole_and_the_tensors_behind_it_are_aligned(shapes, notes: dict[str, str]) -> None:
    entries, size = described(shapes)
    written = write_header(entries, notes)
    length = header_length(written[:8], len(written) + size)
    assert (8 + length, length % 8) == (len(written), 0)
    assert parse_header(written[8:], size) == (entries, notes)
    assert write_header(dict(reversed(entries.items())), notes) == written


@given(_SHAPES, st.integers(-3, 3).filter(bool))
def test_one_byte_more_or_less_behind_it_is_refused(shapes, more: int) -> None:
    entries, size = described(shapes)
    with pytest.raises(BadHeader, match=r"fit|follow"):
        parse_header(write_header(entries, {})[8:], max(0, size + more) if size else 1)


@given(st.binary(max_size=200), st.integers(0, 64))
def test_no_bytes_do_worse_than_be_refused(data: bytes, size: int) -> None:
    try:
        entries, notes = parse_header(data, size)
    except BadHeader:
        return
    assert all(isinstance(text, str) for text in (*entries, *notes, *notes.values()))


@pytest.mark.parametrize("first", [b"", b"1234567", (100).to_bytes(8, "little"), (2**63).to_bytes(8, "little")])
def test_a_length_beyond_the_file_is_refused(first: bytes) -> None:
    with pytest.raises(BadHeader, match="a header of"):
        header_length(first, 50)


def test_a_length_beyond_eight_megabytes_is_refused_however_large_the_file() -> None:
    assert header_length(MAX_HEADER_BYTES.to_bytes(8, "little"), 10**12) == MAX_HEADER_BYTES
    with pytest.raises(BadHeader, match="at most 8,388,608"):
        header_length((MAX_HEADER_BYTES + 1).to_bytes(8, "little"), 10**12)


def test_more_objects_than_tensors_may_be_are_given_up_while_they_are_read() -> None:
    text = json.dumps({"a": [{} for _ in range(30_000)]}).encode()
    with pytest.raises(BadHeader, match="20,001 tensors or more; at most 20,000"):
        parse_header(text, 0)


@pytest.mark.parametrize("bracket", ["[", "{"])
def test_a_header_of_brackets_is_not_even_read(bracket: str) -> None:
    with pytest.raises(BadHeader, match="opens more than 200,000 brackets"):
        parse_header(b'{"a":' + bracket.encode() * 200_000, 0)
