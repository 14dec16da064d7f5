"""Whole models into one: as A1111 does it, to 1e-6, from single files and from folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.trainer.adapters.tiny import FAMILIES
from tests.trainer.merging import reference
from tests.trainer.merging.files import checkpoint_tensors, count_calls, load_model, save_model
from trainer.errors import UserFault
from trainer.merging import CheckpointPlan, ModelFile, merge_checkpoints

FLOAT32 = {"dtype": "float32"}
IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"
CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.allclose(found[key].double(), tensor.double(), rtol=1e-6, atol=1e-6), key


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["weighted_sum", "add_difference"])
def test_what_comes_out_is_what_a1111_makes_of_the_same_files(family: str, method: str, tmp_path: Path) -> None:
    states = [checkpoint_tensors(family, seed) for seed in range(2 if method == "weighted_sum" else 3)]
    files = [save_model(tmp_path / f"{place}.safetensors", state) for place, state in enumerate(states)]
    out = tmp_path / "out.safetensors"
    merged = merge_checkpoints(CheckpointPlan(method, 0.3, **FLOAT32), files, out)
    assert_same(load_model(out), reference.merge(method, states[0], states[1], states[-1], 0.3))
    assert (merged.kind, merged.path, merged.left_out) == ("checkpoint", out, ())
    assert merged.keys_used == len(states[0])


@pytest.mark.parametrize("method", ["weighted_sum", "add_difference"])
def test_keys_that_only_some_have_go_the_way_they_go_in_a1111(method: str, tmp_path: Path) -> None:
    a, b, c = (checkpoint_tensors("sd1", seed) for seed in range(3))
    rng = torch.Generator().manual_seed(9)
    a |= {"betas": torch.rand(4, generator=rng), "model_ema.a": torch.rand(2, generator=rng)}
    b |= {"betas": torch.rand(4, generator=rng), "model_ema.b": torch.rand(2, generator=rng)}
    c |= {"model_ema.b": torch.rand(2, generator=rng)}
    del a["cond_stage_model.transformer.text_model.final_layer_norm.bias"]
    del c["model.diffusion_model.out.2.bias"]
    a[IDS] = torch.arange(77)[None]
    b[IDS] = torch.zeros(1, 77, dtype=torch.int64)
    files = [save_model(tmp_path / f"{place}.safetensors", state) for place, state in enumerate((a, b, c))]
    files = files[: 2 if method == "weighted_sum" else 3]
    out = tmp_path / "out.safetensors"
    merge_checkpoints(CheckpointPlan(method, 0.7, dtype="float32", keep_ema=True), files, out)
    assert_same(load_model(out), reference.merge(method, a, b, c, 0.7))
    merged = merge_checkpoints(CheckpointPlan(method, 0.7, dtype="float32"), files, out)
    assert sorted(merged.left_out) == ["model_ema.a", "model_ema.b"]
    assert not set(merged.left_out) & load_model(out).keys()


def test_an_inpainting_model_as_the_first_keeps_the_channels_that_the_other_has_not(tmp_path: Path) -> None:
    a, b = checkpoint_tensors("sd1", 0), checkpoint_tensors("sd1", 1)
    width = len(a[CONV_IN])
    a[CONV_IN] = torch.randn(width, 9, 3, 3, generator=torch.Generator().manual_seed(5))
    files = [save_model(tmp_path / f"{name}.safetensors", state) for name, state in (("a", a), ("b", b))]
    out = tmp_path / "out.safetensors"
    merge_checkpoints(CheckpointPlan("weighted_sum", 0.4, **FLOAT32), files, out)
    assert_same(load_model(out), reference.merge("weighted_sum", a, b, None, 0.4))
    with pytest.raises(UserFault, match="a is an inpainting model, and has to be the first"):
        merge_checkpoints(CheckpointPlan(**FLOAT32), files[::-1], out)


def test_models_whose_clip_lacks_text_model_are_read_as_a1111_reads_them(tmp_path: Path) -> None:
    a, b = checkpoint_tensors("sd1", 0), checkpoint_tensors("sd1", 1)
    bare = {key.replace("transformer.text_model.", "transformer."): tensor for key, tensor in b.items()}
    files = [save_model(tmp_path / "a.safetensors", a), save_model(tmp_path / "b.safetensors", bare)]
    out = tmp_path / "out.safetensors"
    merge_checkpoints(CheckpointPlan("weighted_sum", 0.5, **FLOAT32), files, out)
    assert_same(load_model(out), reference.merge("weighted_sum", a, b, None, 0.5))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_and_a_single_file_of_one_base_merge_into_that_base(tiny_bases: Path, family: str, tmp_path: Path):
    folder = ModelFile(tiny_bases / family, "folder")
    file = ModelFile(tiny_bases / f"{family}-file.safetensors", "file")
    out = tmp_path / "out.safetensors"
    merge_checkpoints(CheckpointPlan("weighted_sum", 0.5, **FLOAT32), [folder, file], out)
    expected = {key: tensor.float() for key, tensor in load_model(file.path).items()}
    found = load_model(out)
    assert found.keys() == expected.keys() - {"alphas_cumprod"}  # a table that only the second has, and no reader needs
    for key in found:
        assert torch.allclose(found[key].float(), expected[key], atol=1e-2 if "logit_scale" in key else 1e-6), key


def test_the_vae_of_choice_replaces_that_of_the_first(tmp_path: Path) -> None:
    a, b, c = (checkpoint_tensors("sd1", seed) for seed in range(3))
    files = [save_model(tmp_path / f"{name}.safetensors", state) for name, state in (("a", a), ("b", b), ("c", c))]
    out = tmp_path / "out.safetensors"
    expected = reference.merge("weighted_sum", a, b, None, 0.5) | {
        key: tensor for key, tensor in c.items() if key.startswith("first_stage_model.")
    }
    merge_checkpoints(CheckpointPlan(**FLOAT32), files[:2], out, vae=files[2])
    assert_same(load_model(out), expected)
    bare = {key.removeprefix("first_stage_model."): t for key, t in c.items() if key.startswith("first_stage_model.")}
    own = save_model(tmp_path / "vae.safetensors", bare | {"loss.logvar": torch.zeros(())})
    merge_checkpoints(CheckpointPlan(**FLOAT32), files[:2], out, vae=own)
    assert_same(load_model(out), expected)
    with pytest.raises(UserFault, match="x holds no VAE"):
        merge_checkpoints(
            CheckpointPlan(), files[:2], out, vae=save_model(tmp_path / "x.safetensors", {"a": torch.ones(1)})
        )


@pytest.mark.parametrize("form", ["folder", "a folder alone", "a file in diffusers' names", "a file"])
def test_a_vae_is_taken_from_whatever_it_lies_in(tiny_bases: Path, form: str, tmp_path: Path) -> None:
    folder = tiny_bases / "sd1"
    [weights] = (folder / "vae").glob("*.safetensors")
    alone = tmp_path / "kl-f8"
    shutil.copytree(folder / "vae", alone)
    path = {
        "folder": folder,
        "a folder alone": alone,
        "a file in diffusers' names": weights,
        "a file": tiny_bases / "sd1-file.safetensors",
    }[form]
    whole = load_model(tiny_bases / "sd1-file.safetensors")
    changed = {key: tensor * 2 if tensor.is_floating_point() else tensor for key, tensor in whole.items()}
    model = save_model(tmp_path / "a.safetensors", changed)
    merge_checkpoints(
        CheckpointPlan("weighted_sum", 0.5, **FLOAT32), [model, model], tmp_path / "out.safetensors",
        vae=ModelFile(path, "vae"),
    )  # fmt: skip
    found = load_model(tmp_path / "out.safetensors")
    assert found.keys() == whole.keys()
    for key, tensor in whole.items():
        wanted = tensor if key.startswith("first_stage_model.") else changed[key]
        assert torch.allclose(found[key].float(), wanted.float(), atol=1e-6), key


def test_the_vae_of_a_family_with_other_latents_is_refused(tiny_bases: Path, tmp_path: Path) -> None:
    model = ModelFile(tiny_bases / "sd1", "sd1")
    with pytest.raises(UserFault, match="the VAE of sdxl is for latents of another kind"):
        merge_checkpoints(
            CheckpointPlan(), [model, model], tmp_path / "out", vae=ModelFile(tiny_bases / "sdxl", "sdxl")
        )


def test_slerp_keeps_the_length_between_vectors_of_one_length(tmp_path: Path) -> None:
    a, b = checkpoint_tensors("sd1", 0), checkpoint_tensors("sd1", 1)
    files = [save_model(tmp_path / f"{name}.safetensors", state) for name, state in (("a", a), ("b", b))]
    out = tmp_path / "out.safetensors"
    key = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"
    merge_checkpoints(CheckpointPlan("slerp", 0.25, **FLOAT32), files, out)
    found = load_model(out)[key].double().flatten()
    one, two = a[key].double().flatten(), b[key].double().flatten()

    def angle(x: torch.Tensor, y: torch.Tensor) -> float:
        return float(torch.arccos(x @ y / x.norm() / y.norm()))

    # random vectors of many entries are of nearly one length, and so is what lies on the arc between them
    assert float(found.norm()) == pytest.approx(float(one.norm()), rel=0.1)
    lengths = one / one.norm(), two / two.norm()
    whole = angle(one, two)
    expected = (torch.sin(torch.tensor(0.75 * whole)) * one + torch.sin(torch.tensor(0.25 * whole)) * two) / (
        torch.sin(torch.tensor(whole))
    )
    assert torch.allclose(found, expected.double(), atol=1e-5)
    assert angle(lengths[0], lengths[1]) == pytest.approx(whole)


@pytest.mark.parametrize(("method", "count"), [("weighted_sum", 3), ("add_difference", 2), ("slerp", 1)])
def test_a_method_says_how_many_models_it_takes(method: str, count: int, tmp_path: Path) -> None:
    files = [save_model(tmp_path / f"{place}.safetensors", checkpoint_tensors("sd1", place)) for place in range(count)]
    with pytest.raises(UserFault, match=f"{count} models were given"):
        merge_checkpoints(CheckpointPlan(method), files, tmp_path / "out.safetensors")


def test_models_of_two_families_are_refused_by_name(tmp_path: Path) -> None:
    files = [save_model(tmp_path / f"{name}.safetensors", checkpoint_tensors(name)) for name in ("sd1", "sdxl")]
    with pytest.raises(UserFault, match=r"sdxl is Stable Diffusion XL and sd1 is Stable Diffusion 1\.x"):
        merge_checkpoints(CheckpointPlan(), files, tmp_path / "out.safetensors")


def test_what_predicts_v_is_not_mixed_with_what_predicts_noise(tmp_path: Path) -> None:
    a, b = checkpoint_tensors("sdxl", 0), checkpoint_tensors("sdxl", 1) | {"v_pred": torch.zeros(0)}
    files = [save_model(tmp_path / f"{name}.safetensors", state) for name, state in (("a", a), ("b", b))]
    with pytest.raises(UserFault, match="b predicts v and a noise"):
        merge_checkpoints(CheckpointPlan(), files, tmp_path / "out.safetensors")
    one = save_model(tmp_path / "two.safetensors", checkpoint_tensors("sd2"))
    known = [ModelFile(one.path, "768-v", "v_prediction"), ModelFile(one.path, "512-base", "epsilon")]
    with pytest.raises(UserFault, match="768-v predicts v and 512-base noise"):
        merge_checkpoints(CheckpointPlan(), known, tmp_path / "out.safetensors")
    merge_checkpoints(CheckpointPlan(), [known[0], one], tmp_path / "out.safetensors")


def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    good = save_model(tmp_path / "good.safetensors", checkpoint_tensors("sd1"))
    (tmp_path / "bad.safetensors").write_bytes(b"PK\x03\x04 not a model at all")
    small = save_model(tmp_path / "small.safetensors", {"a": torch.ones(2)})
    for bad in (ModelFile(tmp_path / "bad.safetensors", "bad"), ModelFile(tmp_path / "none", "none"), small):
        with pytest.raises(UserFault, match=bad.name):
            merge_checkpoints(CheckpointPlan(), [good, bad], tmp_path / "out.safetensors")
    assert not list(tmp_path.glob("out*"))


def test_whoever_watches_may_end_it_and_nothing_is_left(tmp_path: Path) -> None:
    files = [save_model(tmp_path / f"{place}.safetensors", checkpoint_tensors("sd1", place)) for place in range(2)]
    out = tmp_path / "out.safetensors"

    class Enough(Exception):
        pass

    def stop(done: int, of: int) -> None:
        if done == 10:
            raise Enough

    with pytest.raises(Enough):
        merge_checkpoints(CheckpointPlan(), files, out, stop)
    assert not list(tmp_path.glob("out*"))
    calls, watch = count_calls()
    merge_checkpoints(CheckpointPlan(), files, out, watch)
    total = len(load_model(out))
    assert calls == [(done, total) for done in range(total + 1)]


def test_a_value_that_float16_can_not_hold_is_refused_with_the_way_out(tmp_path: Path) -> None:
    a = checkpoint_tensors("sd1")
    a["model.diffusion_model.out.2.bias"].fill_(1e5)
    file = save_model(tmp_path / "a.safetensors", a)
    with pytest.raises(UserFault, match=r"out\.2\.bias' has values that float16 can't hold; take bfloat16"):
        merge_checkpoints(CheckpointPlan(), [file, file], tmp_path / "out.safetensors")
    merge_checkpoints(CheckpointPlan(dtype="bfloat16"), [file, file], tmp_path / "out.safetensors")
    assert load_model(tmp_path / "out.safetensors")["model.diffusion_model.out.2.bias"].dtype == torch.bfloat16


def test_the_same_merge_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [save_model(tmp_path / f"{place}.safetensors", checkpoint_tensors("sd1", place)) for place in range(2)]
    plan = CheckpointPlan(metadata={"modelspec.title": "ab", "ss_training_comment": "/home/ada"})
    outs = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for out in outs:
        merge_checkpoints(plan, files, out)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert b"modelspec.title" in outs[0].read_bytes()[:2000]
    assert b"/home/ada" not in outs[0].read_bytes()
