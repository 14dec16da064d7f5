"""Files in the original layout: what is read off their header, and that no weight is lost or made up."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.bases import FAMILIES, make_single_file, rename_parts
from tests.trainer.models.published import TOWERS, UNETS, VAE, make_parts
from trainer.adapters.checkpoint_files import write_checkpoint
from trainer.errors import MissingBases
from trainer.models.families import FAMILIES as LAYOUTS
from trainer.models.families import Family
from trainer.models.header import tell_family, text_config, unet_config, vae_config
from trainer.models.loading import load_base
from trainer.models.registry import find_bases


@pytest.mark.parametrize("family", FAMILIES)
def test_the_published_configs_are_read_off_the_shapes(family: Family) -> None:
    with torch.device("meta"):  # where the layout is joined and filled up, too
        state = rename_parts(make_parts(family), family)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert tell_family(shapes, "file") == family
    assert UNETS[family].items() <= unet_config(shapes, family).items()
    assert VAE.items() <= vae_config(shapes, family).items()
    for tower, config in zip(LAYOUTS[family].towers, TOWERS[family], strict=True):
        assert config.items() <= text_config(shapes, tower).items()


def open_changed(tiny_bases: Path, folder: Path, family: Family, change: Any) -> Any:
    """Load the file of ``family`` after ``change`` was made to its tensors."""
    tensors = load_file(tiny_bases / f"{family}-file.safetensors")
    change(tensors)
    save_file(tensors, folder / "changed.safetensors")
    shutil.copytree(tiny_bases / "tokenizer", folder / "tokenizer")
    [spec] = find_bases(folder)
    return load_base(spec)


@pytest.mark.parametrize(
    ("family", "key"),
    [
        ("sd1", "model.diffusion_model.middle_block.1.proj_in.bias"),
        ("sd1", "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.bias"),
        ("sd2", "cond_stage_model.model.ln_final.weight"),
        ("sdxl", "conditioner.embedders.1.model.transformer.resblocks.2.attn.in_proj_bias"),
        ("sdxl", "first_stage_model.decoder.conv_out.bias"),
    ],
)
def test_a_file_that_lacks_a_weight_is_refused(tiny_bases: Path, tmp_path: Path, family: Family, key: str) -> None:
    with pytest.raises(MissingBases, match=r"changed\.safetensors is not laid out like Stable Diffusion"):
        open_changed(tiny_bases, tmp_path, family, lambda tensors: tensors.pop(key))


def test_a_weight_that_nobody_would_use_is_refused(tiny_bases: Path, tmp_path: Path) -> None:
    key = "model.diffusion_model.motion.0.weight"
    with pytest.raises(MissingBases, match=r"nothing has a use for model\.diffusion_model\.motion"):
        open_changed(tiny_bases, tmp_path, "sd1", lambda tensors: tensors.update({key: torch.zeros(1)}))


def test_merged_files_that_leave_text_model_out_are_read(tiny_bases: Path, tmp_path: Path) -> None:
    def flatten(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if ".text_model." in name]:
            tensors[name.replace("text_model.", "")] = tensors.pop(name)

    flat = open_changed(tiny_bases, tmp_path, "sd1", flatten)
    usual = load_base(next(spec for spec in find_bases(tiny_bases) if spec.name == "sd1"))
    assert torch.equal(flat.encode_prompts(["thnos"]).embeddings, usual.encode_prompts(["thnos"]).embeddings)


def test_sd2_files_without_the_layer_that_is_not_used_are_read(tiny_bases: Path, tmp_path: Path) -> None:
    def cut(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if "resblocks.23." in name or name.endswith(".text_projection")]:
            del tensors[name]

    short = open_changed(tiny_bases, tmp_path, "sd2", cut)
    usual = load_base(next(spec for spec in find_bases(tiny_bases) if spec.name == "sd2"))
    assert torch.equal(short.encode_prompts(["thnos"]).embeddings, usual.encode_prompts(["thnos"]).embeddings)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
def test_files_of_any_precision_become_that_of_the_device(tiny_bases: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    make_single_file(tiny_bases / "sd1", tmp_path / "one.safetensors", "sd1", dtype)
    [spec] = find_bases(tmp_path)
    base = load_base(spec)
    dtypes = {weight.dtype for module in (*base.modules.values(), base.vae) for weight in module.parameters()}
    assert dtypes == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_that_darkroom_writes_is_a_base_that_it_reads(
    tiny_bases: Path, tmp_path: Path, family: Family
) -> None:
    usual = load_base(next(spec for spec in find_bases(tiny_bases) if spec.name == family))
    parts = {"vae": usual.vae, "unet": usual.unet, **{tower.name: tower.text_encoder for tower in usual.towers}}
    with (tmp_path / "mine.safetensors").open("wb") as out:
        write_checkpoint({name: part.state_dict() for name, part in parts.items()}, family, {}, out)
    shutil.copytree(tiny_bases / "tokenizer", tmp_path / "tokenizer")
    [spec] = find_bases(tmp_path)
    mine = load_base(spec)
    assert spec.family == family
    assert torch.equal(mine.encode_prompts(["thnos"]).embeddings, usual.encode_prompts(["thnos"]).embeddings)
    for name, module in mine.modules.items():
        state = usual.modules[name].state_dict()
        assert all(torch.equal(weight, state[key]) for key, weight in module.state_dict().items())
