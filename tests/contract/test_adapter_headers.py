"""What a file is and which base it is for, from its header alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract.adapter_fit import explain_mismatch, fits, nearest_base
from trainer.contract.adapter_headers import AdapterIdentity, identify
from trainer.contract.adapter_keys import ENDS
from trainer.contract.events import BaseInfo

Header = dict[str, dict[str, object]]
K = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
SDXL_K = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"
UP, DOWN = "lora_up.weight", "lora_down.weight"


def header(**shapes: list[int]) -> Header:
    return {name: {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}


def layer(head: str, inputs: int, outputs: int = 1280, rank: int = 8) -> Header:
    return header(**{f"{head}.{DOWN}": [rank, inputs], f"{head}.{UP}": [outputs, rank], f"{head}.alpha": []})


def told(found: AdapterIdentity) -> tuple[str, tuple[str, ...]]:
    return found.made_for, found.families


# families


@pytest.mark.parametrize(
    ("file", "families"),
    [
        (layer(K, 768), ("sd1",)),
        (layer(K, 1024), ("sd2",)),
        (layer(K, 2048), ("sdxl",)),
        (layer(SDXL_K, 2048), ("sdxl",)),
        (layer("lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k", 768), ("sd1",)),
        (layer("unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v", 1024), ("sd2",)),
        (layer("diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k", 768), ("sd1",)),
        # no shape tells: names
        (layer("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 320), ("sd1", "sd2")),
        (layer("lora_unet_output_blocks_0_1_transformer_blocks_0_attn1_to_q", 1280), ("sdxl",)),
        (layer("lora_unet_output_blocks_11_1_transformer_blocks_0_attn1_to_q", 320), ("sd1", "sd2")),
        (layer("lora_unet_label_emb_0_0", 2816) | layer("lora_unet_middle_block_1_proj_in", 1280), ("sdxl",)),
        (layer("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q", 1280), ("sd1", "sd2", "sdxl")),
        # text encoders
        (layer("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 768), ("sd1", "sdxl")),
        (layer("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 1024), ("sd2",)),
        (layer("lora_te_text_model_encoder_layers_0_mlp_fc1", 1280), ("sdxl",)),
        (layer("lora_te1_text_model_encoder_layers_0_mlp_fc2", 3072)
         | layer("lora_te2_text_model_encoder_layers_0_mlp_fc2", 5120), ("sdxl",)),
        # a small base of somebody's own
        (layer("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 96), ("sd1", "sd2")),
    ],
)  # fmt: skip
def test_widths_tell_the_family_and_names_where_no_width_does(file: Header, families: tuple[str, ...]) -> None:
    assert identify(file).families == families


@pytest.mark.parametrize(
    "shapes",
    [
        {"hada_w1_a": [320, 4], "hada_w1_b": [4, 768], "hada_w2_a": [320, 4], "hada_w2_b": [4, 768]},
        {"lokr_w1": [8, 8], "lokr_w2": [40, 96]},
        {"lokr_w1_a": [8, 2], "lokr_w1_b": [2, 8], "lokr_w2_a": [40, 2], "lokr_w2_b": [2, 96]},
        {"diff": [320, 768]},
        {"lora_A.weight": [4, 768], "lora_B.weight": [320, 4]},
    ],
)
def test_every_algorithm_shows_what_its_layers_take(shapes: dict[str, list[int]]) -> None:
    found = identify(header(**{f"{K}.{role}": shape for role, shape in shapes.items()}))
    assert (found.families, found.context_width) == (("sd1",), 768)


@pytest.mark.parametrize(
    ("notes", "families"),
    [
        ({"ss_base_model_version": "sd_v1"}, ("sd1",)),
        ({"ss_base_model_version": "sd_v2_768_v"}, ("sd2",)),
        ({"modelspec.architecture": "stable-diffusion-v1/lora"}, ("sd1",)),
        ({"ss_base_model_version": "sdxl_base_v1-0"}, ("sd1", "sd2")),  # which the names deny
        ({"ss_base_model_version": 3}, ("sd1", "sd2")),
        ("nonsense", ("sd1", "sd2")),
    ],
)
def test_the_metadata_tell_what_names_and_shapes_leave_open(notes: object, families: tuple[str, ...]) -> None:
    file = layer("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 320)
    assert identify(file | {"__metadata__": notes}).families == families  # type: ignore[dict-item]


def test_a_convolution_into_the_attention_is_sd1s_and_a_matrix_sd2s() -> None:
    name = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"
    assert identify(header(**{name: [4, 320, 1, 1]})).families == ("sd1",)
    assert identify(header(**{name: [4, 320]})).families == ("sd2",)


@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("lora_unet_double_blocks_0_img_attn_qkv", "Flux"),
        ("transformer.single_transformer_blocks.3.attn.to_q", "Flux"),
        ("diffusion_model.double_blocks.3.img_attn.qkv", "Flux"),
        ("lora_unet_double_blocks_19_img_attn_qkv", "HunyuanVideo"),
        ("diffusion_model.distilled_guidance_layer.layers.0.in_layer", "Chroma"),
        ("transformer.transformer_blocks.0.attn.add_k_proj", "Stable Diffusion 3"),
        ("diffusion_model.joint_blocks.0.context_block.attn.qkv", "Stable Diffusion 3"),
        ("diffusion_model.transformer_blocks.59.attn.to_q", "Qwen-Image"),
        ("diffusion_model.blocks.0.self_attn.q", "Wan"),
        ("lora_unet_blocks_0_cross_attn_k", "Wan"),
        ("diffusion_model.layers.0.attention.qkv", "Lumina or Z-Image"),
        ("transformer.transformer_blocks.0.attn1.to_q", "a transformer such as PixArt, Sana, LTX-Video or CogVideoX"),
        ("transformer.joint_transformer_blocks.0.attn.to_q", "AuraFlow"),
        ("lora_prior_unet_down_blocks_0_2_attention_attn_in_proj", "Stable Cascade"),
        ("base_model.model.model.layers.0.self_attn.q_proj", "a language model"),
        ("down_blocks.0.motion_modules.0.transformer_blocks.0.attention_blocks.0.to_q", "AnimateDiff"),
        ("foo.bar", "no model that is known"),
    ],
)
def test_models_that_are_none_of_the_three_are_named(key: str, model: str) -> None:
    assert told(identify(layer(key, 64))) == (model, ())


def test_sdxls_refiner_is_told_from_sdxl() -> None:
    assert told(identify(layer("lora_unet_middle_block_1_transformer_blocks_3_attn2_to_k", 1280))) == (
        "the refiner of Stable Diffusion XL", ()
    )  # fmt: skip


def test_what_contradicts_itself_is_for_none() -> None:
    file = layer(K, 768) | layer("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280)
    assert told(identify(file)) == ("a model of another shape", ())


# kinds and layouts


@pytest.mark.parametrize(
    ("key", "layout"),
    [
        (K, "kohya"),
        ("lycoris_mid_block_attentions_0_proj_in", "LyCORIS"),
        ("base_model.model.mid_block.attentions.0.proj_in", "peft"),
        ("unet.base_model.model.mid_block.attentions.0.proj_in", "peft"),
        ("unet.mid_block.attentions.0.proj_in", "diffusers"),
        ("mid_block.attentions.0.proj_in", "diffusers"),
        ("diffusion_model.middle_block.1.proj_in", "ComfyUI"),
        ("clip_l.text_model.encoder.layers.0.mlp.fc1", "OneTrainer"),
        ("whatever.mid_block.attentions.0.proj_in", "unknown"),
    ],
)
def test_the_layout_is_named(key: str, layout: str) -> None:
    assert identify(layer(key, 64)).layout == layout


@pytest.mark.parametrize(
    ("ends", "algorithm"),
    [
        ([DOWN, UP], "LoRA"), ([DOWN, UP, "lora_mid.weight"], "LoCon"), ([DOWN, UP, "dora_scale"], "DoRA"),
        (["hada_w1_a"], "LoHa"), (["lokr_w1", "dora_scale"], "LoKr with DoRA"), (["diff"], "Full"),
        (["w_norm"], "Norm"), (["hada_w1_a", "lokr_w1"], "LoHa and LoKr"), (["oft_blocks"], "OFT"),
        (["a1.weight", "alpha"], "GLoRA"), (["on_input", "weight"], "IA³"),
    ],
)  # fmt: skip
def test_the_algorithm_is_named(ends: list[str], algorithm: str) -> None:
    found = identify(header(**{f"{K}.{end}": [4, 4] for end in ends}))
    assert (found.kind, found.algorithm, found.keys) == ("lora", algorithm, len(ends))


def test_rank_parts_base_and_bundled_words_are_told() -> None:
    file = layer(K, 768, rank=4) | layer("lora_te_text_model_encoder_layers_0_mlp_fc1", 768, rank=16)
    file |= header(**{"bundle_emb.thnos.string_to_param.*": [2, 768], "bundle_emb.my.word.emb_params": [2, 768]})
    found = identify(file, {"ss_sd_model_name": "anything-v5"})
    assert (found.rank, found.parts, found.base, found.keys) == (16, ("unet", "text_encoder"), "anything-v5", 8)
    assert (found.bundled, found.families) == (("my.word", "thnos"), ("sd1",))


@pytest.mark.parametrize(
    ("shapes", "layout", "families", "width"),
    [
        ({"emb_params": [3, 768]}, "A1111", ("sd1",), 768),
        ({"string_to_param.*": [3, 1024]}, "A1111", ("sd2",), 1024),
        ({"<thnos>": [768]}, "diffusers", ("sd1",), 768),
        ({"clip_l": [3, 768], "clip_g": [3, 1280]}, "A1111", ("sdxl",), 2048),
        ({"text_encoders_0": [3, 768], "text_encoders_1": [3, 1280]}, "diffusers", ("sdxl",), 2048),
        ({"emb_params": [3, 96]}, "A1111", ("sd1", "sd2"), 96),
        ({"emb_params": [3, 2048]}, "A1111", (), 2048),
    ],
)
def test_a_textual_inversion_is_known_by_its_names_and_width(
    shapes: dict[str, list[int]], layout: str, families: tuple[str, ...], width: int
) -> None:
    found = identify(header(**shapes))
    assert (found.kind, found.layout, found.families, found.context_width) == (
        "textual_inversion", layout, families, width
    )  # fmt: skip


def test_a_whole_model_is_told_from_an_adapter() -> None:
    found = identify(header(**{
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 768],
        "first_stage_model.decoder.conv_in.weight": [512, 4, 3, 3],
    }))  # fmt: skip
    assert (found.kind, found.families, found.layout) == ("checkpoint", ("sd1",), "checkpoint")


@pytest.mark.parametrize("file", [{}, {"x": None}, {"x": {"shape": "7"}}, {"a": {"shape": [1]}, "b": {"shape": [1]}}])
def test_what_is_nothing_is_unknown(file: dict[str, object]) -> None:
    found = identify(file)
    assert (found.kind, found.families) == ("unknown", ())


_HEADS = [K, SDXL_K, "clip_g.x", "", "lora_te_text_model_encoder_layers_0_mlp_fc1"]
_KEYS = st.text(max_size=20) | st.builds("{}{}".format, st.sampled_from(_HEADS), st.sampled_from(sorted(ENDS)))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["shape", "dtype"]), inner),
)


@given(
    st.dictionaries(_KEYS, st.builds(lambda shape: {"shape": shape}, st.lists(st.integers(0, 9), max_size=4)) | _JSON)
)
def test_whatever_the_header_there_is_an_answer(file: dict[str, object]) -> None:
    found = identify(file)
    assert found.keys == len(file.keys() - {"__metadata__"})
    assert found.made_for
    assert not found.families or found.kind != "unknown"


# bases


def base(name: str, family: str, width: int | None = None) -> BaseInfo:
    return BaseInfo(name, family, "0", 512, 512, 1024, 20, 7.0, context_width=width)  # type: ignore[arg-type]


EMOJI, SD15, SD21, XL = base("emoji-64", "sd1", 96), base("sd15", "sd1", 768), base("sd21", "sd2", 1024), base(
    "xl", "sdxl", 2048
)  # fmt: skip
BASES = (EMOJI, SD15, SD21, XL)


def test_a_file_fits_bases_of_its_family_and_width() -> None:
    found = identify(layer(K, 768))
    assert [each.name for each in BASES if fits(found, each)] == ["sd15"]
    assert fits(found, base("old-worker", "sd1"))
    small = identify(layer("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 96))
    assert [each.name for each in BASES if fits(small, each)] == ["emoji-64"]


def test_the_nearest_base_is_the_one_that_it_was_trained_on_or_one_that_surely_fits() -> None:
    others = (base("other", "sd1"), base("tuned", "sd1", 768), SD15)
    found = identify(layer(K, 768))
    nearest = nearest_base(found, others)
    assert nearest is not None
    assert nearest.name == "tuned"
    nearest = nearest_base(identify(layer(K, 768), {"ss_sd_model_name": "SD15"}), others)
    assert nearest is not None
    assert nearest.name == "sd15"
    assert nearest_base(identify(layer("double_blocks.0.img_attn.qkv", 64)), BASES) is None


@pytest.mark.parametrize(
    ("file", "chosen", "sentence"),
    [
        (layer(K, 768), SD15, None),
        (layer(K, 768), XL,
         "thnos was made for Stable Diffusion 1.x and the model xl is Stable Diffusion XL: choose the model sd15"),
        (layer(SDXL_K, 2048), SD15,
         "thnos was made for Stable Diffusion XL and the model sd15 is Stable Diffusion 1.x: choose the model xl"),
        (layer(K, 768), EMOJI,
         "thnos was made for Stable Diffusion 1.x of another width (768 channels) and the model emoji-64 is Stable "
         "Diffusion 1.x: choose the model sd15"),
        (layer("double_blocks.0.img_attn.qkv", 64), XL,
         "thnos was made for Flux and the model xl is Stable Diffusion XL: no model here fits it, so leave it out"),
    ],
)  # fmt: skip
def test_a_mismatch_is_one_sentence_with_the_way_out(file: Header, chosen: BaseInfo, sentence: str | None) -> None:
    assert explain_mismatch("thnos", identify(file), chosen, BASES) == sentence
