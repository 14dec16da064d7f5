"""Settings as each program writes them, under A1111's names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.describing.programs import read_settings
from tests.bot.describing.files import A1111, TEXT_TO_IMAGE, graph, node
from trainer.contract.infotext import Infotext, read, write


def sampler(**changes: Any) -> dict[str, Any]:
    """That of the graph, with other inputs."""
    return node("KSampler", **{**TEXT_TO_IMAGE["3"]["inputs"], **changes})


def found(**fields: str) -> Infotext:
    settings = read_settings({key.replace("__", "-"): text for key, text in fields.items()})
    assert settings is not None
    return settings


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


def test_comfyuis_graph_is_walked_back_from_the_sampler() -> None:
    picture = found(prompt=graph(), workflow="{}")
    assert picture.source == "ComfyUI"
    assert picture.prompt == "a fox in a suit <lora:thnos:0.8> <lora:ink:0.5:1>"
    assert picture.negative_prompt == "rain"
    assert picture.settings == {
        "Steps": "20", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "7.5", "Seed": "42",
        "Size": "512x768", "Model": "dream_8", "VAE": "ft-mse", "Clip skip": "2",
    }  # fmt: skip


def test_values_and_texts_that_come_from_other_nodes() -> None:
    changed = graph(
        n3=sampler(seed=["20", 3], steps=["21", 0]),
        n6=node("CLIPTextEncode", text=["22", 0], clip=["12", 0]),
        n7=node("ConditioningCombine", conditioning_1=["24", 0], conditioning_2=["25", 0]),
        n20=node("Seed (rgthree)", seed=7),
        n21=node("PrimitiveInt", value=33),
        n22=node("StringConcatenate", string_a="a fox", string_b=["23", 0], delimiter=" "),
        n23=node("PrimitiveString", value="in space"),
        n24=node("CLIPTextEncode", text="rain", clip=["4", 1]),
        n25=node("ImpactWildcardEncode", wildcard_text="{fog|mist}", populated_text="fog", clip=["4", 1]),
    )
    picture = found(prompt=changed)
    assert picture.prompt.startswith("a fox in space <lora:")
    assert picture.negative_prompt == "rain\nfog"
    assert (picture.settings["Seed"], picture.settings["Steps"]) == ("7", "33")


def test_a_second_pass_and_a_control_net() -> None:
    changed = graph(
        n3=sampler(positive=["30", 0], negative=["30", 1]),
        n8=node("VAEDecode", samples=["32", 0], vae=["4", 2]),
        n30=node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], strength=1.0),
        n31=node("LatentUpscale", samples=["3", 0], width=1024, height=1536),
        n32=sampler(positive=["30", 0], negative=["30", 1], steps=12, denoise=0.45, latent_image=["31", 0]),
    )
    picture = found(prompt=changed)
    assert (picture.prompt.split(" <")[0], picture.negative_prompt) == ("a fox in a suit", "rain")
    assert picture.settings["Steps"] == "20"
    assert picture.settings["Size"] == "512x768"
    assert (picture.settings["Denoising strength"], picture.settings["Hires steps"]) == ("0.45", "12")


def test_advanced_samplers_of_a_base_and_a_refiner() -> None:
    def stage(model: str, latent: str, start: int) -> dict[str, Any]:
        return node("KSamplerAdvanced", add_noise="enable", noise_seed=9, steps=25, cfg=8.0, sampler_name="euler",
                    scheduler="normal", start_at_step=start, model=[model, 0], positive=["6", 0],
                    negative=["7", 0], latent_image=[latent, 0])  # fmt: skip

    picture = found(prompt=graph(n3=stage("4", "5", 0), n40=stage("41", "3", 20),
                                 n41=node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
                                 n8=node("VAEDecode", samples=["40", 0], vae=["4", 2])))  # fmt: skip
    assert picture.settings["Seed"] == "9"
    assert picture.settings["Model"] == "dream_8"
    assert "Hires steps" not in picture.settings


def test_the_parts_of_a_sampler_as_flux_has_them() -> None:
    picture = found(prompt=json.dumps({
        "1": node("UNETLoader", unet_name="flux1-dev.sft"), "2": node("DualCLIPLoader", clip_name1="t5.safetensors"),
        "3": node("CLIPTextEncode", text="a fox", clip=["2", 0]), "4": node("FluxGuidance", guidance=3.5,
                                                                           conditioning=["3", 0]),
        "5": node("BasicGuider", model=["1", 0], conditioning=["4", 0]), "6": node("RandomNoise", noise_seed=5),
        "7": node("KSamplerSelect", sampler_name="euler"), "8": node("EmptySD3LatentImage", width=1024, height=768),
        "9": node("BasicScheduler", scheduler="simple", steps=28, denoise=1, model=["1", 0]),
        "10": node("SamplerCustomAdvanced", noise=["6", 0], guider=["5", 0], sampler=["7", 0], sigmas=["9", 0],
                   latent_image=["8", 0]),
        "11": node("VAEDecode", samples=["10", 0]), "12": node("SaveImage", images=["11", 0]),
    }))  # fmt: skip
    assert (picture.prompt, picture.negative_prompt) == ("a fox", "")
    assert picture.settings == {"Steps": "28", "Sampler": "Euler", "Schedule type": "Simple", "Seed": "5",
                                "Size": "1024x768", "Model": "flux1-dev"}  # fmt: skip


def test_an_efficient_loader_holds_the_texts_itself() -> None:
    picture = found(prompt=json.dumps({
        "1": node("Efficient Loader", ckpt_name="dream.ckpt", vae_name="Baked VAE", clip_skip=-2,
                  lora_name="thnos.safetensors", lora_model_strength=0.7, lora_clip_strength=0.7, positive="a fox",
                  negative="rain", empty_latent_width=512, empty_latent_height=640, lora_stack=["3", 0]),
        "2": node("KSampler (Efficient)", seed=3, steps=20, cfg=7, sampler_name="euler", scheduler="normal",
                  denoise=1, model=["1", 0], positive=["1", 1], negative=["1", 2], latent_image=["1", 3]),
        "3": node("LoRA Stacker", lora_name_1="ink.pt", lora_wt_1=0.5, lora_name_2="None", lora_wt_2=1),
        "4": node("SaveImage", images=["2", 5]),
    }))  # fmt: skip
    assert picture.prompt == "a fox <lora:ink:0.5> <lora:thnos:0.7>"
    assert picture.negative_prompt == "rain"
    assert picture.settings["Size"] == "512x640"
    assert picture.settings["Clip skip"] == "2"


def test_a_pass_over_a_picture_alone() -> None:
    picture = found(
        prompt=json.dumps({
            "1": node("CheckpointLoaderSimple", ckpt_name="dream.safetensors"),
            "2": node("CLIPTextEncode", text="a fox", clip=["1", 1]), "3": node("LoadImage", image="fox.png"),
            "4": node("UpscaleModelLoader", model_name="4x.pth"),
            "5": node("ApplyControlNet", positive=["2", 0], negative=["2", 0], model_optional=["1", 0]),
            "6": node("UltimateSDUpscale", image=["3", 0], upscale_model=["4", 0], model=["5", 2], positive=["5", 0],
                      negative=["5", 1], seed=3, steps=12, cfg=5, sampler_name="a_new_one", scheduler="normal",
                      denoise=0.3),
            "7": node("SaveImage", images=["6", 0]),
        })
    )  # fmt: skip
    assert picture.prompt == "a fox"
    assert picture.settings == {
        "Steps": "12", "Sampler": "a_new_one", "Schedule type": "normal", "CFG scale": "5", "Seed": "3",
        "Model": "dream", "Denoising strength": "0.3",
    }  # fmt: skip


def test_a_workflow_alone_is_understood_as_far_as_its_nodes_are_known() -> None:
    def drawn(number: int, kind: str, widgets: list[Any], **links: int) -> dict[str, Any]:
        inputs = [{"name": name, "type": "*", "link": link} for name, link in links.items()]
        return {"id": number, "type": kind, "mode": 0, "inputs": inputs, "widgets_values": widgets}

    workflow = {
        "nodes": [
            drawn(1, "CheckpointLoaderSimple", ["dream.safetensors"]), drawn(2, "CLIPTextEncode", ["a fox"], clip=1),
            drawn(3, "CLIPTextEncode", ["rain"], clip=1), drawn(4, "EmptyLatentImage", [512, 640, 1]),
            drawn(5, "KSampler", [6, "randomize", 20, 8, "euler", "normal", 1], model=2, positive=3, negative=4,
                  latent_image=5),
            drawn(6, "VAEDecode", [], samples=6), drawn(7, "SaveImage", ["ComfyUI"], images=7),
            {"id": 8, "type": "Note", "widgets_values": ["a note"]},
            drawn(9, "Reroute", [], model=8), {**drawn(10, "LoraLoader", ["x", 1, 1], model=9), "mode": 4},
            {**drawn(11, "LoraLoader", ["y", 1, 1], model=9), "mode": 2},
        ],
        "links": [[1, 1, 1, 2, 0, "CLIP"], [2, 9, 0, 5, 0, "MODEL"], [8, 10, 0, 9, 0, "MODEL"],
                  [9, 1, 0, 10, 0, "MODEL"], [3, 2, 0, 5, 1, "CONDITIONING"],
                  [4, 3, 0, 5, 2, "CONDITIONING"], [5, 4, 0, 5, 3, "LATENT"], [6, 5, 0, 6, 0, "LATENT"],
                  [7, 6, 0, 7, 0, "IMAGE"]],
    }  # fmt: skip
    picture = found(workflow=json.dumps(workflow))
    assert (picture.prompt, picture.negative_prompt) == ("a fox", "rain")
    assert picture.settings == {"Steps": "20", "Sampler": "Euler", "Schedule type": "Uniform", "CFG scale": "8",
                                "Seed": "6", "Size": "512x640", "Model": "dream"}  # fmt: skip


def test_the_text_form_beside_a_graph_is_believed() -> None:
    assert found(prompt=graph(), parameters=A1111).source == "A1111"


def test_a_graph_with_nan_and_one_that_runs_in_circles() -> None:
    assert found(prompt=graph().replace('"_meta"', '"is_changed": [NaN], "_meta"', 1)).settings["Seed"] == "42"
    circle = graph(n6=node("ConditioningCombine", conditioning_1=["7", 0]),
                   n7=node("ConditioningCombine", conditioning_1=["6", 0]),
                   n10=node("LoraLoader", lora_name="thnos", model=["11", 0]))  # fmt: skip
    assert found(prompt=circle).settings["Seed"] == "42"


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

KEYS = ["class_type", "inputs", "model", "positive", "negative", "latent_image", "steps", "seed", "text", "images",
        "lora_name", "strength_model", "width", "height", "stop_at_clip_layer", "nodes", "links", "id", "type",
        "widgets_values", "name", "link", "sui_image_params", "loras", "loraweights", "base_model", "performance",
        "resolution", "prompt", "image", "c", "scale", "extraMetadata", "1", "2", "guider", "sigmas",
        "mode"]  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(KEYS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(st.sampled_from(["1", "2", 1, 2]), st.just(0)).map(list),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    ),
    max_leaves=40,
)
NAMES = ["parameters", "prompt", "workflow", "Comment", "UserComment", "invokeai_metadata", "sd-metadata", "Dream",
         "Software", "Description", "use_stable_diffusion_model", "num_inference_steps", "width"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.one_of(JSON.map(json.dumps), st.text(), st.just("NovelAI"))))
def test_no_fields_raise(fields: dict[str, str]) -> None:
    picture = read_settings(fields)
    if picture is not None:
        assert read(picture.text).text.encode()


ODD = st.sampled_from([None, 0, 1, "1", [], {}, [1], {"a": 1}, "MODEL"])
LINKS = st.lists(st.lists(st.one_of(st.integers(0, 3), ODD), min_size=6, max_size=6), max_size=6)
DRAWN = st.fixed_dictionaries(
    {"id": st.integers(0, 3), "type": st.sampled_from(["Reroute", "KSampler", "CLIPTextEncode", "SaveImage"])},
    optional={
        "mode": st.sampled_from([0, 2, 4]),
        "widgets_values": st.one_of(ODD, st.lists(ODD, max_size=4)),
        "inputs": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(KEYS), "link": st.integers(0, 3), "type": ODD}), max_size=3
        ),
    },
)


@settings(max_examples=200, deadline=None)
@given(st.lists(DRAWN, max_size=5), LINKS)
def test_no_workflow_raises(nodes: list[Any], links: list[Any]) -> None:
    read_settings({"workflow": json.dumps({"nodes": nodes, "links": links})})


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_change_of_a_graph_raises(data: st.DataObject) -> None:
    document: dict[str, Any] = json.loads(graph())
    for _ in range(data.draw(st.integers(1, 5))):
        inputs = document[data.draw(st.sampled_from(sorted(document)))]["inputs"]
        inputs[data.draw(st.sampled_from(sorted(inputs)))] = data.draw(
            st.one_of(JSON, st.sampled_from(sorted(document)).map(lambda key: [key, 0]))
        )
    read_settings({"prompt": json.dumps(document)})


@pytest.mark.parametrize("text", ["[" * 100_000, '{"1":' * 50_000, f'{{"1": {"9" * 10_000}}}'])
def test_json_that_no_program_writes(text: str) -> None:
    for name in ("prompt", "workflow", "UserComment", "invokeai_metadata"):
        assert read_settings({name: text}) is None


def test_a_knot_of_a_thousand_nodes_is_walked_once() -> None:
    count = 1_000
    knot = {str(n): node("Merge", conditioning=[str((n * 7) % count), 0], model=[str((n + 1) % count), 0],
                         **{f"i{k}": [str((n * k) % count), 0] for k in range(20)})
            for n in range(count)}  # fmt: skip
    knot["s"] = node("KSampler", seed=["0", 0], steps=["1", 0], cfg=["2", 0], model=["3", 0], positive=["4", 0],
                     negative=["5", 0], latent_image=["6", 0])  # fmt: skip
    assert read_settings({"prompt": json.dumps(knot)}) is None
