"""Whole checkpoints in the original layout: every key of it, and every value found again by diffusers' own reader."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import load
from transformers import CLIPTokenizer

from tests.trainer.adapters.layouts import checkpoint_keys, clip_keys
from tests.trainer.adapters.tiny import FAMILIES, make_parts
from trainer.adapters.checkpoint_files import folder_layout, original_layout, write_checkpoint
from trainer.adapters.safetensors_file import tensor_bytes
from trainer.errors import UserFault
from trainer.models.registry import EMBEDDED_FOLDER

SECOND = "conditioner.embedders.1.model."


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def parts(family: str) -> dict[str, torch.nn.Module]:
    return make_parts(family)


def states(parts: dict[str, torch.nn.Module]) -> dict[str, dict[str, torch.Tensor]]:
    return {name: part.state_dict() for name, part in parts.items()}


def assert_same(found: dict[str, torch.Tensor], part: torch.nn.Module) -> None:
    expected = part.state_dict()
    if "embeddings.token_embedding.weight" in expected:  # transformers ≥ 5.6
        found = {key.removeprefix("text_model."): tensor for key, tensor in found.items()}
    found.pop("embeddings.position_ids", None)
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key


def test_the_keys_are_those_of_the_public_configurations(family: str, parts: dict[str, torch.nn.Module]) -> None:
    assert original_layout(states(parts), family).keys() == checkpoint_keys(family)


def test_diffusers_finds_every_value_again(family: str, parts: dict[str, torch.nn.Module]) -> None:
    out = io.BytesIO()
    write_checkpoint(states(parts), family, {"modelspec.title": "thnos"}, out, half=False)
    file = load(out.getvalue())
    assert_same(convert_ldm_unet_checkpoint(dict(file), dict(parts["unet"].config)), parts["unet"])
    assert_same(convert_ldm_vae_checkpoint(dict(file), dict(parts["vae"].config)), parts["vae"])
    if family == "sd2":
        assert_same(convert_open_clip_checkpoint(parts["text_encoder"], dict(file)), parts["text_encoder"])
        return
    assert_same(convert_ldm_clip_checkpoint(dict(file)), parts["text_encoder"])
    if family == "sdxl":
        found = convert_open_clip_checkpoint(parts["text_encoder_2"], dict(file), prefix=SECOND)
        assert_same(found, parts["text_encoder_2"])


def save_folder(family: str, parts: dict[str, torch.nn.Module], folder: Path) -> type[DiffusionPipeline]:
    """A whole pipeline as diffusers saves it, for its configurations; its class."""
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    scheduler = DDIMScheduler(steps_offset=1, clip_sample=False)
    if family == "sdxl":
        pipeline = StableDiffusionXLPipeline(**parts, tokenizer=tokenizer, tokenizer_2=tokenizer, scheduler=scheduler)
    else:
        pipeline = StableDiffusionPipeline(
            **parts, tokenizer=tokenizer, scheduler=scheduler, safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip
    pipeline.save_pretrained(folder)
    return type(pipeline)


def assert_same_parts(pipeline: DiffusionPipeline, parts: dict[str, torch.nn.Module]) -> None:
    for name, part in parts.items():
        assert_same(getattr(pipeline, name).state_dict(), part)


def test_diffusers_loads_the_file_as_a_pipeline(family: str, parts: dict[str, torch.nn.Module], tmp_path: Path) -> None:
    kind = save_folder(family, parts, tmp_path / "folder")
    with (tmp_path / "one.safetensors").open("wb") as out:
        write_checkpoint(states(parts), family, {}, out, half=False)
    loaded = kind.from_single_file(
        str(tmp_path / "one.safetensors"), config=str(tmp_path / "folder"), local_files_only=True
    )
    assert_same_parts(loaded, parts)


def test_a_folder_has_the_keys_that_others_read_and_loads(
    family: str, parts: dict[str, torch.nn.Module], tmp_path: Path
) -> None:
    kind = save_folder(family, parts, tmp_path)
    files = folder_layout(states(parts))
    for name, tensors in files.items():
        assert (tmp_path / name).exists()
        (tmp_path / name).write_bytes(tensor_bytes(tensors, {}))
    assert clip_keys() - {"text_model.embeddings.position_ids"} <= files["text_encoder/model.safetensors"].keys()
    assert_same_parts(kind.from_pretrained(tmp_path, local_files_only=True), parts)


def test_in_half_precision_it_takes_half_the_room(family: str, parts: dict[str, torch.nn.Module]) -> None:
    whole, half = io.BytesIO(), io.BytesIO()
    write_checkpoint(states(parts), family, {}, whole, half=False)
    write_checkpoint(states(parts), family, {}, half)
    bodies = [len(data) - int.from_bytes(data[:8], "little") for data in (whole.getvalue(), half.getvalue())]
    assert bodies[1] == pytest.approx(bodies[0] / 2, rel=0.01)
    dtypes = {tensor.dtype for key, tensor in load(half.getvalue()).items() if not key.endswith("position_ids")}
    assert dtypes == {torch.float16}


def test_what_sd2_lost_in_diffusers_is_stood_in_for_by_the_layer_before() -> None:
    layout = original_layout(states(make_parts("sd2")), "sd2")
    block = "cond_stage_model.model.transformer.resblocks.{}.attn.in_proj_weight"
    assert torch.equal(layout[block.format(23)], layout[block.format(22)])
    assert not torch.equal(layout[block.format(22)], layout[block.format(21)])


def test_an_sdxl_of_v_prediction_says_so() -> None:
    out = io.BytesIO()
    write_checkpoint(states(make_parts("sdxl")), "sdxl", {}, out, v_prediction=True)
    assert load(out.getvalue()).keys() == checkpoint_keys("sdxl") | {"v_pred"}


def test_a_model_that_the_original_never_was_is_refused_with_the_way_out() -> None:
    parts = states(make_parts("sd1"))
    parts["vae"] = {"encoder.layers.0.weight": torch.ones(1)}  # an AutoencoderTiny's
    with pytest.raises(UserFault, match=r"the VAE of this base has 'encoder\.layers\.0\.weight'.*take the LoRA"):
        original_layout(parts, "sd1")
