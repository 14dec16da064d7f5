"""ComfyUI's graphs: walked back from the sampler, as they ran or as they were drawn."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.describing.programs import read_settings
from tests.bot.describing.files import A1111, TEXT_TO_IMAGE, found, graph, node
from tests.bot.describing.strategies import JSON, KEYS


def sampler(**changes: Any) -> dict[str, Any]:
    """That of the graph, with other inputs."""
    return node("KSampler", **{**TEXT_TO_IMAGE["3"]["inputs"], **changes})


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


def test_a_knot_of_a_thousand_nodes_is_walked_once() -> None:
    count = 1_000
    knot = {str(n): node("Merge", conditioning=[str((n * 7) % count), 0], model=[str((n + 1) % count), 0],
                         **{f"i{k}": [str((n * k) % count), 0] for k in range(20)})
            for n in range(count)}  # fmt: skip
    knot["s"] = node("KSampler", seed=["0", 0], steps=["1", 0], cfg=["2", 0], model=["3", 0], positive=["4", 0],
                     negative=["5", 0], latent_image=["6", 0])  # fmt: skip
    assert read_settings({"prompt": json.dumps(knot)}) is None
