"""Drawing from a picture: image to image, with a mask, beyond its edges, larger, and once more in high resolution."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline
from PIL import Image, ImageDraw

from bot.pasted import read_pasted
from tests.trainer.spooled import spool
from trainer import messages
from trainer.contract import infotext
from trainer.contract.drawings import Drawing, DrawingSettings, HighRes, Source, Upscale
from trainer.errors import UserFault
from trainer.generation.easel import Company, Easel
from trainer.generation.images import Picture
from trainer.generation.painting import paint
from trainer.generation.resolving import count_steps
from trainer.generation.samplers import first_step
from trainer.generation.studio import Studio
from trainer.generation.together import paint_together
from trainer.models.emoji64.report import finish as run
from trainer.models.loading import load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base

PICTURE, MASK = "blobs/picture", "blobs/mask"
Files = Mapping[str, messages.Spooled]


@pytest.fixture(scope="module")
def easel() -> Easel:
    return Easel(load_base(read_base(EMBEDDED_FOLDER, embedded=True)))


@pytest.fixture(scope="module")
def tiny(tiny_bases: Path) -> Easel:
    return Easel(load_base(read_base(tiny_bases / "sd1")))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def photo(width: int = 64, height: int = 64) -> Image.Image:
    """Something with edges and colours."""
    image = Image.new("RGB", (width, height), "teal")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 4, height // 4, 3 * width // 4, 3 * height // 4), "orange")
    draw.rectangle((0, 0, width // 3, height // 5), "navy")
    return image


@pytest.fixture
def files(tmp_path: Path) -> Files:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    return {PICTURE: spool(tmp_path, png(photo())), MASK: spool(tmp_path, png(mask))}


def draw(easel: Easel, drawing: Drawing, files: Files | None = None) -> Picture:
    turns, steps = paint_together(Studio(), {0: paint(easel, drawing, Company(()), files)}), 0
    while True:
        try:
            steps = next(turns).steps_done
        except StopIteration as end:
            assert steps == count_steps(easel, drawing)
            return end.value[0]


FROM_PICTURE = Source(PICTURE)


def drawing(source: Source | None = FROM_PICTURE, **settings: object) -> Drawing:
    chosen = {"num_inference_steps": 8, **settings}
    return Drawing("a fox in a suit", "a fox in a suit", "", 7, settings=DrawingSettings(**chosen), source=source)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("strength", [0.3, 0.6])
def test_it_is_the_pipelines_picture(tiny: Easel, files: Files, strength: float) -> None:
    base = tiny.base
    scheduler = DDIMScheduler.from_config(base.scheduler_config)
    pipeline = StableDiffusionImg2ImgPipeline(
        vae=base.vae, text_encoder=base.towers[0].text_encoder, tokenizer=base.towers[0].tokenizer, unet=base.unet,
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    # its own encoding draws from the posterior; ours takes the mean, as a source is no photo to learn from
    mean = base.encode_moments(torch.from_numpy(pixels(photo())).permute(2, 0, 1)[None].float() / 127.5 - 1)[0]
    steps = 10
    taken = steps - first_step(steps, strength)  # diffusers takes one step fewer for the same strength
    theirs = pipeline(
        "a fox in a suit", image=mean, strength=taken / steps + 1e-6, num_inference_steps=steps, guidance_scale=4.0,
        generator=torch.Generator().manual_seed(7),
    ).images[0]  # fmt: skip
    ours = draw(tiny, drawing(strength=strength, num_inference_steps=steps, guidance_scale=4.0, sampler="DDIM"), files)
    assert np.abs(pixels(ours.image) - pixels(theirs)).max() <= 1


def test_strength_goes_from_the_picture_to_another(easel: Easel, files: Files) -> None:
    distances = [
        np.abs(pixels(draw(easel, drawing(strength=s), files).image) - pixels(photo())).mean() for s in (0, 0.3, 1)
    ]
    assert distances[0] == 0
    assert distances[0] < distances[1] < distances[2]


def test_what_a_mask_leaves_out_stays_to_the_bit(easel: Easel, files: Files) -> None:
    picture = draw(easel, drawing(Source(PICTURE, MASK), strength=1.0), files)
    changed = np.abs(pixels(picture.image) - pixels(photo())).max(2)
    assert changed[:, :16].max() == 0
    assert changed[:, 48:].mean() > 10
    assert infotext.read(picture.parameters).settings["Mask blur"] == "4"


def test_margins_are_drawn_and_the_picture_stays(easel: Easel, files: Files) -> None:
    picture = draw(easel, drawing(Source(PICTURE, margins=(16, 0, 16, 8))), files).image
    assert picture.size == (64 + 16 + 16, 64 + 8)
    inner = pixels(picture)[: 64 - 28, 16 + 28 : 16 + 64 - 28]
    assert np.array_equal(inner, pixels(photo())[: 64 - 28, 28 : 64 - 28])
    assert pixels(picture)[:, :12].std() > 0


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_a_second_pass_leaves_the_rest_of_the_picture_as_it_is_enlarged(
    easel: Easel, files: Files, upscaler: str
) -> None:
    high_res = HighRes(scale=1.5, strength=0.6, steps=4, upscaler=upscaler)
    picture = draw(easel, drawing(Source(PICTURE, MASK), strength=1.0, high_res=high_res), files)
    changed = np.abs(pixels(picture.image) - pixels(photo().resize((96, 96), Image.Resampling.LANCZOS))).max(2)
    assert changed[:, :24].max() == 0
    assert changed[:, 72:].mean() > 10
    grown = draw(easel, drawing(Source(PICTURE, margins=(0, 0, 16, 0)), high_res=high_res), files).image
    assert grown.size == (120, 96)
    inner = np.abs(pixels(grown)[:, :36] - pixels(photo().resize((96, 96), Image.Resampling.LANCZOS))[:, :36])
    assert np.quantile(inner, 0.99) <= 2  # the canvas is enlarged with its margin, which reaches a pixel or two


def test_both_strengths_are_said_and_read_back(easel: Easel, files: Files) -> None:
    settings = {"strength": 0.4, "high_res": HighRes(scale=1.5, strength=0.6, steps=4)}
    said = draw(easel, drawing(**settings), files).parameters
    assert "Denoising strength: 0.4, Hires denoising strength: 0.6" in said
    found = read_pasted(said)
    assert (found.settings.strength, found.settings.high_res) == (0.4, settings["high_res"])
    assert found.ignored == ()


def test_a_second_pass_is_larger_and_alike(easel: Easel) -> None:
    asked = drawing(None, sampler="Euler")
    small = draw(easel, asked).image
    for upscaler in ("Latent", "Lanczos"):
        high_res = HighRes(scale=1.5, strength=0.4, steps=4, upscaler=upscaler)
        large = draw(easel, drawing(None, sampler="Euler", high_res=high_res))
        assert large.image.size == (96, 96)
        back = large.image.resize((64, 64), Image.Resampling.BOX)
        assert np.abs(pixels(back) - pixels(small)).mean() < 40
        settings = infotext.read(large.parameters).settings
        assert (settings["Hires upscale"], settings["Hires steps"], settings["Hires upscaler"]) == (
            "1.5",
            "4",
            upscaler,
        )
        assert settings["Denoising strength"] == "0.4"


def test_a_finished_picture_is_enlarged_without_drawing(easel: Easel, files: Files) -> None:
    picture = draw(easel, drawing(strength=0.0, upscale=Upscale(3.0)), files)
    assert picture.image.size == (192, 192)
    assert np.abs(pixels(picture.image.resize((64, 64), Image.Resampling.BOX)) - pixels(photo())).mean() < 4
    assert infotext.read(picture.parameters).settings["Postprocess upscale by"] == "3"


@pytest.mark.parametrize(
    ("own", "settings", "size"),
    [
        ((64, 96), {}, (64, 96)),
        ((400, 200), {}, (88, 48)),
        ((400, 200), {"width": 64, "height": 64}, (64, 64)),
        ((63, 65), {}, (64, 64)),
        ((1000, 10), {}, (96, 8)),
    ],
)
def test_a_picture_keeps_its_shape(
    easel: Easel, tmp_path: Path, own: tuple[int, int], settings: dict[str, int], size: tuple[int, int]
) -> None:
    asked = drawing(strength=0.1, num_inference_steps=1, **settings)
    assert draw(easel, asked, {PICTURE: spool(tmp_path, png(photo(*own)))}).image.size == size


def test_several_kinds_share_a_batch(easel: Easel, files: Files) -> None:
    asked = [drawing(strength=0.5), drawing(Source(PICTURE, MASK), strength=0.8), drawing(None)]
    paintings = {place: paint(easel, each, Company(()), files) for place, each in enumerate(asked)}
    done = run(paint_together(Studio(), paintings))
    for place, each in enumerate(asked):
        assert np.abs(pixels(done[place].image) - pixels(draw(easel, each, files).image)).max() <= 1


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        (Source(PICTURE, "small"), {}, "the mask has 8 × 8 pixels"),
        (Source(PICTURE, margins=(500, 0, 0, 0)), {}, "96 a side are the most"),
        (Source(PICTURE), {"strength": 0.0, "upscale": Upscale(100.0)}, "4096 a side are the most"),
        (Source(PICTURE), {"strength": 0.0, "upscale": Upscale(2.0, "ESRGAN")}, "there is no upscaler 'ESRGAN'"),
        (Source("huge"), {}, "5000 × 4 pixels"),
        (Source(PICTURE, margins=(8, 0, 0, 0)), {"strength": 0.0}, "draws nothing beyond the picture's edges"),
        (Source(PICTURE), {"high_res": HighRes(scale=6.5)}, "416 × 416 pixels, and 384 a side are the most"),
    ],
)
def test_what_cannot_be_drawn_is_told(
    easel: Easel, files: Files, tmp_path: Path, source: Source, settings: dict[str, object], words: str
) -> None:
    small = {"small": spool(tmp_path, png(Image.new("L", (8, 8)))), "huge": spool(tmp_path, png(photo(5000, 4)))}
    with pytest.raises(UserFault, match=words):
        draw(easel, drawing(source, **settings), {**files, **small})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"upscale": Upscale(2.0, "ESRGAN")}, "there is no upscaler 'ESRGAN'"),
        ({"high_res": HighRes(scale=2.0), "upscale": Upscale(33.0)}, "4224 × 4224 pixels"),
        ({"high_res": HighRes(scale=65.0)}, "4160 × 4160 pixels"),
    ],
)
def test_what_cannot_be_enlarged_is_told_before_anything_is_drawn(
    easel: Easel, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(UserFault, match=words):
        next(paint(easel, drawing(None, **settings), Company(())))
