"""LoRA training on the embedded base, through its public door."""

from __future__ import annotations

import dataclasses
import math

import msgspec
import pytest
import torch
from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import read_lora
from trainer.contract.requests import Recipe
from trainer.errors import UserFault
from trainer.generation.pipeline import GenerationJob, generate
from trainer.models.loading import Base, load_base
from trainer.training import lora, recipes
from trainer.training.control import Control, Pause
from trainer.training.dataset import crop_to
from trainer.training.lora import TrainingJob, train_lora
from trainer.training.losses import snr_weights


def run(steps):
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


# steps are batch-1 equivalents, and the embedded base trains in batches of four: four steps
JOB = TrainingJob("thnos", "monster", "subject", Recipe(steps=16, seed=3, learning_rate=1e-3))


def tensors(data: bytes) -> dict[str, torch.Tensor]:
    return read_lora(data).weights


def test_a_training_is_the_same_again_from_its_seed(base: Base, photos: list[Image.Image]) -> None:
    bank = AdapterBank(base.modules)
    first = run(train_lora(base, bank, photos, [None] * 6, JOB))
    second = run(train_lora(base, bank, photos, [None] * 6, JOB))
    assert first.data == second.data
    assert first.metadata["darkroom.trigger"] == "thnos"
    assert first.metadata["darkroom.photos"] == "6"
    assert math.isfinite(first.final_loss)


def test_a_picture_can_be_drawn_while_a_training_prepares(base: Base, photos: list[Image.Image]) -> None:
    bank, face = AdapterBank(base.modules), dataclasses.replace(JOB, kind="face")  # makes class pictures first
    alone = run(train_lora(base, bank, photos, [None] * 6, face))
    training, turns = train_lora(base, bank, photos, [None] * 6, face), 0
    while next(training) is None:
        turns += 1
        if turns == 8:
            run(generate(base, bank, GenerationJob("a fox", num_inference_steps=2)))
    assert turns > len(photos)
    assert run(training).data == alone.data


def test_a_resumed_training_equals_one_that_never_stopped(
    base: Base, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora, "CHECKPOINT_EVERY", 2)
    bank, kept = AdapterBank(base.modules), []
    whole = run(train_lora(base, bank, photos, [None] * 6, JOB, checkpoint=kept.append))
    resumed = run(train_lora(base, bank, photos, [None] * 6, JOB, resume=kept[0]))
    assert len(kept) == 1
    assert resumed.data == whole.data


def test_a_paused_training_that_goes_on_equals_one_that_never_stopped(base: Base, photos: list[Image.Image]) -> None:
    bank, control = AdapterBank(base.modules), Control()
    whole = run(train_lora(base, bank, photos, [None] * 6, JOB))
    steps = train_lora(base, bank, photos, [None] * 6, JOB, control=control)
    while next(steps) is None:
        pass
    control.wish = "pause"
    with pytest.raises(Pause) as paused:
        next(steps)
    assert (paused.value.step, paused.value.steps) == (2, 4)
    resumed = run(train_lora(base, bank, photos, [None] * 6, JOB, resume=paused.value.checkpoint))
    assert resumed.data == whole.data


def test_a_training_that_ends_early_keeps_what_it_has_learned(base: Base, photos: list[Image.Image]) -> None:
    bank = AdapterBank(base.modules)
    adapter = run(train_lora(base, bank, photos, [None] * 6, JOB, control=Control("finish")))
    assert (adapter.steps, adapter.metadata["darkroom.steps"]) == (1, "1")
    assert any(tensor.abs().max() > 0 for name, tensor in tensors(adapter.data).items() if "lora_B" in name)


def test_pictures_between_the_steps_change_nothing(base: Base, photos: list[Image.Image]) -> None:
    bank = AdapterBank(base.modules)
    alone = run(train_lora(base, bank, photos, [None] * 6, JOB))
    request = GenerationJob("a fox in a suit", seed=5, num_inference_steps=4)
    picture_alone = run(generate(base, bank, request))[0].image
    training, picture = train_lora(base, bank, photos, [None] * 6, JOB), generate(base, bank, request)
    results: dict[str, object] = {}
    waiting = {"training": training, "picture": picture}
    while waiting:
        for name, steps in list(waiting.items()):
            try:
                next(steps)
            except StopIteration as end:
                results[name] = end.value
                del waiting[name]
    assert results["training"].data == alone.data  # type: ignore[attr-defined]
    assert results["picture"][0].image.tobytes() == picture_alone.tobytes()  # type: ignore[index]


def test_diffusers_reads_the_adapter_as_we_do(base: Base, photos: list[Image.Image]) -> None:
    bank = AdapterBank(base.modules)
    adapter = run(train_lora(base, bank, photos, [None] * 6, JOB))
    bank.add("thnos", tensors(adapter.data))
    bank.activate({"thnos": 1.0})
    fresh = load_base(base.spec).unet
    fresh.load_lora_adapter(tensors(adapter.data), prefix="unet")
    rng = torch.Generator().manual_seed(0)
    sample = torch.randn(1, base.unet.config.in_channels, 16, 16, generator=rng)
    text = base.encode_prompts(["thnos monster"])
    with torch.no_grad():
        ours, theirs = base.predict(sample, torch.tensor(500), text), fresh(sample, 500, text.embeddings).sample
        bank.activate({})
        bare = base.predict(sample, torch.tensor(500), text)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert (ours - bare).abs().max() > 1e-4


def test_prior_preservation_trains_beside_the_class(base: Base, photos: list[Image.Image]) -> None:
    job = dataclasses.replace(JOB, recipe=Recipe(steps=2, prior_weight=1.0, seed=1))
    assert math.isfinite(run(train_lora(base, AdapterBank(base.modules), photos, [None] * 6, job)).final_loss)


def test_a_training_that_diverges_says_so_and_leaves_the_base_clean(base: Base, photos: list[Image.Image]) -> None:
    bank = AdapterBank(base.modules)
    job = dataclasses.replace(JOB, recipe=Recipe(steps=50, learning_rate=1e30, seed=1))
    with pytest.raises(UserFault, match="learning rate of 1e\\+30 is too high"):
        run(train_lora(base, bank, photos, [None] * 6, job))
    assert run(train_lora(base, bank, photos, [None] * 6, JOB)).steps == 4


def test_steps_follow_the_number_of_photos() -> None:
    defaults = recipes.RecipeDefaults()
    assert [recipes.resolve_recipe(Recipe(), defaults, n, "subject").steps for n in (3, 10, 100)] == [400, 1000, 1500]
    batched = msgspec.structs.replace(defaults, batch=4)
    assert recipes.resolve_recipe(Recipe(), batched, 10, "subject").steps == 250
    assert recipes.resolve_recipe(Recipe(), defaults, 10, "face").prior_weight == 1.0


def test_captions_hold_the_trigger_and_a_style_leaves_the_class_out() -> None:
    assert all("thnos monster" in text for text in recipes.captions_for("thnos", "monster", "subject", None))
    assert all("monster" not in text for text in recipes.captions_for("toy", "monster", "style", None))
    assert recipes.captions_for("thnos", "monster", "subject", "at work") == ("thnos at work",)


def test_min_snr_weights_are_guarded_where_nothing_is_left_of_the_picture(base: Base) -> None:
    scheduler = base.make_scheduler()
    weights = snr_weights(scheduler, torch.tensor([0, 500, 999]), 5.0)
    assert torch.isfinite(weights).all()
    assert weights[2] == 1.0
    snr = scheduler.alphas_cumprod[500] / (1 - scheduler.alphas_cumprod[500])
    assert weights[1] == pytest.approx(float(snr.clamp(max=5) / (snr + 1)))


def test_photos_are_cropped_without_distortion() -> None:
    photo = Image.new("RGB", (300, 100), "red")
    photo.paste("blue", (100, 0, 200, 100))
    cropped = crop_to(photo, 64, 64)
    assert cropped.size == (64, 64)
    assert cropped.getpixel((32, 32)) == (0, 0, 255)
    clear = crop_to(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), 64, 64)
    assert clear.getpixel((1, 1)) == (255, 255, 255)
