"""The reference trains as the scripts do, and has the faults that they have, no fewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image

from tests.benchmarks.bases import Modules, load_modules, random_autoencoder_kl, save_modules
from tests.benchmarks.cases import CASES, PHOTOS, make_reference
from tests.benchmarks.class_images import run_lora_job
from tests.benchmarks.families import time_ids
from tests.benchmarks.faults import end_of_text, repeat_pair_as_sdxl, rows_of_advanced_cache, snr_weights
from tests.benchmarks.measure import Memory, Spread, Stopwatch, measure_memory, time_in_turn, time_parts
from tests.benchmarks.photos import (
    OBJECT_TEMPLATES,
    InversionPhotos,
    crop,
    resize_shorter,
    to_pixels,
    write_phone_photos,
)
from tests.benchmarks.reference import ReferenceDreamBooth, ReferenceInversion, ReferenceLora, reference_loss
from trainer.models.registry import EMBEDDED_FOLDER

PROMPT = "a photo of thnos face"


@pytest.fixture
def modules() -> Modules:
    return load_modules()


def _copies(parameters: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def _moved(before: list[torch.Tensor], after: list[torch.nn.Parameter]) -> bool:
    return any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_lora_trains_and_leaves_the_base_alone(modules: Modules) -> None:
    base = {name: tensor.clone() for name, tensor in modules.unet.state_dict().items()}
    stepper = ReferenceLora(modules, PHOTOS, instance_prompt=PROMPT, rank=2, batch=2)
    before = _copies(stepper.parameters)
    losses = [stepper.step() for _ in range(2)]
    assert all(0 < loss < 10 for loss in losses)
    assert _moved(before, stepper.parameters)
    left = {name.replace(".base_layer", ""): tensor for name, tensor in modules.unet.state_dict().items()}
    assert all(torch.equal(left[name], tensor) for name, tensor in base.items())


def test_lora_on_the_text_encoder_too(modules: Modules) -> None:
    stepper = ReferenceLora(modules, PHOTOS, instance_prompt=PROMPT, rank=2, batch=1, train_text_encoder=True)
    text = [parameter for parameter in modules.text_encoder.parameters() if parameter.requires_grad]
    before = _copies(text)
    stepper.step()
    assert len(text) == 3 * 4 * 2  # layers, projections, down and up
    assert _moved(before, text)


def test_dreambooth_trains_the_whole_unet(modules: Modules) -> None:
    stepper = ReferenceDreamBooth(modules, PHOTOS, instance_prompt=PROMPT, batch=1)
    before = _copies(stepper.parameters)
    stepper.step()
    assert len(before) == len(list(modules.unet.parameters()))
    assert _moved(before, stepper.parameters)


def test_inversion_moves_the_new_rows_alone(modules: Modules) -> None:
    rows = modules.text_encoder.get_input_embeddings().num_embeddings
    stepper = ReferenceInversion(modules, PHOTOS, initializer_token="face", num_vectors=2, batch=2)
    table = modules.text_encoder.get_input_embeddings().weight
    before = table.detach().clone()
    stepper.step()
    assert stepper.placeholder_ids == [rows, rows + 1]
    [face] = modules.tokenizer.encode("face", add_special_tokens=False)
    assert torch.equal(before[rows], before[face])
    assert torch.equal(before[rows + 1], before[face])
    assert torch.equal(table[:rows], before[:rows])
    assert not torch.equal(table[rows:], before[rows:])
    moments = stepper.optimizer.state[table]
    assert moments["exp_avg"].shape == table.shape  # of the whole vocabulary, as in the script


def test_inversion_wants_one_token_to_begin_with(modules: Modules) -> None:
    with pytest.raises(ValueError, match="must be a single token"):
        ReferenceInversion(modules, PHOTOS, initializer_token="face suit")


def test_a_seed_gives_the_same_training_whatever_else_draws_random_numbers() -> None:
    losses = []
    for noise in range(2):
        stepper = ReferenceLora(load_modules(), PHOTOS, instance_prompt=PROMPT, rank=2, batch=2, seed=3)
        torch.rand(noise)
        losses.append([stepper.step() for _ in range(2)])
    assert losses[0] == losses[1]


def test_an_autoencoder_kl_takes_the_place_of_the_cheap_one(modules: Modules, tmp_path: Path) -> None:
    folder = save_modules(replace(modules, vae=random_autoencoder_kl(width=8)), tmp_path / "base")
    loaded = load_modules(folder)
    assert loaded.resolution == 64
    stepper = ReferenceLora(loaded, PHOTOS, instance_prompt=PROMPT, rank=2, batch=1)
    assert 0 < stepper.step() < 100


def _loss_inputs(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(rows, 12, 16, 16, generator=rng) for _ in range(2))
    return latents, noise, torch.randint(999, (rows,), generator=rng), torch.randn(rows, 77, 160, generator=rng)


@torch.no_grad()
def test_prior_loss_is_the_sum_of_both_halves(modules: Modules) -> None:
    inputs = _loss_inputs(4)
    halves = [
        reference_loss(modules.unet, modules.noise_scheduler, *(tensor[part] for tensor in inputs))
        for part in (slice(2), slice(2, 4))
    ]
    both = reference_loss(modules.unet, modules.noise_scheduler, *inputs, prior_loss_weight=0.5)
    torch.testing.assert_close(both, halves[0] + 0.5 * halves[1])


@torch.no_grad()
def test_fault_min_snr_with_prior_does_not_fit_and_is_not_mended_unasked(modules: Modules) -> None:
    options = {"prior_loss_weight": 1.0, "snr_gamma": 5.0}
    with pytest.raises(RuntimeError, match="must match"):
        reference_loss(modules.unet, modules.noise_scheduler, *_loss_inputs(4), **options)
    mended = reference_loss(modules.unet, modules.noise_scheduler, *_loss_inputs(4), **options, snr_form="mended")
    assert torch.isfinite(mended)


def test_fault_min_snr_for_v_prediction_and_at_zero_terminal_snr(modules: Modules) -> None:
    scheduler, timesteps = modules.noise_scheduler, torch.tensor([100, 999])
    snr = scheduler.alphas_cumprod[100] / (1 - scheduler.alphas_cumprod[100])
    faulty = snr_weights(scheduler, timesteps, 5.0, 2, "script")
    torch.testing.assert_close(faulty[0], snr.clamp(max=5) / snr + 1)
    assert torch.isnan(faulty[1])
    mended = snr_weights(scheduler, timesteps, 5.0, 2, "mended")
    torch.testing.assert_close(mended, torch.stack([snr.clamp(max=5) / (snr + 1), torch.tensor(1.0)]))


def test_min_snr_for_epsilon_is_the_same_in_both_forms() -> None:
    scheduler, timesteps = DDPMScheduler(beta_schedule="scaled_linear"), torch.tensor([3, 500])
    forms = [snr_weights(scheduler, timesteps, 5.0, 2, form) for form in ("script", "mended")]
    torch.testing.assert_close(*forms)


def test_fault_sdxl_pairs_half_the_pictures_with_the_wrong_prompt() -> None:
    instance, of_class = torch.zeros(1, 77, 8), torch.ones(1, 77, 8)
    pictures = [0, 0, 1, 1]  # two of the instance, two of the class, as they are collated
    prompts = repeat_pair_as_sdxl(instance, of_class, batch=2)[:, 0, 0].tolist()
    assert sum(picture != prompt for picture, prompt in zip(pictures, prompts, strict=True)) == 2


def test_fault_placeholders_are_taken_for_the_end_of_a_text() -> None:
    end, placeholder = 1640, 1641
    ids = torch.tensor([[1639, 7, placeholder, 9, end, end]])
    assert end_of_text(ids, end, "script").tolist() == [2]
    assert end_of_text(ids, end, "mended").tolist() == [4]


def test_sdxl_is_told_height_before_width_and_where_the_crop_began() -> None:
    assert time_ids((400, 160), (128, 64)).tolist() == [160, 400, 0, 16, 64, 128]
    assert time_ids((320, 200), (128, 64)).tolist() == [200, 320, 8, 0, 64, 128]


def test_fault_cached_latents_and_captions_part_company() -> None:
    latents, captions = rows_of_advanced_cache([2, 0, 1, 3], [0, 1, 2, 3], batch=2, step=0)
    assert (latents, captions) == ([2, 0], [0, 1])


def test_a_job_with_prior_makes_class_pictures_and_reuses_the_same_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(class_data_dir: Path) -> float:
        times = run_lora_job(
            EMBEDDED_FOLDER,
            PHOTOS[:1],
            steps=1,
            output_dir=tmp_path / "lora",
            instance_prompt=PROMPT,
            class_prompt="a photo of a face",
            class_data_dir=class_data_dir,
            num_class_images=1,
            rank=2,
            batch=1,
        )
        assert times.final_loss > 0
        return times.class_images_s

    run(tmp_path / "class")
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "class").iterdir()}
    assert len(written) == 1
    run(tmp_path / "class")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "class").iterdir()} == written
    assert (tmp_path / "lora" / "pytorch_lora_weights.safetensors").exists()


def test_photos_are_turned_and_cropped_to_squares(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 200), "red")
    assert resize_shorter(image, 64).size == (96, 64)
    assert crop(resize_shorter(image, 64), 64, None).size == (64, 64)
    pixels = to_pixels(Image.new("RGB", (2, 2), "red"))
    assert pixels[:, 0, 0].tolist() == [1.0, -1.0, -1.0]


def test_fault_inversion_presses_photos_into_squares(modules: Modules, tmp_path: Path) -> None:
    Image.new("RGB", (300, 100)).save(tmp_path / "wide.png")
    photos = InversionPhotos([tmp_path / "wide.png"], "<x>", modules.tokenizer, 64, repeats=100, seed=0)
    assert photos[5]["pixel_values"].shape == (3, 64, 64)
    assert len(photos) == 100
    assert len(set(OBJECT_TEMPLATES)) == 27


def test_every_case_builds_on_a_small_base() -> None:
    for name in ("lora", "inversion", "dreambooth"):
        watch = Stopwatch()
        parts = time_parts(
            make_reference(replace(CASES[name], batch=1), load_modules(), watch), watch, steps=2, warm_up=0
        )
        assert set(parts) == {"step", "data", "vae", "text", "unet", "backward", "optimizer"}


def test_phone_photos_are_as_large_as_asked(tmp_path: Path) -> None:
    [written] = write_phone_photos(PHOTOS[:1], tmp_path, (400, 300))
    with Image.open(written) as image:
        assert (image.format, image.size) == ("JPEG", (400, 300))


def test_pairs_are_timed_in_turn() -> None:
    calls: list[str] = []
    pairs = time_in_turn(lambda: calls.append("ours"), lambda: calls.append("reference"), pairs=3, warm_up=0)
    assert calls == ["reference", "ours", "ours", "reference", "reference", "ours"]
    assert pairs.ratio.low <= pairs.ratio.median <= pairs.ratio.high
    assert "ratio_spread" in pairs.figures("ratio")
    assert Spread.of([1.0, 2.0, 9.0]).median == 2.0


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    memory = measure_memory("reference", "lora", steps=1)
    assert isinstance(memory, Memory)
    assert memory.peak_mib >= memory.training_peak_mib > 100
