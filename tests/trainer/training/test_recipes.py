"""What a training does when nobody says otherwise, and the words of its captions."""

from __future__ import annotations

import math
from typing import Any, get_args

import msgspec
import pytest
import torch

from trainer.contract.lengths import count_steps, learns_class
from trainer.contract.requests import Kind, Method, Recipe
from trainer.models.loading import Base
from trainer.training.captions import captions_for, name_subject
from trainer.training.losses import sample_losses, snr_weights
from trainer.training.recipes import RecipeDefaults, ResolvedRecipe, resolve_recipe
from trainer.training.state import TrainingState

DEFAULTS = RecipeDefaults()


def resolve(
    photos: int = 10, kind: Any = "subject", defaults: RecipeDefaults = DEFAULTS, **asked: Any
) -> ResolvedRecipe:
    return resolve_recipe(Recipe(**asked), defaults, photos, kind, family=asked.pop("family", "sd1"))


def test_steps_follow_the_number_of_photos() -> None:
    assert [resolve(photos).steps for photos in (3, 10, 100)] == [400, 1000, 1500]
    assert resolve(defaults=msgspec.structs.replace(DEFAULTS, batch=4)).steps == 250
    assert resolve(steps=100, batch=4).steps == 25
    assert [resolve(method="textual_inversion", photos=photos).steps for photos in (3, 10)] == [1500, 3000]


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("asked", [{}, {"steps": 70, "batch": 4}, {"prior_weight": 0.0}, {"prior_weight": 0.5}])
def test_what_is_told_before_is_what_is_done(method: Method, kind: Kind, asked: dict[str, Any]) -> None:
    for defaults in (DEFAULTS, RecipeDefaults(prior_weight=1.0, batch=2)):
        recipe = Recipe(method=method, preset="fast", **asked)
        done = resolve_recipe(recipe, defaults, 7, kind)
        assert count_steps(recipe, defaults.lengths, 7) == (done.steps, done.inversion_steps)
        assert learns_class(recipe, kind, defaults.lengths) == (done.prior_weight > 0)


def test_presets_are_shorter_and_smaller_or_longer_and_wider() -> None:
    fast, balanced, detailed = (resolve(preset=preset) for preset in ("fast", "balanced", "detailed"))
    assert fast.steps < balanced.steps < detailed.steps
    assert (fast.rank, balanced.rank, detailed.rank) == (8, 16, 32)
    assert "ff.net.2" in detailed.target_modules
    assert "ff.net.2" not in balanced.target_modules
    assert (balanced.text_encoder_learning_rate, detailed.text_encoder_learning_rate) == (0, 5e-5)
    assert detailed.text_encoder_steps == detailed.steps / 2


def test_what_a_member_names_is_what_is_done() -> None:
    asked = resolve(steps=7, rank=3, lora_alpha=1.5, learning_rate=0.5, prior_weight=0.25, snr_gamma=0, masks=False)
    assert (asked.steps, asked.rank, asked.lora_alpha, asked.learning_rate) == (7, 3, 1.5, 0.5)
    assert (asked.prior_weight, asked.snr_gamma, asked.masks, asked.early_stop) == (0.25, 0, False, False)
    assert resolve(rank=3).lora_alpha == 3


def test_a_training_ends_early_unless_somebody_says_how_long_it_is() -> None:
    asked = [{}, {"steps": 7}, {"early_stop": False}, {"steps": 7, "early_stop": True}]
    assert [resolve(**each).early_stop for each in asked] == [True, False, False, True]


def test_vectors_see_nothing_without_their_word() -> None:
    face = resolve(kind="face", method="textual_inversion")
    assert (face.prior_weight, face.caption_dropout) == (0, 0)
    assert resolve(method="textual_inversion", prior_weight=0.5).prior_weight == 0.5


def test_faces_keep_their_class_and_are_learned_slowly() -> None:
    assert [resolve(kind=kind).prior_weight for kind in ("subject", "face", "style")] == [0, 1, 0]
    assert resolve(kind="face", method="dreambooth").learning_rate == pytest.approx(1e-6)
    assert resolve(method="dreambooth").learning_rate == 5e-6


def test_a_pivotal_training_shares_its_steps_between_the_word_and_the_lora() -> None:
    both = resolve(method="pivotal")
    assert 0 < both.inversion_steps < both.steps
    assert both.steps == 1000 + 1500
    assert resolve(method="pivotal", steps=100).inversion_steps == 60
    assert resolve(method="textual_inversion", batch=4).inversion_learning_rate == pytest.approx(4 * 5e-4)


def test_captions_hold_the_trigger_and_a_style_leaves_out_what_is_in_the_picture() -> None:
    assert name_subject("thnos", "monster", "subject", "lora") == "thnos monster"
    assert name_subject("thnos", "monster", "subject", "textual_inversion") == "thnos"
    assert name_subject("toy", "style", "style", "lora") == "toy"
    assert all("thnos monster" in text for text in captions_for("thnos", "thnos monster", "subject", None))
    assert all("toy style" in text for text in captions_for("toy", "toy", "style", None))


def test_captions_of_ones_own_come_first_and_get_the_trigger() -> None:
    subject = "thnos monster"
    assert captions_for("thnos", subject, "subject", "at work") == ("thnos at work",)
    assert captions_for("thnos", subject, "subject", "my thnos at work") == ("my thnos at work",)
    assert captions_for("cat", "cat", "subject", "a category of Cats") == ("cat a category of Cats",)
    assert captions_for("cat", "cat", "subject", "asleep: the Cat.") == ("asleep: the Cat.",)
    assert captions_for("thnos", subject, "subject", "at work", "none") == (subject,)
    assert captions_for("thnos", subject, "subject", None, "template", "{} on a shelf") == ("thnos monster on a shelf",)
    assert "a photo of thnos monster" in captions_for("thnos", subject, "subject", "at work", "template")


def test_min_snr_weights_are_guarded_where_nothing_is_left_of_the_picture(base: Base) -> None:
    scheduler = base.make_scheduler()
    weights = snr_weights(scheduler, torch.tensor([0, 500, 999]), 5.0)
    assert torch.isfinite(weights).all()
    assert weights[2] == 1.0
    snr = scheduler.alphas_cumprod[500] / (1 - scheduler.alphas_cumprod[500])
    assert weights[1] == pytest.approx(float(snr.clamp(max=5) / (snr + 1)))
    assert snr_weights(scheduler, torch.tensor([0, 500]), 0.0).tolist() == [1, 1]


def test_a_mask_weighs_places() -> None:
    zeros, ones = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    weight = torch.tensor([[[[2.0, 0.0], [2.0, 0.0]]]])
    assert sample_losses(ones, zeros, weight).item() == 1
    ones[..., 1] = 7  # where nothing counts
    assert math.isclose(sample_losses(ones, zeros, weight).item(), 1)


def test_the_optimizer_of_large_models_steps_as_far_as_its_learning_rate_says() -> None:
    weight = torch.nn.Parameter(0.02 * torch.randn(64, 64, generator=torch.Generator().manual_seed(0)))
    before = weight.detach().clone()
    state = TrainingState([{"params": [weight], "lr": 1e-5}], small_memory=True)
    weight.grad = torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
    state.update()
    step = float((weight.detach() - before).square().mean().sqrt())
    assert 3e-6 < step < 3e-5
