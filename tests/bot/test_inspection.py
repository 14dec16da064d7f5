"""Measuring photos: blur is told from soft light, what looks alike is recognised, and crops keep the subject."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from bot.findings import ALIKE_BITS, BLUR_SHOWS_FROM_PX
from bot.inspection import blur_px, fingerprint, focus, inspect
from tests.bot.scenes import scene

FACE = Path(__file__).parent / "pictures" / "astronaut.jpg"
DEMO = sorted((Path(__file__).parents[2] / "sandbox" / "photos").glob("*.jpg"))


def face() -> Image.Image:
    """A portrait of 320 × 320 pixels with the face at (165, 112)."""
    return Image.open(FACE).convert("RGB")


def sharp() -> list[Image.Image]:
    return [face(), scene(), *(Image.open(path).convert("RGB") for path in DEMO)]


def shaken(image: Image.Image, pixels: int) -> Image.Image:
    """As by a hand that moved sideways."""
    rows = np.asarray(image, np.float32)
    moved = np.mean([np.roll(rows, shift, axis=1) for shift in range(pixels)], axis=0)
    return Image.fromarray(moved.astype(np.uint8)).crop((pixels, 0, image.width, image.height))


def noisy(image: Image.Image) -> Image.Image:
    rows = np.asarray(image, np.float32) + np.random.default_rng(0).normal(0, 4, (image.height, image.width, 1))
    return Image.fromarray(rows.clip(0, 255).astype(np.uint8))


def blurred(image: Image.Image) -> bool:
    measured = blur_px(image)
    assert measured is not None
    return measured > BLUR_SHOWS_FROM_PX


# -- sharpness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", sharp())
def test_sharp_photos_in_any_light_are_not_blurred(image: Image.Image) -> None:
    assert not blurred(image)
    assert not blurred(ImageEnhance.Contrast(image).enhance(0.35))
    assert not blurred(ImageEnhance.Brightness(image).enhance(0.3))
    assert not blurred(noisy(image))
    assert not blurred(image.filter(ImageFilter.GaussianBlur(1)))


@pytest.mark.parametrize("image", sharp())
def test_blurred_photos_are_blurred_whatever_their_noise_and_light(image: Image.Image) -> None:
    soft = image.filter(ImageFilter.GaussianBlur(4))
    assert blurred(soft)
    assert blurred(ImageEnhance.Contrast(soft).enhance(0.6))
    saved = io.BytesIO()
    soft.save(saved, "JPEG", quality=80)
    assert blurred(Image.open(saved))


def test_a_shaken_camera_blurs() -> None:
    assert not blurred(shaken(scene(), 2))
    assert blurred(shaken(scene(), 21))


def test_blur_is_measured_at_the_size_that_is_learned_and_not_at_the_cameras() -> None:
    large = scene((3000, 2000)).filter(ImageFilter.GaussianBlur(5))
    assert not blurred(large)
    assert blurred(large.filter(ImageFilter.GaussianBlur(25)))


def test_a_background_out_of_focus_is_no_blur() -> None:
    image = scene().filter(ImageFilter.GaussianBlur(8))
    image.paste(face().resize((200, 200)), (100, 150))
    assert not blurred(image)


def test_a_plain_wall_says_nothing() -> None:
    wall = Image.new("RGB", (300, 200), (120, 130, 140))
    assert blur_px(wall) is None
    assert fingerprint(wall) is None
    assert focus(wall) == (0.5, 0.5)


def test_the_edge_of_a_cut_out_does_not_make_a_photo_sharp() -> None:
    soft = face().filter(ImageFilter.GaussianBlur(5))
    mask = Image.new("L", soft.size, 0)
    ImageDraw.Draw(mask).ellipse((20, 20, 300, 300), fill=255)
    soft.putalpha(mask)
    assert blurred(soft)


# -- likeness ---------------------------------------------------------------------------------------------------------


def distance(one: Image.Image, other: Image.Image) -> int:
    first, second = fingerprint(one), fingerprint(other)
    assert first is not None
    assert second is not None
    return (first ^ second).bit_count()


@pytest.mark.parametrize("image", sharp())
def test_the_same_photo_saved_anew_smaller_or_brighter_is_alike(image: Image.Image) -> None:
    saved = io.BytesIO()
    image.save(saved, "JPEG", quality=60)
    assert distance(image, Image.open(saved)) <= ALIKE_BITS
    assert distance(image, image.resize((image.width // 2, image.height // 2))) <= ALIKE_BITS
    assert distance(image, ImageEnhance.Brightness(image).enhance(1.1)) <= ALIKE_BITS


def test_different_photos_of_one_subject_are_not_alike() -> None:
    photos = [Image.open(path) for path in DEMO]
    distances = [distance(one, other) for index, one in enumerate(photos) for other in photos[:index]]
    assert min(distances) > ALIKE_BITS


# -- focus ------------------------------------------------------------------------------------------------------------


def test_crops_keep_a_face_in_the_middle() -> None:
    image = scene((1200, 800)).filter(ImageFilter.GaussianBlur(6))
    image.paste(face(), (820, 60))
    assert focus(image) == pytest.approx(((820 + 165) / 1200, (60 + 112) / 800), abs=0.03)


def with_faces(*places: tuple[int, int, int]) -> Image.Image:
    """Faces of ``side`` pixels at (left, top, side), 1500 × 600."""
    image = Image.new("RGB", (1500, 600), (150, 160, 170))
    for left, top, side in places:
        image.paste(face().resize((side, side)), (left, top))
    return image


def test_of_several_faces_all_are_kept_where_a_square_holds_them() -> None:
    x, _ = focus(with_faces((100, 150, 260), (360, 150, 260)))
    assert x == pytest.approx((100 + 360 + 2 * 260 * 165 / 320) / 2 / 1500, abs=0.03)


def test_else_the_largest_face_is() -> None:
    x, _ = focus(with_faces((60, 150, 260), (1100, 100, 360)))
    assert x == pytest.approx((1100 + 360 * 165 / 320) / 1500, abs=0.03)


@pytest.mark.parametrize("place", [(40, 40), (400, 150), (40, 150)])
def test_without_a_face_what_differs_from_the_edges_is_kept(place: tuple[int, int]) -> None:
    image = noisy(Image.linear_gradient("L").resize((640, 360)).convert("RGB"))
    thing = scene((200, 170), seed=5)
    image.paste(thing, place)
    x, y = focus(image)
    assert place[0] < x * 640 < place[0] + 200
    assert place[1] < y * 360 < place[1] + 170


def test_of_a_cut_out_the_opaque_part_is_kept() -> None:
    image = scene((600, 300)).convert("RGBA")
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rectangle((400, 100, 500, 200), fill=255)
    image.putalpha(mask)
    assert focus(image) == pytest.approx((450 / 600, 150 / 300), abs=0.01)
    image.putalpha(0)
    assert focus(image) == (0.5, 0.5)


@pytest.mark.parametrize("size", [(32, 32), (2048, 40), (33, 2048)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_photos_of_any_shape_are_measured(size: tuple[int, int], mode: str) -> None:
    image = scene(size).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(size))
    measured = inspect(image, "a.png")
    assert (measured.width, measured.height) == size
    assert all(0 <= place <= 1 for place in measured.focus)
