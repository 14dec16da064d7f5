"""An adapter out of two checkpoints, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.adapters.tiny import FAMILIES, random_lora
from tests.trainer.merging.files import checkpoint_tensors, count_calls, save_model
from tests.trainer.merging.test_baking import save, shapes
from trainer.adapters.files import read_lora
from trainer.errors import UserFault
from trainer.merging import BakePlan, ExtractionPlan, ModelFile, bake, extract
from trainer.models.loading import load_base
from trainer.models.registry import EMBEDDED_FOLDER, find_bases, read_base

TO_Q = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"


@pytest.mark.parametrize("family", [*FAMILIES, "emoji-64"])
def test_what_was_baked_in_is_found_again(tiny_bases: Path, family: str, tmp_path: Path) -> None:
    spec = (
        read_base(EMBEDDED_FOLDER, embedded=True)
        if family == "emoji-64"
        else next(spec for spec in find_bases(tiny_bases) if spec.name == family)
    )
    weights = random_lora(shapes(load_base(spec)), 3, 1)
    adapter = save(tmp_path / "a.safetensors", weights)
    original, tuned = ModelFile(spec.folder, "base"), ModelFile(tmp_path / "tuned.safetensors", "tuned")
    bake(BakePlan("float32"), original, [adapter], tuned.path)
    calls, watch = count_calls()
    merged = extract(ExtractionPlan(3, dtype="float32"), original, tuned, tmp_path / "lora.safetensors", watch)
    assert merged.fidelity == pytest.approx(1, abs=1e-5)
    assert merged.left_out == ()
    assert calls[-1][0] == calls[-1][1]
    found = read_lora(merged.path.read_bytes()).weights
    assert found.keys() == weights.keys()
    for key in (key for key in weights if key.endswith("lora_A.weight")):
        up = key.replace("lora_A", "lora_B")
        one, other = (each[up].flatten(1) @ each[key].flatten(1) for each in (found, weights))
        assert torch.allclose(one, other, atol=1e-4), key


def test_the_text_encoders_are_an_option_and_what_no_lora_carries_is_named(tmp_path: Path) -> None:
    a = checkpoint_tensors("sd1")
    b = dict(a)
    rng = torch.Generator().manual_seed(1)
    text = "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight"
    others = ("first_stage_model.decoder.conv_in.weight", "model.diffusion_model.out.2.bias")
    for key in (TO_Q, text, *others):
        b[key] = a[key] + torch.randn(a[key].shape, generator=rng)
    files = [save_model(tmp_path / f"{name}.safetensors", state) for name, state in (("a", a), ("b", b))]
    out = tmp_path / "out.safetensors"
    modules = {"unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"}
    for with_text, expected in ((False, modules), (True, modules | {"text_encoder.encoder.layers.0.self_attn.q_proj"})):
        merged = extract(ExtractionPlan(2, text_encoders=with_text), *files, out)
        found = read_lora(out.read_bytes()).weights
        assert {key.rpartition(".lora_")[0] for key in found} == expected
        assert merged.left_out == ("model.diffusion_model.out.2.bias",)
        assert 0 < merged.fidelity < 1
        assert merged.error == pytest.approx((1 - merged.fidelity) ** 0.5)
        assert "rank 2" in merged.sentences[0]
        assert merged.sentences[1].startswith("1 tensors that changed")


def test_the_rank_is_the_least_that_is_true_enough(tmp_path: Path) -> None:
    a = checkpoint_tensors("sd1")
    change = torch.randn(a[TO_Q].shape, generator=torch.Generator().manual_seed(1))
    states = {"a": a, "b": a | {TO_Q: a[TO_Q] + change}}
    files = [save_model(tmp_path / f"{name}.safetensors", state) for name, state in states.items()]
    merged = extract(ExtractionPlan(32, wanted_fidelity=0.6), *files, tmp_path / "out.safetensors")
    assert 1 < merged.rank < 32
    assert merged.fidelity >= 0.6


def test_two_that_do_not_differ_or_are_not_alike_are_refused(tmp_path: Path) -> None:
    a = checkpoint_tensors("sd1")
    file, out = save_model(tmp_path / "a.safetensors", a), tmp_path / "out.safetensors"
    with pytest.raises(UserFault, match="a has nothing over a"):
        extract(ExtractionPlan(), file, file, out)
    other = save_model(tmp_path / "b.safetensors", a | {TO_Q: torch.ones(3, 3)})
    with pytest.raises(UserFault, match="a and b differ in the shape of"):
        extract(ExtractionPlan(), file, other, out)
    with pytest.raises(UserFault, match="rank 0"):
        extract(ExtractionPlan(0), file, file, out)
    with pytest.raises(UserFault, match="take kohya's form"):
        extract(ExtractionPlan(dtype="float8_e4m3fn"), file, file, out)
    assert not out.exists()
