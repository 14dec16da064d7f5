"""LoRA files: written for diffusers and for kohya's readers, read in every form that people have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin, StableDiffusionXLLoraLoaderMixin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from tests.trainer.adapters.layouts import UNETS, clip_keys, unet_keys
from tests.trainer.adapters.tiny import FAMILIES, draw, lora_modules, make_text_encoder, make_unet, random_lora
from trainer.adapters.bank import AdapterBank
from trainer.adapters.embedding_files import Embedding
from trainer.adapters.lora_files import read_lora, write_kohya_lora, write_lora
from trainer.contract import kohya_names
from trainer.contract.adapter_places import find_layer
from trainer.contract.ldm_names import UNetShape, unet_from_ldm, unet_to_ldm
from trainer.errors import BadAdapterFile

Q = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
FLAT_Q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
TEXT = "encoder.layers.0.self_attn.q_proj"


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


# names


@pytest.mark.parametrize("family", FAMILIES)
def test_every_module_of_a_family_has_a_kohya_name_of_its_own_that_leads_back(family: str) -> None:
    names = {}
    for key in lora_modules(family):
        part, _, module = key.partition(".")
        names[key] = kohya_names.to_kohya(part, module, sdxl=family == "sdxl")
        assert find_layer(names[key]) == (part, module)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    ("part", "module", "sdxl", "name"),
    [
        ("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0", False,
         "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0"),
        ("unet", "up_blocks.1.attentions.2.transformer_blocks.0.ff.net.0.proj", False,
         "lora_unet_up_blocks_1_attentions_2_transformer_blocks_0_ff_net_0_proj"),
        ("unet", "down_blocks.2.resnets.1.conv_shortcut", False, "lora_unet_down_blocks_2_resnets_1_conv_shortcut"),
        ("text_encoder", TEXT, False, "lora_te_text_model_encoder_layers_0_self_attn_q_proj"),
        ("text_encoder", "text_model.encoder.layers.11.mlp.fc1", True,
         "lora_te1_text_model_encoder_layers_11_mlp_fc1"),
        ("text_encoder_2", "encoder.layers.31.self_attn.out_proj", True,
         "lora_te2_text_model_encoder_layers_31_self_attn_out_proj"),
        ("unet", "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k", True,
         "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"),
        ("unet", "mid_block.attentions.0.proj_in", True, "lora_unet_middle_block_1_proj_in"),
        ("unet", "up_blocks.0.attentions.2.transformer_blocks.9.ff.net.2", True,
         "lora_unet_output_blocks_2_1_transformer_blocks_9_ff_net_2"),
        ("unet", "up_blocks.0.upsamplers.0.conv", True, "lora_unet_output_blocks_2_2_conv"),
        ("unet", "down_blocks.0.downsamplers.0.conv", True, "lora_unet_input_blocks_3_0_op"),
        ("unet", "down_blocks.0.resnets.1.time_emb_proj", True, "lora_unet_input_blocks_2_0_emb_layers_1"),
    ],
)  # fmt: skip
def test_the_names_are_those_that_kohya_writes(part: str, module: str, sdxl: bool, name: str) -> None:
    assert kohya_names.to_kohya(part, module, sdxl=sdxl) == name


def test_sdxls_names_are_the_modules_of_its_public_configuration() -> None:
    keys = unet_keys(UNETS["sdxl"])
    norms = re.compile(r".*(norm\d?|in_layers\.0|out_layers\.0)\.weight|out\.0\.weight")
    layout = {
        key.removesuffix(".weight").replace(".", "_")
        for key in keys
        if key.endswith(".weight") and not norms.fullmatch(key)
    }
    modules = [key.removeprefix("unet.") for key in lora_modules("sdxl") if key.startswith("unet.")]
    assert {kohya_names.to_kohya("unet", module, sdxl=True) for module in modules} == {
        f"lora_unet_{key}" for key in layout
    }


def test_text_encoders_names_are_the_modules_of_the_clip_that_everybody_reads() -> None:
    layout = {
        key.removesuffix(".weight").replace(".", "_") for key in clip_keys() if "norm" not in key and "embed" not in key
    }
    layout = {key for key in layout if not key.endswith("bias")}
    modules = [key.removeprefix("text_encoder.") for key in lora_modules("sd1") if key.startswith("text_encoder.")]
    assert {kohya_names.to_kohya("text_encoder", module, sdxl=False) for module in modules} == {
        f"lora_te_{key}" for key in layout
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_the_original_names_of_a_unet_lead_back(family: str) -> None:
    modules = [key.removeprefix("unet.") for key in lora_modules(family) if key.startswith("unet.")]
    shape = UNetShape.of(modules)
    for module in modules:
        assert unet_from_ldm(str(unet_to_ldm(module, shape))) == module


@given(st.text("abcdeflnoqtuv_0123", max_size=40))
def test_a_made_up_kohya_name_is_no_module_or_leads_back_to_itself(rest: str) -> None:
    name = "lora_unet_" + rest
    found = find_layer(name)
    if found:
        assert name in {kohya_names.to_kohya(*found, sdxl=sdxl) for sdxl in (False, True)} or "input_blocks" in name


# round trips


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(
    st.sampled_from(FAMILIES).flatmap(
        lambda family: st.tuples(
            st.just(family), st.sets(st.sampled_from(sorted(lora_modules(family))), min_size=1, max_size=6)
        )
    ),
    st.integers(1, 6),
    st.sampled_from([None, 1.0, 2.0, 8.0]),
)
def test_whatever_is_written_is_read_back(chosen: tuple[str, set[str]], rank: int, lora_alpha: float | None) -> None:
    family, modules = chosen
    weights = random_lora({module: lora_modules(family)[module] for module in modules}, rank)
    assert same(read_lora(write_lora(weights, {})).weights, weights)
    kohya = read_lora(write_kohya_lora(weights, {}, sdxl=family == "sdxl", lora_alpha=lora_alpha))
    assert kohya.weights.keys() == weights.keys()
    for key, tensor in weights.items():
        assert torch.allclose(kohya.weights[key], tensor, rtol=2e-3, atol=1e-6)
    assert kohya.unused == ()


def test_what_is_too_large_for_float16_is_kept_whole() -> None:
    weights = random_lora({f"unet.{Q}": torch.Size((8, 8))})
    weights[f"unet.{Q}.lora_B.weight"] *= 2.0**20
    assert same(read_lora(write_lora(weights, {})).weights, weights)
    assert same(read_lora(write_kohya_lora(weights, {}, sdxl=False)).weights, weights)


def test_text_encoders_get_back_the_prefix_that_everybody_else_reads() -> None:
    weights = random_lora({f"text_encoder.{TEXT}": torch.Size((8, 8))})
    assert f"text_encoder.text_model.{TEXT}.lora_A.weight" in load(write_lora(weights, {}))
    without = save({key: tensor.contiguous() for key, tensor in weights.items()})
    assert same(read_lora(without).weights, weights)


# diffusers reads what we write


def merged(model: torch.nn.Module, part: str, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The model with B·A added to its weights: what a LoRA means."""
    modules = dict(model.named_modules())
    for key, down in weights.items():
        if key.startswith(f"{part}.") and key.endswith(".lora_A.weight"):
            up = weights[key.replace("lora_A", "lora_B")]
            name = key.removeprefix(f"{part}.").removesuffix(".lora_A.weight")
            module = modules.get(name) or modules[f"text_model.{name}"]
            module.weight.data += (up.flatten(1) @ down.flatten(1)).reshape(module.weight.shape)
    return model


def chosen(family: str, words: str) -> dict[str, torch.Size]:
    return {module: shape for module, shape in lora_modules(family).items() if re.search(words, module)}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kohya", [False, True])
def test_diffusers_draws_with_our_file_as_with_our_weights(family: str, kohya: bool, tmp_path: Path) -> None:
    words = r"unet.*(s\.0\.(attn\d\.to_|ff\.net)|proj_in)" + ("" if family == "sdxl" else r"|resnets.*conv")
    weights = random_lora(chosen(family, words))
    notes = {"darkroom.trigger": "thnos"}
    if kohya:
        data = write_kohya_lora(weights, notes, sdxl=family == "sdxl", lora_alpha=2.0)
    else:
        data = write_lora(weights, notes)
    (tmp_path / "thnos.safetensors").write_bytes(data)
    loader = StableDiffusionXLLoraLoaderMixin if family == "sdxl" else StableDiffusionLoraLoaderMixin
    unet = make_unet(family)
    plain = draw(unet)
    state, alphas, *_ = loader.lora_state_dict(
        str(tmp_path), weight_name="thnos.safetensors", use_safetensors=True, unet_config=unet.config
    )
    state = {key: tensor.float() for key, tensor in state.items()}
    loader.load_lora_into_unet(state, alphas, unet)
    expected = draw(merged(make_unet(family), "unet", weights))
    assert (expected - plain).abs().max() > 1e-2
    assert torch.allclose(draw(unet), expected, atol=1e-5 * max(1, float(expected.abs().max())))


@torch.no_grad()
@pytest.mark.parametrize("name", ["text_encoder", "text_encoder_2"])
@pytest.mark.parametrize("kohya", [False, True])
def test_diffusers_reads_text_encoders_too(name: str, kohya: bool) -> None:
    weights = random_lora(chosen("sdxl", rf"^{name}\..*(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"))
    data = write_kohya_lora(weights, {}, sdxl=True) if kohya else write_lora(weights, {})
    ids = torch.arange(10)[None]
    encoder = make_text_encoder("sdxl", name)
    plain = encoder(ids)[0]
    state, alphas, *_ = StableDiffusionXLLoraLoaderMixin.lora_state_dict(
        load(data), unet_config=make_unet("sdxl").config
    )
    state = {key: tensor.float() for key, tensor in state.items()}
    StableDiffusionXLLoraLoaderMixin.load_lora_into_text_encoder(state, alphas, encoder, prefix=name)
    expected = merged(make_text_encoder("sdxl", name), name, weights)(ids)[0]
    assert (expected - plain).abs().max() > 1e-2
    assert torch.allclose(encoder(ids)[0], expected, atol=1e-5 * max(1, float(expected.abs().max())))


@pytest.mark.parametrize(
    "module", ["unet.up_blocks.3.attentions.0.transformer_blocks.0.ff.net.2", "unet.mid_block.resnets.0.conv1"]
)
def test_dora_comes_through_both_formats_and_diffusers_reads_ours(module: str) -> None:
    weights = random_lora(chosen("sd1", f"^{re.escape(module)}$"))
    bank = AdapterBank({"unet": make_unet("sd1")})
    bank.add_trainable(
        "x", "unet", rank=4, lora_alpha=4, target_modules=(module.removeprefix("unet."),), seed=0, dora=True
    )
    magnitude = bank.weights("x")[f"{module}.lora_magnitude_vector"].half().float() * 2
    weights[f"{module}.lora_magnitude_vector"] = magnitude
    assert same(read_lora(write_lora(weights, {})).weights, weights)
    kohya = write_kohya_lora(weights, {}, sdxl=False)
    assert same(read_lora(kohya).weights, weights)
    [scale] = [tensor for key, tensor in load(kohya).items() if key.endswith(".dora_scale")]
    assert scale.shape == (magnitude.numel(), *(1,) * (weights[f"{module}.lora_A.weight"].ndim - 1))
    unet, ours = make_unet("sd1"), make_unet("sd1")
    unet.load_lora_adapter(
        {key: tensor.float() for key, tensor in load(write_lora(weights, {})).items()}, prefix="unet"
    )
    bank = AdapterBank({"unet": ours})
    bank.add("x", weights)
    bank.activate({"x": 1.0})
    assert (draw(ours) - draw(make_unet("sd1"))).abs().max() > 1e-3
    assert torch.allclose(draw(unet), draw(ours), atol=1e-5)


@pytest.mark.parametrize("name", ["text_encoder", "text_encoder_2"])
def test_what_is_read_fits_into_the_bank(name: str) -> None:
    weights = random_lora(chosen("sdxl", rf"^{name}\.{TEXT}$"))
    encoder = make_text_encoder("sdxl", name)
    bank = AdapterBank({name: getattr(encoder, "text_model", encoder)})
    bank.add("x", read_lora(write_kohya_lora(weights, {}, sdxl=True)).weights)
    assert same(bank.weights("x"), weights)


# what others write


def kohya_file(**tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    return {f"{FLAT_Q}.{name.replace('__', '.')}": tensor for name, tensor in tensors.items()}


DOWN, UP = torch.ones(2, 8), torch.ones(8, 2)


def test_every_modules_own_alpha_is_honoured() -> None:
    other = FLAT_Q.replace("to_q", "to_k")
    first = kohya_file(lora_down__weight=torch.ones(8, 8), lora_up__weight=torch.ones(8, 8), alpha=torch.tensor(1.0))
    second = {f"{other}.lora_down.weight": DOWN, f"{other}.lora_up.weight": UP, f"{other}.alpha": torch.tensor(6.0)}
    weights = read_lora(save(first | second)).weights
    assert torch.equal(weights[f"unet.{Q}.lora_B.weight"], torch.full((8, 8), 1 / 8))
    assert torch.equal(weights[f"unet.{Q.replace('to_q', 'to_k')}.lora_B.weight"], torch.full((8, 2), 3.0))


def test_without_alpha_the_scale_is_one() -> None:
    weights = read_lora(save(kohya_file(lora_down__weight=DOWN, lora_up__weight=UP))).weights
    assert same(weights, {f"unet.{Q}.lora_A.weight": DOWN, f"unet.{Q}.lora_B.weight": UP})


@pytest.mark.parametrize(
    "form",
    ["unet.{}.lora_{}.weight", "{}.lora_{}.weight", "unet.{}.lora.{}.weight", "unet.{}_lora.{}.weight"],
)
def test_older_forms_of_diffusers_are_read(form: str) -> None:
    names = ("A", "B") if "lora_{}" in form else ("down", "up")
    module = Q.replace("attn1.", "attn1.processor.") if "_lora." in form else Q
    weights = read_lora(save({form.format(module, names[0]): DOWN, form.format(module, names[1]): UP})).weights
    assert same(weights, {f"unet.{Q}.lora_A.weight": DOWN, f"unet.{Q}.lora_B.weight": UP})


def test_both_formats_in_one_file_are_read_and_what_means_nothing_is_named() -> None:
    text = f"text_encoder.text_model.{TEXT}"
    data = save(
        kohya_file(lora_down__weight=DOWN, lora_up__weight=UP)
        | {f"{text}.lora_A.weight": DOWN.clone(), f"{text}.lora_B.weight": UP.clone(), "notes": torch.ones(1)}
    )
    file = read_lora(data)
    assert {key.rsplit(".lora_")[0] for key in file.weights} == {f"unet.{Q}", f"text_encoder.{TEXT}"}
    assert file.unused == ("notes",)


def test_a_convolution_with_a_core_becomes_a_plain_pair() -> None:
    rng = torch.Generator().manual_seed(0)
    up, mid, down = (torch.randn(shape, generator=rng) for shape in ((6, 2, 1, 1), (2, 2, 3, 3), (2, 5, 1, 1)))
    flat = "lora_unet_mid_block_resnets_0_conv1"
    data = {f"{flat}.lora_up.weight": up, f"{flat}.lora_mid.weight": mid, f"{flat}.lora_down.weight": down}
    weights = read_lora(save(data)).weights
    found = torch.einsum("or,rikl->oikl", weights["unet.mid_block.resnets.0.conv1.lora_B.weight"].flatten(1),
                         weights["unet.mid_block.resnets.0.conv1.lora_A.weight"])  # fmt: skip
    pixels = torch.randn(1, 5, 7, 7, generator=rng)
    conv = torch.nn.functional.conv2d
    assert torch.allclose(conv(pixels, found), conv(conv(conv(pixels, down), mid), up), atol=1e-5)


# pivotal adapters


@pytest.mark.parametrize("sdxl", [False, True])
@pytest.mark.parametrize("kohya", [False, True])
def test_vectors_travel_in_the_same_file_where_a1111_looks_for_them(sdxl: bool, kohya: bool) -> None:
    weights = random_lora({f"unet.{Q}": torch.Size((8, 8))})
    vectors = {"text_encoder": torch.randn(3, 8)} | ({"text_encoder_2": torch.randn(3, 10)} if sdxl else {})
    embedding = Embedding("thnos", vectors)
    if kohya:
        data = write_kohya_lora(weights, {}, sdxl=sdxl, embeddings=[embedding])
    else:
        data = write_lora(weights, {}, [embedding])
    names = {key for key in load(data) if "lora" not in key}
    assert names == {f"bundle_emb.thnos.{name}" for name in (("clip_l", "clip_g") if sdxl else ("string_to_param.*",))}
    file = read_lora(data)
    assert same(file.weights, weights)
    [found] = file.embeddings
    assert found.trigger == "thnos"
    assert found.count == 3
    assert same(dict(found.vectors), vectors)


# files that are no good


def flat_file(down: torch.Tensor, up: torch.Tensor, **more: torch.Tensor) -> dict[str, torch.Tensor]:
    return kohya_file(lora_down__weight=down, lora_up__weight=up, **more)


GOOD = flat_file(DOWN, UP)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({f"{FLAT_Q}.oft_blocks": DOWN}, "kind OFT, .* ask its maker for a LoRA"),
        ({"emb_params": DOWN}, "not a LoRA for Stable Diffusion: 'emb_params'"),
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": DOWN}, "not a LoRA for Stable Diffusion"),
        ({f"{FLAT_Q}.lora_down.weight": DOWN}, "attn1.to_q has no up matrix"),
        ({f"{FLAT_Q}.lora_up.weight": UP}, "attn1.to_q has no down matrix"),
        ({f"{FLAT_Q}.alpha": torch.tensor(1.0)}, "has no down matrix"),
        (flat_file(DOWN, torch.ones(8, 3)), "rank 2 on one side and 3 on the other"),
        (flat_file(torch.ones(2000, 1), torch.ones(1, 2000)), "rank 2,000; at most 1,280"),
        (flat_file(torch.ones(2, 2, 2), UP), "fit no adapter"),
        (flat_file(DOWN, torch.ones(8, 2, 3, 3)), "fit no adapter"),
        (flat_file(torch.ones(2), UP), "fit no adapter"),
        (flat_file(torch.ones(0, 8), torch.ones(8, 0)), "fit no adapter"),
        (flat_file(DOWN, UP, lora_mid__weight=torch.ones(3, 3, 3, 3)), "fit no adapter"),
        (flat_file(DOWN, UP, alpha=torch.ones(2)), "is no number but"),
        (flat_file(DOWN, UP, alpha=torch.tensor(float("inf"))), "not finite"),
        (flat_file(DOWN, UP * 9, alpha=torch.tensor(3e38)), "its scale of 1.5e\\+38 holds what is not finite"),
        (flat_file(DOWN, UP, dora_scale=torch.ones(1, 8)), "magnitudes over the inputs.*wd_on_output"),
        (flat_file(DOWN, UP, dora_scale=torch.ones(5, 1)), "5 magnitudes for 8 outputs"),
        (GOOD | {f"unet.{Q}.lora_A.weight": DOWN.clone()}, "given twice"),
        (GOOD | {f"bundle_emb.x.{name}": DOWN.clone() for name in ("clip_l", "emb_params")}, "given twice"),
        (GOOD | {"bundle_emb.x.clip_g": DOWN.clone()}, "none for the first text encoder"),
        (GOOD | {"bundle_emb.x.string_to_param.*": torch.ones(76, 8)}, "1 to 75 rows"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_broken_file_gives_one_sentence(tensors: dict[str, torch.Tensor], reason: str) -> None:
    with pytest.raises(BadAdapterFile, match=reason) as caught:
        read_lora(save({key: tensor.clone() for key, tensor in tensors.items()}))
    assert len(str(caught.value)) < 300


_SHAPES = st.lists(st.integers(0, 3), max_size=4)
_NAMES = [f"{FLAT_Q}.{end}" for end in ("lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha", "dora_scale")]


@given(st.dictionaries(st.sampled_from(_NAMES), _SHAPES, min_size=1))
def test_whatever_the_shapes_it_is_read_as_a_lora_or_refused(shapes: dict[str, list[int]]) -> None:
    try:
        weights = read_lora(save({name: torch.ones(shape) for name, shape in shapes.items()})).weights
    except BadAdapterFile:
        return
    down, up = weights[f"unet.{Q}.lora_A.weight"], weights[f"unet.{Q}.lora_B.weight"]
    assert up.shape[1] == down.shape[0]
    assert up.ndim == down.ndim
