"""Settings as each program writes them, under A1111's names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.describing.programs import read_settings
from tests.bot.describing.files import A1111, TEXT_TO_IMAGE, found
from tests.bot.describing.strategies import JSON
from trainer.contract.infotext import Infotext, read, write


def test_a1111_and_ours() -> None:
    for name in ("parameters", "UserComment"):
        assert read_settings({name: A1111}) == read(A1111)
    ours = write("a fox", "", {"Steps": 2, "CFG scale": 3.0, "Seed": 1, "Version": "Darkroom 0.1.0"})
    assert found(parameters=ours).source == "Darkroom"
    assert read_settings({"parameters": "a prompt alone"}) == Infotext("a prompt alone")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Comment": "Created with GIMP"},
        {"ImageDescription": "Exposure: 1, Aperture: 2, Speed: 3", "Software": "Camera 1.0"},
        {"parameters": '{"text": "a: b", "list": "aa: 1, bb: 2, cc: 3"}'},
        {"prompt": "[]", "workflow": "7", "Comment": '{"text": "Steps: 1, bb: 2, cc: 3"}'},
    ],
)
def test_other_texts_are_no_settings(fields: dict[str, str]) -> None:
    assert read_settings(fields) is None


# -- ComfyUI ----------------------------------------------------------------------------------------------------------


def test_civitais_generator_keeps_what_was_asked_for_beside_the_graph() -> None:
    asked = {"prompt": "a fox", "negativePrompt": "rain", "steps": 25, "cfgScale": 4.5, "sampler": "Euler a",
             "seed": 3, "width": 832, "height": 1216, "clipSkip": 2, "workflowId": "txt2img",
             "resources": [{"modelVersionId": 128713, "strength": 1}]}  # fmt: skip
    picture = found(UserComment=json.dumps({**TEXT_TO_IMAGE, "extraMetadata": json.dumps(asked)}))
    assert (picture.source, picture.prompt, picture.negative_prompt) == ("Civitai", "a fox", "rain")
    assert picture.settings == {
        "Steps": "25", "Sampler": "Euler a", "CFG scale": "4.5", "Seed": "3", "Size": "832x1216", "Clip skip": "2",
        "Civitai resources": '[{"modelVersionId": 128713, "strength": 1}]', "workflowId": "txt2img",
    }  # fmt: skip


# -- others -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "lora"),
    [
        ({"model": {"model_name": "dream", "base_model": "sd-1"}}, {"lora": {"model_name": "thnos"}}),
        ({"model": {"name": "dream", "hash": "blake3:0123", "type": "main"}}, {"model": {"name": "thnos"}}),
    ],
    ids=["version 3", "version 4"],
)
def test_invokeai(model: dict[str, Any], lora: dict[str, Any]) -> None:
    metadata = {"generation_mode": "txt2img", "positive_prompt": "a fox", "negative_prompt": "rain", "width": 512,
                "height": 768, "seed": 4, "cfg_scale": 7.5, "steps": 30, "scheduler": "euler_a", "clip_skip": 0,
                "loras": [{**lora, "weight": 0.75}], "app_version": "4.2.0", **model}  # fmt: skip
    picture = found(invokeai_metadata=json.dumps(metadata))
    assert (picture.source, picture.prompt, picture.negative_prompt) == ("InvokeAI", "a fox <lora:thnos:0.75>", "rain")
    assert picture.settings.items() >= {
        "Steps": "30", "Sampler": "Euler a", "CFG scale": "7.5", "Seed": "4", "Size": "512x768", "Model": "dream",
        "Version": "4.2.0", "generation_mode": "txt2img",
    }.items()  # fmt: skip


@pytest.mark.parametrize("prompt", ["a fox [rain]", [{"prompt": "a fox [rain]", "weight": 1}]])
def test_invokeais_second_version(prompt: object) -> None:
    image = {"prompt": prompt, "steps": 50, "cfg_scale": 7.5, "height": 512, "width": 640, "seed": 9,
             "sampler": "k_lms", "type": "txt2img"}  # fmt: skip
    metadata = {"model": "stable diffusion", "model_weights": "sd-1.5", "model_hash": "ab", "app_version": "2.3.0",
                "app_id": "invoke-ai/InvokeAI", "image": image}  # fmt: skip
    picture = found(sd__metadata=json.dumps(metadata), Dream='"x" -s 1')
    assert (picture.prompt, picture.negative_prompt) == ("a fox", "rain")
    assert picture.settings == {
        "Steps": "50", "Sampler": "LMS", "CFG scale": "7.5", "Seed": "9", "Size": "640x512", "Model hash": "ab",
        "Model": "sd-1.5", "Version": "2.3.0", "type": "txt2img",
    }  # fmt: skip


def test_invokeais_first_version() -> None:
    picture = found(Dream='"a "red" fox [rain, fog]" -s 50 -S 42 -W 512 -H 640 -C 7.5 -A k_lms -f 0.6')
    assert (picture.prompt, picture.negative_prompt) == ('a "red" fox', "rain, fog")
    assert picture.settings == {
        "Steps": "50", "Sampler": "LMS", "CFG scale": "7.5", "Seed": "42", "Size": "512x640",
        "Denoising strength": "0.6",
    }  # fmt: skip


def test_swarmui() -> None:
    values = {"prompt": "a fox", "negativeprompt": "rain", "model": "SDXL/dream_xl", "seed": 1, "steps": 20,
              "cfgscale": 7.0, "width": 1024, "height": 768, "sampler": "dpmpp_2m", "scheduler": "karras",
              "loras": ["thnos", "ink"], "loraweights": ["0.8", "1"], "clipstopatlayer": -2,
              "variationseed": 5, "variationseedstrength": 0.2, "swarm_version": "0.9.6.2"}  # fmt: skip
    text = json.dumps({"sui_image_params": values, "sui_extra_data": {"date": "2025-01-01"}})
    for name in ("parameters", "UserComment"):
        picture = found(**{name: text})
        assert (picture.source, picture.prompt) == ("SwarmUI", "a fox <lora:thnos:0.8> <lora:ink:1>")
        assert picture.settings == {
            "Steps": "20", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "7", "Seed": "1",
            "Size": "1024x768", "Model": "dream_xl", "Variation seed": "5", "Variation seed strength": "0.2",
            "Clip skip": "2", "Version": "0.9.6.2",
        }  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "a fox", "negative_prompt": "rain", "performance": "Speed", "steps": 30, "guidance_scale": 4.0,
         "resolution": "(1152, 896)", "base_model": "dream", "base_model_hash": "ab", "sampler": "dpmpp_2m_sde_gpu",
         "scheduler": "karras", "seed": "7", "loras": [["thnos", 0.8, "cd"]], "metadata_scheme": "fooocus",
         "version": "Fooocus v2.5.5"},
        {"Prompt": "a fox", "Negative Prompt": "rain", "Performance": "Speed", "Steps": 30, "Guidance Scale": 4.0,
         "Resolution": "(1152, 896)", "Base Model": "dream.safetensors", "Sampler": "dpmpp_2m_sde_gpu",
         "Scheduler": "karras", "Seed": 7, "LoRA 1": "thnos.safetensors : 0.8"},
    ],
    ids=["2.2", "2.1"],
)  # fmt: skip
def test_fooocus(values: dict[str, Any]) -> None:
    picture = found(parameters=json.dumps(values))
    assert (picture.source, picture.prompt, picture.negative_prompt) == ("Fooocus", "a fox <lora:thnos:0.8>", "rain")
    assert picture.settings.items() >= {
        "Steps": "30", "Sampler": "DPM++ 2M SDE", "Schedule type": "Karras", "CFG scale": "4", "Seed": "7",
        "Size": "1152x896", "Model": "dream", "performance": "Speed",
    }.items()  # fmt: skip


def test_novelai() -> None:
    comment = {"prompt": "a fox", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "seed": 8, "uc": "rain",
               "sampler": "k_euler_ancestral", "noise_schedule": "karras", "signed_hash": "x", "sm": False}  # fmt: skip
    picture = found(Software="NovelAI", Source="NovelAI Diffusion V3", Description="a fox", Comment=json.dumps(comment))
    assert (picture.source, picture.prompt, picture.negative_prompt) == ("NovelAI", "a fox", "rain")
    assert picture.settings == {
        "Steps": "28", "Sampler": "Euler a", "Schedule type": "Karras", "CFG scale": "5", "Seed": "8",
        "Size": "832x1216", "Model": "NovelAI Diffusion V3", "sm": "false",
    }  # fmt: skip


EASY = {"prompt": "a fox", "negative_prompt": "rain", "seed": "5", "num_inference_steps": "25",
        "guidance_scale": "7.5", "sampler_name": "euler_a", "width": "512", "height": "640", "clip_skip": "False",
        "use_stable_diffusion_model": "C:\\models\\dream.ckpt", "use_vae_model": "None", "use_lora_model": "thnos",
        "lora_alpha": "0.5"}  # fmt: skip


def test_easy_diffusion() -> None:
    for picture in (found(**EASY), found(UserComment=json.dumps(EASY))):
        assert (picture.source, picture.prompt) == ("Easy Diffusion", "a fox <lora:thnos:0.5>")
        assert picture.negative_prompt == "rain"
        assert picture.settings == {
            "Steps": "25", "Sampler": "Euler a", "CFG scale": "7.5", "Seed": "5", "Size": "512x640", "Model": "dream",
            "Clip skip": "False",
        }  # fmt: skip


def test_draw_things() -> None:
    values = {"c": "a fox", "uc": "rain", "steps": 20, "sampler": "DPM++ 2M Karras", "scale": 7, "seed": 3,
              "size": "512x640", "model": "dream_f16.ckpt", "strength": 1,
              "lora": [{"model": "thnos.ckpt", "weight": 0.5}]}  # fmt: skip
    picture = found(UserComment=json.dumps(values))
    assert (picture.source, picture.prompt) == ("Draw Things", "a fox <lora:thnos:0.5>")
    assert picture.settings["Size"] == "512x640"


# -- strangers --------------------------------------------------------------------------------------------------------


NAMES = ["parameters", "prompt", "workflow", "Comment", "UserComment", "invokeai_metadata", "sd-metadata", "Dream",
         "Software", "Description", "use_stable_diffusion_model", "num_inference_steps", "width"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.one_of(JSON.map(json.dumps), st.text(), st.just("NovelAI"))))
def test_no_fields_raise(fields: dict[str, str]) -> None:
    picture = read_settings(fields)
    if picture is not None:
        assert read(picture.text).text.encode()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"1":' * 50_000, f'{{"1": {"9" * 10_000}}}'])
def test_json_that_no_program_writes(text: str) -> None:
    for name in ("prompt", "workflow", "UserComment", "invokeai_metadata"):
        assert read_settings({name: text}) is None
