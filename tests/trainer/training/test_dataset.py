"""Photos on their way to the UNet: crops, masks, mirrors, batches."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.trainer.training.conftest import run
from trainer.errors import UserFault
from trainer.models.loading import Base
from trainer.training.dataset import (
    TrainingPhoto,
    add_class,
    cache_photos,
    crop_photo,
    draw_batch,
    on_white,
    plan_batches,
)


def photo(width: int = 96, height: int = 96, mode: str = "RGB") -> Image.Image:
    """Left red, right blue; with an alpha channel the right half is transparent."""
    image = Image.new(mode, (width, height), "red")
    image.paste((0, 0, 255, 0) if mode == "RGBA" else "blue", (width // 2, 0, width, height))
    return image


def test_photos_are_cropped_without_distortion_around_their_focus() -> None:
    wide = photo(300, 100)
    assert crop_photo(wide, (64, 64)).size == (64, 64)
    assert crop_photo(wide, (64, 64), (0.1, 0.5)).getpixel((60, 32)) == (255, 0, 0)
    assert crop_photo(wide, (64, 64), (0.9, 0.5)).getpixel((4, 32)) == (0, 0, 255)


def test_transparency_lies_on_white() -> None:
    assert on_white(crop_photo(Image.new("RGBA", (8, 8), (9, 9, 9, 0)), (64, 64))).getpixel((1, 1)) == (255, 255, 255)
    assert on_white(crop_photo(Image.new("P", (8, 8)), (64, 64))).mode == "RGB"


def test_each_photo_gets_the_bucket_that_it_fits(base: Base) -> None:
    photos = [TrainingPhoto(photo(*size), ("x",)) for size in ((640, 640), (900, 600), (600, 900))]
    cached = run(cache_photos(base, photos, resolution=64))
    assert [one.size for one in cached] == [(16, 16), (20, 12), (12, 20)]
    assert cached[1].time_ids.tolist() == [600, 900, 3, 0, 48, 80]


def test_what_is_transparent_counts_a_tenth_and_is_mirrored_with_its_photo(base: Base) -> None:
    [cached] = run(cache_photos(base, [TrainingPhoto(photo(mode="RGBA"), ("x",))], resolution=64, flip=True))
    straight, mirrored = (view.weight for view in cached.views)
    assert straight is not None
    assert mirrored is not None
    assert straight.mean() == pytest.approx(1)
    assert straight[0, 0, -1] / straight[0, 0, 0] == pytest.approx(0.1)
    assert torch.equal(mirrored, straight.flip(-1))
    [plain] = run(cache_photos(base, [TrainingPhoto(photo(mode="RGBA"), ("x",))], resolution=64, masks=False))
    assert plain.views[0].weight is None


def test_a_photo_that_the_encoder_can_not_take_is_named(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = torch.full((1, 12, 16, 16), float("nan"))
    monkeypatch.setattr(base, "encode_moments", lambda pixels: (moments, moments))
    with pytest.raises(UserFault, match="photo 1 "):
        run(cache_photos(base, [TrainingPhoto(photo(), ("x",))], resolution=64))


SIZES = st.lists(st.sampled_from([(8, 8), (12, 8), (8, 12)]), min_size=1, max_size=12)


@settings(max_examples=60)
@given(SIZES, st.integers(1, 5), st.integers(0, 3))
def test_every_photo_is_shown_as_often_as_any_other_of_its_size(
    sizes: list[tuple[int, int]], batch: int, seed: int
) -> None:
    plan = plan_batches(sizes, batch, 60, seed)
    assert plan == plan_batches(sizes, batch, 60, seed)
    assert all(len({sizes[row] for row in rows}) == 1 for rows in plan)
    shown = Counter(row for rows in plan for row in rows)
    for size in set(sizes):
        counts = [shown[row] for row, own in enumerate(sizes) if own == size]
        assert max(counts) - min(counts) <= 1
        share = sum(counts) / (60 * batch)
        assert abs(share - len(counts) / len(sizes)) <= 1 / 60 + 1e-9


def test_a_plan_goes_on_where_a_shorter_one_ends() -> None:
    assert plan_batches([(8, 8)] * 5, 2, 30, 1)[:10] == plan_batches([(8, 8)] * 5, 2, 10, 1)


def test_class_pictures_come_behind_with_their_own_caption_and_weight(base: Base) -> None:
    photos = [TrainingPhoto(photo(mode="RGBA"), ("a",)), TrainingPhoto(photo(), ("b",))]
    cached = run(cache_photos(base, photos, resolution=64))
    batch = draw_batch(cached, (0, 1), ("a", "b"), torch.Generator().manual_seed(0))
    both = add_class(batch, torch.zeros(2, 12, 16, 16), "class", 0.5)
    assert both.captions == ("a", "b", "class", "class")
    assert both.shares.tolist() == [1, 1, 0.5, 0.5]
    assert both.weight is not None
    assert both.weight[1:].eq(1).all()
    assert both.weight[0].std() > 0
    assert both.pick(torch.tensor([0, 3])).captions == ("a", "class")
