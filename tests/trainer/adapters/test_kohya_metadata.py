"""What kohya's readers show of a LoRA."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from trainer.adapters.kohya_metadata import Training, describe_for_kohya, describe_model
from trainer.adapters.lora_files import write_kohya_lora
from trainer.adapters.safetensors_file import read_header

THNOS = Training("sd1", "stable-diffusion-v1-5", "thnos", "monster", 512, 768, rank=16, lora_alpha=8.0, images=6,
                 steps=600, learning_rate=1e-4)  # fmt: skip


def test_the_fields_are_those_of_sd_scripts() -> None:
    assert describe_for_kohya(THNOS) == {
        "ss_network_module": "networks.lora",
        "ss_network_dim": "16",
        "ss_network_alpha": "8.0",
        "ss_base_model_version": "sd_v1",
        "ss_sd_model_name": "stable-diffusion-v1-5",
        "ss_output_name": "thnos",
        "ss_v2": "False",
        "ss_resolution": "(512, 768)",
        "ss_num_train_images": "6",
        "ss_steps": "600",
        "ss_learning_rate": "0.0001",
        "ss_tag_frequency": json.dumps({"thnos": {"thnos monster": 6}}),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": "thnos",
        "modelspec.resolution": "512x768",
        "modelspec.prediction_type": "epsilon",
        "modelspec.trigger_phrase": "thnos",
    }


@pytest.mark.parametrize(
    ("family", "prediction_type", "version", "architecture"),
    [
        ("sd2", "epsilon", "sd_v2", "stable-diffusion-v2-512"),
        ("sd2", "v_prediction", "sd_v2_v", "stable-diffusion-v2-768-v"),
        ("sdxl", "epsilon", "sdxl_base_v1-0", "stable-diffusion-xl-v1-base"),
    ],
)
def test_each_family_is_named_as_readers_tell_it_by(family, prediction_type, version, architecture) -> None:
    training = Training(family, "b", "thnos", "monster", 512, 512, prediction_type)
    metadata = describe_for_kohya(training)
    assert metadata["ss_base_model_version"] == version
    assert metadata["ss_v2"] == str(family == "sd2")
    assert metadata["modelspec.architecture"] == f"{architecture}/lora"
    assert describe_model(training, "checkpoint")["modelspec.architecture"] == architecture
    assert "ss_steps" not in metadata


def test_dora_and_convolutions_are_told_as_lycoris_tells_them() -> None:
    metadata = describe_for_kohya(replace(THNOS, dora=True, convolutions=True))
    assert metadata["ss_network_module"] == "lycoris.kohya"
    arguments = json.loads(metadata["ss_network_args"])
    assert arguments == {"conv_dim": 16, "conv_alpha": 8.0, "dora_wd": True, "wd_on_output": True}


def test_the_hash_by_which_a1111_knows_a_file_again_is_over_its_tensors() -> None:
    name = "unet.mid_block.attentions.0.proj_in.lora_{}.weight"
    weights = {name.format("A"): torch.ones(2, 8), name.format("B"): torch.ones(8, 2)}
    files = [write_kohya_lora(weights, {"ss_steps": "1", "note": note}, sdxl=False) for note in ("a", "b")]
    for data in files:
        body = data[8 + int.from_bytes(data[:8], "little") :]
        assert read_header(data)[1]["sshs_model_hash"] == hashlib.sha256(body).hexdigest()
    assert read_header(files[0])[1]["sshs_legacy_hash"] == read_header(files[1])[1]["sshs_legacy_hash"]


def test_the_older_hash_is_of_the_64_kibibytes_behind_the_first_mebibyte() -> None:
    name = "unet.mid_block.attentions.0.proj_in.lora_{}.weight"
    rng = torch.Generator().manual_seed(0)
    weights = {
        name.format("A"): torch.randn(8, 90_000, generator=rng),
        name.format("B"): torch.randn(8, 8, generator=rng),
    }
    flat = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {f"{flat}.lora_down.weight": weights[name.format("A")].half(), f"{flat}.alpha": torch.tensor(8.0),
               f"{flat}.lora_up.weight": weights[name.format("B")].half()}  # fmt: skip
    library = save(tensors, {"format": "pt"})  # of one entry its order is no matter of chance
    found = read_header(write_kohya_lora(weights, {}, sdxl=False))[1]["sshs_legacy_hash"]
    assert found == hashlib.sha256(library[0x100000:0x110000]).hexdigest()[:8]
