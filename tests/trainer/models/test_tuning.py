"""A base is laid out as it is fastest on this device, and measured once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainer.models.loading import load_base
from trainer.models.registry import read_base
from trainer.models.tuning import REPEATS, Tunings


def ticking(*ways: float) -> Callable[[], float]:
    """A clock by which each way takes so long a call."""
    calls = [seconds for seconds in ways for _ in range(REPEATS + 1)]
    times = iter([moment for index, seconds in enumerate(calls) for moment in (10.0 * index, 10.0 * index + seconds)])
    return lambda: next(times)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_fastest_way_is_taken_and_remembered(tiny_bases: Path, tmp_path: Path, family: str) -> None:
    base, book = load_base(read_base(tiny_bases / family)), tmp_path / "data" / "tunings.json"
    tunings = Tunings("cpu", book, ticking(3.0, 2.0))
    assert tunings.of(base.spec.hash) is None
    chosen = tunings.tune(base)
    assert (chosen.memory_format, chosen.gain) == ("channels_last", 1.5)
    assert base.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    again = Tunings("cpu", book, ticking())  # it would stop at the first measurement
    assert again.tune(base) == chosen == again.of(base.spec.hash)
    assert Tunings("cuda:0", book).of(base.spec.hash) is None


def test_a_book_that_cannot_be_read_or_written_is_as_none(tiny_bases: Path, tmp_path: Path) -> None:
    base, book = load_base(read_base(tiny_bases / "sd1")), tmp_path / "book"
    book.write_bytes(b"{")
    assert Tunings("cpu", book, ticking(1.0, 2.0)).tune(base).memory_format == "contiguous"
    assert base.unet.conv_in.weight.is_contiguous()
    nowhere = tmp_path / "book" / "in a file"
    assert Tunings("cpu", nowhere, ticking(1.0, 2.0)).tune(base).gain == 2.0


def test_drawing_is_the_same_either_way(tiny_bases: Path) -> None:
    base = load_base(read_base(tiny_bases / "sd1"))
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    conditioning = base.encode_prompts(["a fox"])
    drawn = []
    for ways in ((1.0, 2.0), (2.0, 1.0)):
        Tunings("cpu", None, ticking(*ways)).tune(base)
        with torch.no_grad():
            drawn.append(base.predict(latents, torch.tensor(500), conditioning))
    torch.testing.assert_close(drawn[0], drawn[1], atol=1e-4, rtol=1e-4)
