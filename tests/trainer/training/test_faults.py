"""The known faults of the diffusers scripts (``tests/benchmarks/faults.py``) are not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.trainer.bases import make_base
from tests.trainer.training.conftest import job, run
from trainer.adapters.bank import AdapterBank
from trainer.models.loading import Base, load_base
from trainer.models.registry import read_base
from trainer.training import loop
from trainer.training.dataset import Batch, add_class, crop_photo, to_pixels
from trainer.training.hooks import Hooks
from trainer.training.loop import Training
from trainer.training.losses import batch_weights
from trainer.training.preparing import prepare_photos

SIZES = ((64, 64), (96, 80), (80, 96), (128, 100))  # of one bucket, each its own
GAMMA = 5.0


@pytest.fixture
def sdxl(tmp_path: Path) -> Base:
    return load_base(read_base(make_base(tmp_path / "sdxl", "sdxl")))


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """Every batch of the training that follows."""
    seen: list[Batch] = []
    real = loop.batch_losses

    def watched(learner: Any, scheduler: Any, batch: Batch, *rest: Any) -> torch.Tensor:
        seen.append(batch)
        return real(learner, scheduler, batch, *rest)

    monkeypatch.setattr(loop, "batch_losses", watched)
    return seen


def _train(base: Base, photos: list[Image.Image], own: list[str], hooks: Hooks | None = None, **recipe: Any) -> None:
    """With a caption for each photo, never dropped."""
    asked = job(captions="photo", caption_dropout=0.0, **recipe)
    prepared = prepare_photos(asked, photos, own)
    run(Training(base, AdapterBank(base.modules), prepared, asked, hooks).run()).learner.close()


def test_each_picture_of_sdxl_meets_its_own_prompt_and_size(sdxl: Base, batches: list[Batch], tmp_path: Path) -> None:
    told: list[tuple[torch.Tensor, dict[str, torch.Tensor]]] = []
    sdxl.unet.register_forward_pre_hook(
        lambda _module, args, kwargs: told.append((args[2], kwargs["added_cond_kwargs"])), with_kwargs=True
    )
    photos = [Image.new("RGB", size) for size in SIZES]
    captions = [f"thnos {word}" for word in ("fox", "face", "robot", "alien")]
    hooks = Hooks(class_latents=tmp_path / "class")
    _train(sdxl, photos, captions, hooks, prior_weight=1.0, batch=4, steps=12)
    [kept] = (tmp_path / "class").iterdir()
    class_latents = load_file(kept)["latents"]
    told = told[-len(batches) :]  # before that the class pictures were made
    for batch, (embeddings, added) in zip(batches, told, strict=True):
        assert len(batch) == 4 + 2
        assert all(any(torch.equal(latents, known) for known in class_latents) for latents in batch.latents[4:])
        words = [*(captions[row] for row in batch.rows), *["a photo of monster"] * 2]
        expected = sdxl.encode_prompts(words)
        torch.testing.assert_close(embeddings, expected.embeddings, atol=1e-5, rtol=0)
        torch.testing.assert_close(added["text_embeds"], expected.pooled, atol=1e-5, rtol=0)
        sizes = [*(SIZES[row] for row in batch.rows), (64, 64), (64, 64)]
        assert added["time_ids"][:, :2].tolist() == [[height, width] for width, height in sizes]


def test_latents_and_captions_stay_together_however_often_photos_are_shuffled(
    base: Base, photos: list[Image.Image], batches: list[Batch]
) -> None:
    photos, captions = photos[:4], [f"thnos number {number}" for number in range(4)]
    _train(base, photos, captions, batch=2, steps=20)
    resolution = base.spec.defaults.width
    encoded = [base.encode_moments(to_pixels([crop_photo(photo, (resolution, resolution))]))[0][0] for photo in photos]
    orders = {batch.rows for batch in batches}
    assert len(orders) > 4  # it was shuffled anew
    for batch in batches:
        for caption, latents in zip(batch.captions, batch.latents, strict=True):
            torch.testing.assert_close(latents, encoded[captions.index(caption)])


@pytest.mark.parametrize(("photos", "of_class"), [(1, 1), (3, 2), (4, 2)])
def test_min_snr_weighs_each_photo_by_its_own_timestep_and_the_class_not_at_all(
    base: Base, photos: int, of_class: int
) -> None:
    zeros = torch.zeros(photos, 12, 8, 8)
    batch = Batch(tuple(range(photos)), zeros, ("thnos",) * photos, torch.zeros(photos, 6), torch.ones(photos))
    batch = add_class(batch, torch.zeros(of_class, 12, 8, 8), "a fox", 0.5)
    scheduler = base.make_scheduler()
    timesteps = torch.tensor([20, 300, 600, 900, 50, 150])[: photos + of_class]
    weights = batch_weights(scheduler, batch, timesteps, GAMMA)
    assert weights.shape == (photos + of_class,)
    snr = scheduler.alphas_cumprod[timesteps] / (1 - scheduler.alphas_cumprod[timesteps])
    torch.testing.assert_close(weights[:photos], (snr.clamp(max=GAMMA) / (snr + 1))[:photos] / photos)
    torch.testing.assert_close(weights[photos:], torch.full((of_class,), 0.5 / of_class))
