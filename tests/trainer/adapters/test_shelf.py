"""The shelf of adapters: what was used lately is not read again, and memory has a limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from trainer.adapters.shelf import Shelf
from trainer.adapters.slots import SlotBank
from trainer.adapters.uses import ReadAdapter
from trainer.errors import BadAdapterFile

SIZE_BYTES = 2 * 8 * 4 * 4  # of one adapter of rank 4 in a layer of 8 × 8, in float32


class Reader:
    def __init__(self) -> None:
        self.read: list[str] = []

    def of(self, key: str) -> Callable[[], ReadAdapter]:
        def read() -> ReadAdapter:
            self.read.append(key)
            tensors = {"unet.0.lora_A.weight": torch.ones(4, 8), "unet.0.lora_B.weight": torch.ones(8, 4)}
            return ReadAdapter(tensors, (), "")

        return read


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"unet": SlotBank(nn.Sequential(nn.Linear(8, 8)))}, limit_bytes=2 * SIZE_BYTES)


def test_what_was_used_longest_ago_leaves_first(shelf: Shelf) -> None:
    reader = Reader()
    for blob in "abacab":
        shelf.take(blob, reader.of(blob))
        assert shelf.size_bytes <= 2 * SIZE_BYTES
    assert reader.read == ["a", "b", "c", "b"]


def test_what_is_larger_than_the_shelf_is_used_and_not_kept() -> None:
    shelf = Shelf({"unet": SlotBank(nn.Sequential(nn.Linear(8, 8)))}, limit_bytes=SIZE_BYTES - 1)
    assert shelf.take("a", Reader().of("a")).size_bytes == SIZE_BYTES
    assert "a" not in shelf
    assert shelf.size_bytes == 0


def test_what_does_not_fit_is_refused_and_leaves_nothing(shelf: Shelf) -> None:
    with pytest.raises(BadAdapterFile, match="text_encoder_2"):
        shelf.take("x", lambda: ReadAdapter({"text_encoder_2.0.lora_A.weight": torch.ones(4, 8)}, (), ""))
    assert "x" not in shelf
