"""The LoRA in a model that was trained whole."""

from __future__ import annotations

import re

import pytest
import torch

from tests.trainer.adapters.tiny import draw, make_unet
from trainer.adapters.bank import AdapterBank
from trainer.adapters.extraction import Extraction, extract_lora
from trainer.adapters.lora_files import read_lora, write_lora

SHAPES = {
    "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight": (24, 16),
    "unet.mid_block.attentions.0.proj_in.weight": (16, 16, 1, 1),
    "unet.mid_block.resnets.0.conv1.weight": (12, 16, 3, 3),
}


def random(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def original() -> dict[str, torch.Tensor]:
    others = {"unet.conv_norm_out.weight": torch.ones(8), "unet.conv_out.bias": torch.zeros(4)}
    return others | {key: random(shape, place) for place, (key, shape) in enumerate(SHAPES.items())}


def low_rank(shape: tuple[int, ...], rank: int, seed: int) -> torch.Tensor:
    flat = random((shape[0], rank), seed) @ random((rank, torch.Size(shape[1:]).numel()), seed + 1)
    return flat.reshape(shape)


def product(extraction: Extraction, key: str) -> torch.Tensor:
    module = key.removesuffix(".weight")
    down, up = extraction.weights[f"{module}.lora_A.weight"], extraction.weights[f"{module}.lora_B.weight"]
    return (up.flatten(1) @ down.flatten(1)).reshape(SHAPES[key])


def test_a_change_of_low_rank_is_found_again_whole() -> None:
    before = original()
    changes = {key: low_rank(shape, 3, place) for place, (key, shape) in enumerate(SHAPES.items())}
    tuned = before | {key: before[key] + change for key, change in changes.items()}
    found = extract_lora(before, tuned, 3)
    for key, change in changes.items():
        assert torch.allclose(product(found, key), change, atol=1e-4)
    assert found.fidelity == pytest.approx(1, abs=1e-6)
    assert found.left_out == ()
    conv = "unet.mid_block.resnets.0.conv1"
    assert found.weights[f"{conv}.lora_A.weight"].shape == (3, 16, 3, 3)
    assert found.weights[f"{conv}.lora_B.weight"].shape == (12, 3, 1, 1)


def test_the_fidelity_is_what_eckart_and_young_say() -> None:
    before = original()
    key = next(iter(SHAPES))
    change = random(SHAPES[key], 9)
    found = extract_lora(before, before | {key: before[key] + change}, 5)
    squares = torch.linalg.svdvals(change.double()).square()
    assert found.fidelity == pytest.approx(float(squares[:5].sum() / squares.sum()), abs=1e-5)
    down, up = found.weights.values()
    assert torch.allclose(down.norm(dim=1), up.norm(dim=0), rtol=1e-4)  # the roots of S on both sides


def test_the_extracted_lora_draws_as_the_whole_model_did() -> None:
    before, after = make_unet("sdxl"), make_unet("sdxl")
    for name, module in after.named_modules():
        if re.search(r"to_q|ff\.net\.2|conv1|proj_in", name):
            change = low_rank(tuple(module.weight.shape), 2, len(name)) / 20
            module.weight.data += change
    states = ({f"unet.{key}": tensor for key, tensor in unet.state_dict().items()} for unet in (before, after))
    found = extract_lora(*states, 2)
    assert found.fidelity == pytest.approx(1, abs=1e-4)
    bank = AdapterBank({"unet": before})
    bank.add("x", read_lora(write_lora(found.weights, {})).weights)
    plain, expected = draw(before), draw(after)
    bank.activate({"x": 1.0})
    assert (expected - plain).abs().max() > 0.1
    assert (draw(before) - expected).abs().max() < 0.02 * (expected - plain).abs().max()


def test_what_no_lora_carries_is_named_and_counted_as_lost() -> None:
    before = original()
    key = next(iter(SHAPES))
    change = low_rank(SHAPES[key], 2, 1)
    bias = random((4,), 5)
    tuned = before | {key: before[key] + change, "unet.conv_out.bias": bias}
    found = extract_lora(before, tuned, 2)
    assert found.left_out == ("unet.conv_out.bias",)
    lost, whole = bias.square().sum(), bias.square().sum() + change.square().sum()
    assert found.fidelity == pytest.approx(float(1 - lost / whole), abs=1e-5)


def test_the_least_rank_that_is_true_enough_is_taken() -> None:
    before = original()
    tuned = before | {key: before[key] + random(shape, 3) for key, shape in SHAPES.items()}
    found = extract_lora(before, tuned, 12, wanted_fidelity=0.7)
    assert 1 < found.rank < 12
    assert found.fidelity >= 0.7
    assert extract_lora(before, tuned, found.rank - 1).fidelity < 0.7
    assert extract_lora(before, tuned, 2, wanted_fidelity=0.99).rank == 2


def test_a_big_matrix_is_projected_at_random_and_is_as_good_to_a_thousandth() -> None:
    shape = (900, 800)
    spectrum = torch.exp(-torch.arange(800) / 20)
    change = torch.linalg.qr(random((900, 800), 1))[0] * spectrum @ torch.linalg.qr(random((800, 800), 2))[0]
    before = {"unet.mid_block.attentions.0.proj_in.weight": random(shape, 0)}
    tuned = {key: tensor + change for key, tensor in before.items()}
    squares = spectrum.double().square()
    found, again = extract_lora(before, tuned, 16, seed=7), extract_lora(before, tuned, 16, seed=7)
    assert found.fidelity == pytest.approx(float(squares[:16].sum() / squares.sum()), abs=1e-3)
    assert all(torch.equal(again.weights[key], tensor) for key, tensor in found.weights.items())


def test_the_random_numbers_of_others_stay_as_they_were() -> None:
    before = {"unet.mid_block.attentions.0.proj_in.weight": random((900, 800), 0)}
    tuned = {key: tensor + random((900, 800), 1) for key, tensor in before.items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    extract_lora(before, tuned, 2)
    assert torch.equal(torch.rand(1), expected)


def test_a_model_that_did_not_change_is_an_empty_lora() -> None:
    found = extract_lora(original(), original(), 4)
    assert (found.weights, found.fidelity) == ({}, 1.0)
