"""Which bases an operator's folder holds, what is said of what can't be used, and what is left to the family."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.bases import FAMILIES, make_base
from trainer.backend import TorchBackend
from trainer.errors import MissingBases
from trainer.models import hashes
from trainer.models.loading import load_base
from trainer.models.registry import EMBEDDED_FOLDER, BaseSpec, find_bases, look_for_bases, read_base
from trainer.training.recipes import Steps

SD1_UNET = "model.diffusion_model.input_blocks.0.0.weight"


def bases(folder: Path) -> dict[str, BaseSpec]:
    return {spec.name: spec for spec in find_bases(folder)}


def refusal(folder: Path, file: str, tensors: dict[str, torch.Tensor]) -> str:
    """What is said of a file with these tensors."""
    save_file(tensors, folder / file)
    with pytest.raises(MissingBases) as refused:
        find_bases(folder)
    return str(refused.value)


def test_folders_and_files_are_found_with_their_families(tiny_bases: Path) -> None:
    found = bases(tiny_bases)
    assert {name: spec.family for name, spec in found.items()} == {
        f"{family}{form}": family for family in FAMILIES for form in ("", "-file")
    }
    assert found["sd1"].defaults.width == 64  # as darkroom.json says, and sd1-file.json
    assert found["sd1-file"].defaults.width == 64


def test_what_the_operator_leaves_open_is_as_the_family_has_it(tiny_bases: Path, tmp_path: Path) -> None:
    for family in FAMILIES:
        shutil.copy(tiny_bases / f"{family}-file.safetensors", tmp_path / f"{family}.safetensors")
    shutil.copytree(tiny_bases / "tokenizer", tmp_path / "tokenizer")
    (tmp_path / "sdxl.json").write_text('{"num_inference_steps": 12}')
    found = bases(tmp_path)
    sizes = {name: (spec.defaults.width, spec.defaults.guidance_scale) for name, spec in found.items()}
    assert sizes == {"sd1": (512, 7.0), "sd2": (768, 7.0), "sdxl": (1024, 5.0)}
    assert found["sdxl"].defaults.num_inference_steps == 12
    assert {spec.defaults.sampler for spec in found.values()} == {"DPM++ 2M"}
    assert read_base(EMBEDDED_FOLDER, embedded=True).defaults.sampler == "DDIM"
    assert found["sdxl"].defaults.recipe.steps == Steps(150, 1000, 2000)
    assert [spec.defaults.prediction_type for spec in found.values()] == ["epsilon", "v_prediction", "epsilon"]


def test_a_recipe_may_be_told_in_part(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sdxl", tmp_path / "sdxl")
    (tmp_path / "sdxl" / "darkroom.json").write_text('{"recipe": {"rank": 8}}')
    [spec] = find_bases(tmp_path)
    assert (spec.defaults.recipe.rank, spec.defaults.recipe.steps.least) == (8, 1000)


def test_sd2_without_v_prediction_is_said_beside_the_file(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_bases / "sd2-file.safetensors", tmp_path / "base.safetensors")
    shutil.copytree(tiny_bases / "tokenizer", tmp_path / "tokenizer")
    (tmp_path / "base.json").write_text('{"prediction_type": "epsilon"}')
    [spec] = find_bases(tmp_path)
    assert (spec.defaults.width, load_base(spec).make_scheduler().config.prediction_type) == (512, "epsilon")


def test_sdxl_files_that_are_marked_for_v_prediction_are_believed(tiny_bases: Path, tmp_path: Path) -> None:
    tensors = load_file(tiny_bases / "sdxl-file.safetensors")
    save_file(tensors | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, tmp_path / "noob.safetensors")
    shutil.copytree(tiny_bases / "tokenizer", tmp_path / "tokenizer")
    [spec] = find_bases(tmp_path)
    config = load_base(spec).make_scheduler().config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)
    assert config.timestep_spacing == "trailing"


def test_the_hash_of_a_file_is_that_of_a1111(tiny_bases: Path) -> None:
    found = bases(tiny_bases)
    digest = hashlib.sha256((tiny_bases / "sd1-file.safetensors").read_bytes()).hexdigest()
    assert found["sd1-file"].hash == digest[:10]
    assert len(found["sd1"].hash) == 10


def test_hashes_that_were_written_down_are_not_made_again(
    tiny_bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "data" / "base-hashes.json"
    first = TorchBackend(tiny_bases, "cpu", hashes=book).start()
    monkeypatch.setattr(hashes, "_known", {})  # another process
    monkeypatch.setattr(hashlib, "sha256", None)
    second = TorchBackend(tiny_bases, "cpu", hashes=book).start()
    assert [base.hash for base in second.bases] == [base.hash for base in first.bases]


def test_a_book_of_hashes_that_is_torn_is_made_anew(tiny_bases: Path, tmp_path: Path) -> None:
    book = tmp_path / "base-hashes.json"
    book.write_text('{"')
    TorchBackend(tiny_bases, "cpu", hashes=book).start()
    assert len(json.loads(book.read_text())) >= 6


def test_a_file_that_changed_has_another_hash(tiny_bases: Path, tmp_path: Path) -> None:
    file = tmp_path / "changes.safetensors"
    shutil.copytree(tiny_bases / "tokenizer", tmp_path / "tokenizer")
    shutil.copy(tiny_bases / "sd1-file.safetensors", file)
    [spec] = find_bases(tmp_path)
    before = spec.hash
    shutil.copy(tiny_bases / "sd2-file.safetensors", file)
    assert spec.hash != before


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({"model.diffusion_model.joint_blocks.0.x.weight": (1,)}, "Stable Diffusion 3"),
        ({"double_blocks.0.img_attn.qkv.weight": (1,)}, "Flux"),
        ({SD1_UNET: (8, 4, 3, 3), "conditioner.embedders.0.model.ln_final.weight": (1,)}, "refiner"),
        ({SD1_UNET: (8, 9, 3, 3)}, "inpainting"),
        ({SD1_UNET: (8, 8, 3, 3)}, "InstructPix2Pix"),
        ({SD1_UNET: (8, 4, 3, 3), "control_model.x": (1,)}, "ControlNet"),
        ({SD1_UNET: (8, 4, 3, 3), "edm_mean": (4,)}, "Playground"),
        ({SD1_UNET: (8, 4, 3, 3)}, "without its VAE"),
        ({SD1_UNET: (8, 4, 3, 3), "first_stage_model.x": (1,)}, "text encoder"),
        ({"lora_unet_mid_block.lora_up.weight": (1, 1)}, "LoRA"),
        ({"down_blocks.0.resnets.0.conv1.weight": (1,)}, "one part of a model"),
        ({"something": (1,)}, "no Stable Diffusion model"),
    ],
)
def test_another_kind_of_file_is_refused_by_its_name(tmp_path: Path, tensors: dict, what: str) -> None:
    said = refusal(tmp_path, "other.safetensors", {name: torch.zeros(shape) for name, shape in tensors.items()})
    assert what in said
    assert "other.safetensors" in said
    assert "put a Stable Diffusion" in said


def test_what_cant_be_used_stands_beside_what_can(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sd1", tmp_path / "sd1")
    (tmp_path / "old.ckpt").write_bytes(b"\x80\x02.")
    (tmp_path / "torn.safetensors").write_bytes(b"\x00" * 7)
    (tmp_path / "notes.txt").write_text("mine")
    found = look_for_bases(tmp_path)
    assert [spec.name for spec in found.bases] == ["sd1"]
    assert [sentence.split(" ")[0] for sentence in found.refused] == ["old.ckpt", "torn.safetensors"]
    assert "safetensors" in found.refused[0]


def test_a_pickle_alone_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(MissingBases, match=r"model\.ckpt is a pickle.*convert it"):
        find_bases(tmp_path)


def test_a_folder_with_pickled_weights_is_refused(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sd1", tmp_path / "sd1")
    (tmp_path / "sd1" / "vae" / "diffusion_pytorch_model.safetensors").rename(
        tmp_path / "sd1" / "vae" / "diffusion_pytorch_model.bin"
    )
    with pytest.raises(MissingBases, match=r"sd1 has no \.safetensors weights in vae/, only pickles"):
        find_bases(tmp_path)


def test_a_folder_with_what_git_lfs_leaves_is_refused(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sd1", tmp_path / "cloned")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:30ebc7\nsize 3438167534\n"
    (tmp_path / "cloned" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(pointer)
    with pytest.raises(MissingBases, match=r"cloned: diffusion_pytorch_model\.safetensors is no whole .*fetch it"):
        find_bases(tmp_path)


def test_a_folder_for_another_pipeline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flux").mkdir()
    (tmp_path / "flux" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(MissingBases, match="flux is a model for FluxPipeline"):
        find_bases(tmp_path)


def test_an_inpainting_folder_is_refused(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sd1", tmp_path / "paint")
    config = tmp_path / "paint" / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 9}))
    with pytest.raises(MissingBases, match="paint is an inpainting model"):
        find_bases(tmp_path)


def test_an_index_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model_index.json").write_text("{")
    with pytest.raises(MissingBases, match=r"model_index\.json can't be read"):
        find_bases(tmp_path)


def test_a_misspelt_default_is_refused(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sd1", tmp_path / "sd1")
    (tmp_path / "sd1" / "darkroom.json").write_text('{"widht": 64}')
    with pytest.raises(MissingBases, match=r"darkroom\.json can't be read.*widht"):
        find_bases(tmp_path)


def test_a_sampler_that_does_not_exist_is_answered_with_the_nearest(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sd1", tmp_path / "sd1")
    (tmp_path / "sd1" / "darkroom.json").write_text('{"sampler": "Eular"}')
    with pytest.raises(MissingBases, match=r"there is no sampler called Eular; the nearest are Euler"):
        find_bases(tmp_path)


def test_two_bases_of_one_name_are_told(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bases / "sd1", tmp_path / "same")
    shutil.copy(tiny_bases / "sd1-file.safetensors", tmp_path / "same.safetensors")
    shutil.copytree(tiny_bases / "tokenizer", tmp_path / "tokenizer")
    with pytest.raises(MissingBases, match="two base models called same"):
        find_bases(tmp_path)


def test_a_vocabulary_of_its_own_needs_its_tokenizer(tiny_bases: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_bases / "sd1-file.safetensors", tmp_path)
    with pytest.raises(MissingBases, match=r"vocabulary of its own; put its tokenizer's vocab\.json"):
        find_bases(tmp_path)


def test_a_folder_in_float16_alone_is_loaded(tmp_path: Path) -> None:
    make_base(tmp_path / "half", "sd1", variant="fp16")
    [spec] = find_bases(tmp_path)
    assert load_base(spec).unet.dtype == torch.float32


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ("unet", "mid_block.attentions.0.proj_in.weight"),
        ("vae", "decoder.conv_out.bias"),
        ("text_encoder", "text_model.encoder.layers.1.mlp.fc1.bias"),
        ("text_encoder_2", "text_projection.weight"),
    ],
)
def test_a_folder_that_lacks_a_weight_is_refused_when_it_is_loaded(
    tiny_bases: Path, tmp_path: Path, part: str, key: str
) -> None:
    shutil.copytree(tiny_bases / "sdxl", tmp_path / "torn")
    [file] = (tmp_path / "torn" / part).glob("*.safetensors")
    tensors = load_file(file)
    del tensors[key]
    save_file(tensors, file, {"format": "pt"})
    [spec] = find_bases(tmp_path)
    with pytest.raises(MissingBases, match=rf"torn lacks weights of its {part}, such as .*{key[-12:]}; fetch"):
        load_base(spec)
