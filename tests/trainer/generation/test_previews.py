"""Previews without the decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from trainer.generation.images import to_images
from trainer.generation.previews import Previewer
from trainer.models.loading import Base, load_base
from trainer.models.registry import read_base


def test_the_cheap_picture_has_the_colours_of_the_true_one(base: Base, photos: list[Image.Image]) -> None:
    array = np.asarray(photos[0].resize((128, 128)))
    pixels = torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    latents, _ = base.encode_moments(pixels)
    true = to_images(base.decode(latents))[0].resize((32, 32), Image.Resampling.BOX)
    cheap = Previewer(base).approximate(latents[0])
    assert cheap.size == (32, 32)
    difference = np.abs(np.asarray(cheap).astype(float) - np.asarray(true).astype(float)).mean()
    plain = np.abs(np.asarray(true).astype(float) - np.asarray(true).mean((0, 1))).mean()
    assert difference < 0.35 * plain


def test_a_large_decoder_is_never_asked(tiny_bases: Path, monkeypatch) -> None:
    base = load_base(read_base(tiny_bases / "sd1"))
    monkeypatch.setattr(base, "decode", None)
    assert Previewer(base).show(torch.randn(4, 8, 12)).size == (12, 8)
