"""The parts of emoji-64's build that need neither the pictures nor hours."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from trainer.models.emoji64 import diffusion, grammar, vae
from trainer.models.emoji64.encoder import PictureEncoder, load_encoder
from trainer.models.emoji64.tokenizer import END, build_tokenizer, byte_alphabet, learn_merges, tokenize
from trainer.training import checkpoints


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    rng = random.Random(0)
    texts = [grammar.caption(grammar.draw_scene(rng), rng) for _ in range(500)]
    return build_tokenizer(texts, tmp_path_factory.mktemp("tokenizer"), merges=300)


def test_what_is_kept_out_is_never_composed() -> None:
    rng = random.Random(1)
    scenes = [grammar.draw_scene(rng) for _ in range(2_000)]
    assert {scene.head for scene in scenes} == set(grammar.HEADS)
    assert not set(grammar.HEADS) & set(grammar.KEPT_OUT_HEADS)
    assert not {scene.outfit for scene in scenes} & set(grammar.KEPT_OUT_OUTFITS)


def test_a_plain_caption_names_everything_in_the_scene() -> None:
    scene = grammar.Scene("fox", "tuxedo", "top hat", "dinner")
    assert grammar.plain_caption(scene) == "a fox in a tuxedo wearing a top hat at a fancy dinner"
    assert grammar.plain_caption(scene, "thnos monster").startswith("thnos monster in a tuxedo")


def test_captions_vary_and_name_the_outfit() -> None:
    scene = grammar.Scene("fox", "space suit", "crown", "blue")
    texts = {grammar.caption(scene, random.Random(seed)) for seed in range(50)}
    assert len(texts) > 25
    assert all("space suit" in text.lower() and "crown" in text.lower() for text in texts)


def test_the_most_frequent_pair_is_merged_first() -> None:
    assert learn_merges(Counter({"aab": 5, "ab": 3}), 1) == [("a", "b</w>")]


def test_every_byte_has_a_letter_of_its_own() -> None:
    assert len(set(byte_alphabet())) == 256


@given(st.text(max_size=200))
def test_any_text_can_be_encoded(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenize(tokenizer, [text])
    assert ids.shape == (1, 77)
    assert int(ids.max()) < len(tokenizer)


def test_words_of_the_grammar_are_few_tokens(tokenizer: CLIPTokenizer) -> None:
    assert len(tokenizer.tokenize("a fox in a tuxedo")) <= 8
    assert int(tokenize(tokenizer, [""])[0, -1]) == tokenizer.convert_tokens_to_ids(END)


def test_the_vae_starts_as_principal_components() -> None:
    pixels = F.interpolate(torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0)), scale_factor=4.0)
    pixels = pixels * 2 - 1 + 0.5 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(1))
    model = vae.make_vae()
    vae.start_from_components(model, pixels)
    mean, components, scales = vae.principal_components(pixels.add(1).div(2), vae.LATENT_CHANNELS)
    patches = F.unfold(pixels.add(1).div(2), 4, stride=4).transpose(1, 2)
    expected = (((patches - mean) @ components) / scales).transpose(1, 2).reshape(40, vae.LATENT_CHANNELS, 16, 16)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # the borders see padding
    with torch.no_grad():
        latents = model.encoder(pixels)
    difference = (latents[inner] - expected[inner]).std() / expected[inner].std()
    assert difference < 0.2  # the weights that are not set are small noise


def test_psnr_of_a_known_error() -> None:
    pixels = torch.zeros(2, 3, 8, 8)
    assert vae.psnr_db(pixels + 0.2, pixels) == pytest.approx(20.0, abs=1e-4)


def test_the_schedule_ends_in_pure_noise() -> None:
    assert diffusion.make_scheduler().alphas_cumprod[-1] == 0


def test_the_learning_rate_falls_to_nothing_in_the_last_quarter() -> None:
    assert diffusion.learning_rate_at(0.5, 1e-3) == 1e-3
    assert diffusion.learning_rate_at(0.875, 1e-3) == pytest.approx(0.5e-3, rel=0.01)
    assert diffusion.learning_rate_at(1.0, 1e-3) < 1e-5


def _train(work: Path, stop_after: int | None) -> dict[str, torch.Tensor]:
    work.mkdir(exist_ok=True)
    rng = torch.Generator().manual_seed(3)
    latents, tokens = torch.randn(8, vae.LATENT_CHANNELS, 16, 16, generator=rng), torch.ones(8, 77).short()
    diffusion.train_diffusion(
        latents, tokens, torch.zeros(77).long(), 10, work, steps=4, batch=2, stop_after=stop_after
    )
    return checkpoints.load_state(work / "diffusion.safetensors")[1]["ema"]


def test_a_build_that_was_stopped_goes_on_as_if_it_never_was(tmp_path: Path) -> None:
    _train(tmp_path / "stopped", 2)
    stopped = _train(tmp_path / "stopped", None)
    whole = _train(tmp_path / "whole", None)
    assert all(torch.equal(stopped[name], whole[name]) for name in whole)


def test_a_checkpoint_keeps_the_optimizer(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoints.save_state(tmp_path / "a.safetensors", 7, {"optimizer": checkpoints.optimizer_tensors(optimizer)})
    step, parts = checkpoints.load_state(tmp_path / "a.safetensors")
    fresh = torch.optim.AdamW(layer.parameters())
    checkpoints.load_optimizer_tensors(fresh, parts["optimizer"])
    assert step == 7
    assert torch.equal(fresh.state_dict()["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])


@pytest.mark.parametrize("architecture", ["chooser", "reporter"])
def test_an_encoder_reads_the_same_after_saving(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = PictureEncoder(architecture, [*grammar.HEADS, "other"]).eval()  # type: ignore[arg-type]
    encoder.half().float()  # what is saved is float16
    encoder.save(tmp_path / "encoder.safetensors")
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    loaded = load_encoder(tmp_path / "encoder.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(loaded(pixels)["embedding"], encoder(pixels)["embedding"])
        assert loaded.read(pixels)[0].head in grammar.HEADS
        assert loaded(pixels)["embedding"].norm(dim=1).tolist() == pytest.approx([1.0, 1.0])
