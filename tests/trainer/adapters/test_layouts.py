"""Every layout of an adapter's file means what its makers say: W·x and the pair against the changed weight."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from tests.trainer.adapters import foreign
from tests.trainer.adapters.foreign import ALGORITHMS, SPELLINGS, Tensors, Written, chosen, write
from tests.trainer.adapters.tiny import FAMILIES, draw, make_text_encoder, make_unet
from trainer.adapters.bank import AdapterBank
from trainer.adapters.lora_files import LoraFile, read_lora
from trainer.adapters.safetensors_file import read_header
from trainer.adapters.slots import SlotBank
from trainer.contract.adapter_headers import identify
from trainer.contract.adapter_keys import ENDS, OTHER_ALGORITHMS
from trainer.errors import BadAdapterFile
from trainer.models.registry import EMBEDDED_FOLDER, read_base

Q = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
FLAT_Q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
FF = "unet.up_blocks.1.attentions.0.transformer_blocks.0.ff.net.2"
CONV = "unet.down_blocks.1.resnets.0.conv1"
FLAT_CONV = "lora_unet_down_blocks_1_resnets_0_conv1"


def apply(file: LoraFile, name: str, x: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """B·A·x as a layer applies it."""
    down, up = file.weights[f"{name}.lora_A.weight"], file.weights[f"{name}.lora_B.weight"]
    if len(shape) == 2:
        return x @ down.flatten(1).T @ up.flatten(1).T
    down = down if down.ndim == 4 else down[:, :, None, None]
    inner = torch.nn.functional.conv2d(x, down, padding=shape[-1] // 2)
    return torch.nn.functional.conv2d(inner, up.reshape(*up.shape[:2], 1, 1))


def check(file: LoraFile, changes: Tensors, shapes: dict[str, torch.Size]) -> None:
    """W·x and the pair against (W + Δ)·x, to 1e-5 of the greatest number in float32."""
    assert {key.rsplit(".lora_")[0] for key in file.weights} == changes.keys()
    rng = torch.Generator().manual_seed(1)
    for name, change in changes.items():
        shape = shapes[name]
        weight = torch.randn(shape, generator=rng) / 4
        changed = (weight + change).float()
        if len(shape) == 2:
            x = torch.randn(3, shape[1], generator=rng)
            plain, expected = x @ weight.T, x @ changed.T
        else:
            x = torch.randn(1, shape[1], 5, 5, generator=rng)
            plain, expected = (torch.nn.functional.conv2d(x, w, padding=shape[-1] // 2) for w in (weight, changed))
        found = plain + apply(file, name, x, shape)
        assert (expected - plain).abs().max() > 1e-2
        assert (found - expected).abs().max() <= 1e-5 * max(1, float(expected.abs().max())), name


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_algorithm_changes_every_layer_as_it_says(family: str, algorithm: Callable[..., Written]) -> None:
    data, changes = write(family, foreign.kohya, algorithm)
    file = read_lora(data)
    assert file.unused == ()
    assert file.used == file.total > 0
    check(file, changes, chosen(family))


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_spelling_names_the_same_layers(family: str, spelling: Callable[..., str]) -> None:
    data, changes = write(family, spelling, foreign.lora)
    file = read_lora(data)
    assert file.unused == ()
    check(file, changes, chosen(family))


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_header_alone_tells_the_family_of_every_spelling(family: str, spelling: Callable[..., str]) -> None:
    for algorithm in (foreign.lora, foreign.lokr_both):
        data, _ = write(family, spelling, algorithm)
        found = identify(*read_header(data))
        assert family in found.families
        assert ("sdxl" in found.families) == (family == "sdxl")
        assert (found.kind, found.layout != "unknown", len(found.parts)) == ("lora", True, 2)


def test_an_adapter_of_the_embedded_base_shows_its_width() -> None:
    spec = read_base(EMBEDDED_FOLDER, embedded=True)
    assert spec.context_width is not None
    name = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    written = foreign.peft_lora(torch.Size((8, spec.context_width)), 0)
    found = identify(*read_header(save({name + end: tensor for end, tensor in written.tensors.items()})))
    assert (found.context_width, spec.family in found.families) == (spec.context_width, True)


@pytest.mark.parametrize("algorithm", [foreign.locon, foreign.loha_tucker, foreign.lokr, foreign.full])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_draws_with_what_was_read_as_with_the_changed_weights(
    family: str, algorithm: Callable[..., Written]
) -> None:
    data, changes = write(family, foreign.kohya, algorithm)
    unet, changed, plain = make_unet(family), make_unet(family), draw(make_unet(family))
    mine = {name: change for name, change in changes.items() if name.startswith("unet.")}
    for name, change in mine.items():
        changed.get_submodule(name.removeprefix("unet.")).weight.data += 0.05 * change.float()
    bank = AdapterBank({"unet": unet})
    bank.add("x", {key: tensor for key, tensor in read_lora(data).weights.items() if key.startswith("unet.")})
    bank.activate({"x": 0.05})
    expected = draw(changed)
    assert (expected - plain).abs().max() > 1e-3
    assert torch.allclose(draw(unet), expected, atol=1e-5 * max(1, float(expected.abs().max())))
    unet = make_unet(family)
    slots = SlotBank(unet)
    weights = {key: tensor for key, tensor in read_lora(data).weights.items() if key.startswith("unet.")}
    slots.activate([((slots.fit({key.removeprefix("unet."): t for key, t in weights.items()}), 0.05),)])
    assert torch.allclose(draw(unet), expected, atol=1e-5 * max(1, float(expected.abs().max())))


def test_a_text_encoder_of_sd2_reads_through_the_bank_what_kohya_writes() -> None:
    data, changes = write("sd2", foreign.kohya, foreign.loha)
    encoder, changed = make_text_encoder("sd2"), make_text_encoder("sd2")
    inner = getattr(changed, "text_model", changed)
    weights = {key: t for key, t in read_lora(data).weights.items() if key.startswith("text_encoder.")}
    for name, change in changes.items():
        if name.startswith("text_encoder."):
            inner.get_submodule(name.removeprefix("text_encoder.")).weight.data += change.float()
    bank = AdapterBank({"text_encoder": getattr(encoder, "text_model", encoder)})
    bank.add("x", weights)
    bank.activate({"x": 1.0})
    ids = torch.arange(10)[None]
    with torch.no_grad():
        assert torch.allclose(encoder(ids)[0], changed(ids)[0], atol=1e-5)


# scales


def test_every_modules_own_alpha_counts_though_others_have_another() -> None:
    """What diffusers makes 0.125 of: alpha 3 of rank 8 beside alpha 1 of rank 8."""
    tensors = {}
    for name, alpha in (("to_q", 3.0), ("to_k", 1.0)):
        head = FLAT_Q.replace("to_q", name)
        tensors |= {f"{head}.lora_down.weight": torch.eye(8), f"{head}.lora_up.weight": torch.eye(8),
                    f"{head}.alpha": torch.tensor(alpha)}  # fmt: skip
    weights = read_lora(save({key: tensor.clone() for key, tensor in tensors.items()})).weights
    assert weights[f"{Q}.lora_B.weight"][0, 0] == 0.375
    assert weights[f"{Q.replace('to_q', 'to_k')}.lora_B.weight"][0, 0] == 0.125


def test_a_resized_file_has_ranks_of_its_own_and_a_block_weighted_one_leaves_layers_out() -> None:
    shapes = {Q: torch.Size((8, 8)), Q.replace("to_q", "to_v"): torch.Size((8, 8))}
    tensors, changes = {}, {}
    for rank, (name, shape) in enumerate(shapes.items(), 2):
        written = foreign.lora(shape, rank, alpha=0.5 * rank, rank=rank)
        tensors |= {foreign.kohya("sd1", *name.split(".", 1)) + end: t for end, t in written.tensors.items()}
        changes[name] = written.change
    file = read_lora(save(tensors))
    assert [len(file.weights[f"{name}.lora_A.weight"]) for name in shapes] == [2, 3]
    check(file, changes, shapes)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"unet.r": 4, "unet.lora_alpha": 8}, 2.0),
        ({"r": 4, "lora_alpha": 8}, 2.0),
        ({"unet.lora_alpha": 8, "unet.use_rslora": True}, 4.0),
        ({"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 1}}, 0.25),
        ({"unet.lora_alpha": 8, "unet.alpha_pattern": {"^mid_block.attentions.0.transformer_blocks.0.attn1.to_q$": 1}},
         0.25),
        ({"unet.lora_alpha": 8, "unet.alpha_pattern": {"tn1.to_q": 1, "to_k": 2}}, 2.0),
        ({"text_encoder.lora_alpha": 8}, 1.0),
        ({}, 1.0),
        ([1], 1.0),
    ],
)  # fmt: skip
def test_the_scale_that_diffusers_writes_into_the_header_counts(config: object, scale: float) -> None:
    written = foreign.peft_lora(torch.Size((8, 8)), 0)
    data = save({Q + end: tensor for end, tensor in written.tensors.items()},
                {"lora_adapter_metadata": json.dumps(config)})  # fmt: skip
    check(read_lora(data), {Q: written.change * scale}, {Q: torch.Size((8, 8))})


def test_an_alpha_beside_the_matrices_counts_before_the_header() -> None:
    written = foreign.lora(torch.Size((8, 8)), 0)
    data = save({FLAT_Q + end: tensor for end, tensor in written.tensors.items()},
                {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 99})})  # fmt: skip
    check(read_lora(data), {Q: written.change}, {Q: torch.Size((8, 8))})


def test_a_learned_scalar_multiplies_the_change() -> None:
    written = foreign.loha(torch.Size((8, 8)), 0)
    tensors = {FLAT_Q + end: tensor for end, tensor in written.tensors.items()}
    data = save(tensors | {f"{FLAT_Q}.scalar": torch.tensor(0.5)})
    check(read_lora(data), {Q: written.change / 2}, {Q: torch.Size((8, 8))})


# ranks


def test_no_pair_has_a_greater_rank_than_the_layer() -> None:
    shape = torch.Size((300, 200))
    for algorithm, rank in (
        (lambda: foreign.loha(shape, 0, rank=4), 16), (lambda: foreign.loha(shape, 0, rank=16), 200),
        (lambda: foreign.loha(shape, 0, rank=15), 200), (lambda: foreign.lokr(shape, 0, rank=4), 8),
        (lambda: foreign.lokr_whole(shape, 0), 200), (lambda: foreign.full(shape, 0), 200),
        (lambda: foreign.full_of_low_rank(shape, 0), 4),
    ):  # fmt: skip
        written = algorithm()
        file = read_lora(save({FLAT_Q + end: tensor.contiguous() for end, tensor in written.tensors.items()}))
        assert len(file.weights[f"{Q}.lora_A.weight"]) == rank
        check(file, {Q: written.change}, {Q: shape})


# DoRA


@pytest.mark.parametrize("algorithm", [foreign.lora, foreign.locon, foreign.loha, foreign.lokr_both, foreign.full])
@pytest.mark.parametrize(("name", "head"), [(FF, f"lora_{FF.replace('.', '_')}"), (CONV, FLAT_CONV)])
def test_dora_over_the_outputs_is_exact_on_every_algorithm(
    name: str, head: str, algorithm: Callable[..., Written]
) -> None:
    """Liu et al. 2024, eq. 5: the rows of W + Δ at the lengths of the file."""
    module = name.removeprefix("unet.")
    unet, changed = make_unet("sd1"), make_unet("sd1")
    weight = changed.get_submodule(module).weight
    written = algorithm(weight.shape, 0)
    direction = weight.data + written.change.float()
    sides = (-1, *(1,) * (weight.ndim - 1))
    scale = direction.flatten(1).norm(dim=1).reshape(sides) * torch.linspace(0.5, 2, len(weight)).reshape(sides)
    weight.data = direction * scale / direction.flatten(1).norm(dim=1).reshape(sides)
    tensors = {head + end: tensor for end, tensor in written.tensors.items()} | {f"{head}.dora_scale": scale}
    file = read_lora(save({key: tensor.contiguous() for key, tensor in tensors.items()}))
    assert file.unused == ()
    bank = AdapterBank({"unet": unet})
    bank.add("x", file.weights)
    bank.activate({"x": 1.0})
    expected = draw(changed)
    assert (expected - draw(make_unet("sd1"))).abs().max() > 1e-3
    assert torch.allclose(draw(unet), expected, atol=2e-5 * max(1, float(expected.abs().max())))


# names


@pytest.mark.parametrize(
    ("head", "layer"),
    [
        ("lora_te_transformer_resblocks_3_mlp_c_fc", "text_encoder.encoder.layers.3.mlp.fc1"),
        ("conditioner.embedders.1.model.transformer.resblocks.3.attn.out_proj",
         "text_encoder_2.encoder.layers.3.self_attn.out_proj"),
        ("cond_stage_model.model.transformer.resblocks.3.mlp.c_proj", "text_encoder.encoder.layers.3.mlp.fc2"),
        ("base_model.model.text_model.encoder.layers.0.mlp.fc1", "text_encoder.encoder.layers.0.mlp.fc1"),
        ("unet._orig_mod.mid_block.resnets.0.conv_shortcut", "unet.mid_block.resnets.0.conv_shortcut"),
        ("lora_te2_text_projection", "text_encoder_2.text_projection"),
        ("transformer.single_transformer_blocks.0.attn.to_q", None),
        ("lora_unet_double_blocks_0_img_attn_qkv", None),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q", None),
    ],
)  # fmt: skip
def test_less_common_names_are_known_or_named(head: str, layer: str | None) -> None:
    good = {FLAT_Q + end: tensor for end, tensor in foreign.lora(torch.Size((8, 8)), 0).tensors.items()}
    keys = {f"{head}.lora_A.default.weight": torch.ones(2, 8), f"{head}.lora_B.default.weight": torch.ones(8, 2)}
    file = read_lora(save(good | keys))
    assert {key.rsplit(".lora_")[0] for key in file.weights} == {Q} | ({layer} if layer else set())
    assert set(file.unused) == (set() if layer else keys.keys())
    assert file.total == file.used + len(file.unused) == len(good) + 2


def test_diffusers_first_form_of_text_encoders_is_read() -> None:
    head = "text_encoder.text_model.encoder.layers.0.self_attn"
    keys = {f"{head}.to_{name}_lora.{side}.weight": torch.ones(*shape)
            for name in ("q", "out") for side, shape in (("down", (2, 8)), ("up", (8, 2)))}  # fmt: skip
    file = read_lora(save(keys))
    layers = {f"text_encoder.encoder.layers.0.self_attn.{name}_proj" for name in ("q", "out")}
    assert ({key.rsplit(".lora_")[0] for key in file.weights}, file.unused) == (layers, ())


def test_one_name_for_both_text_encoders_is_told_by_the_width() -> None:
    head = "lora_te_text_model_encoder_layers_{}_self_attn_{}"
    tensors = {}
    for name in ("q_proj", "out_proj"):
        tensors[f"{head.format(20, name)}.lora_down.weight"] = torch.ones(1, 1280)
        tensors[f"{head.format(20, name)}.lora_up.weight"] = torch.ones(1280, 1)
    assert {key.split(".")[0] for key in read_lora(save(tensors)).weights} == {"text_encoder_2"}
    narrow = {key: torch.ones(*(768 if side == 1280 else 1 for side in t.shape)) for key, t in tensors.items()}
    assert {key.split(".")[0] for key in read_lora(save(narrow)).weights} == {"text_encoder"}


def test_changes_of_biases_and_norms_are_named_for_no_pair_can_hold_them() -> None:
    good = {FLAT_Q + end: tensor for end, tensor in foreign.full(torch.Size((8, 8)), 0).tensors.items()}
    norm = "lora_unet_mid_block_resnets_0_norm1"
    others = {f"{FLAT_Q}.diff_b": torch.ones(8), f"{norm}.w_norm": torch.ones(8), f"{norm}.b_norm": torch.ones(8),
              "lora_unet_mid_block_resnets_1_norm1.diff": torch.ones(8)}  # fmt: skip
    file = read_lora(save(good | others))
    assert set(file.unused) == others.keys()
    assert (file.used, file.total) == (1, 5)


# files that are no good


@pytest.mark.parametrize("mark", OTHER_ALGORITHMS)
def test_what_depends_on_the_base_is_refused_by_name_with_a_way_out(mark: str) -> None:
    with pytest.raises(BadAdapterFile, match=f"kind {OTHER_ALGORITHMS[mark]}.*ask its maker for a LoRA, or merge"):
        read_lora(save({f"{FLAT_Q}{mark}": torch.ones(2, 8)}))


def ones(head: str, **shapes: tuple[int, ...]) -> Tensors:
    return {f"{head}.{name}": torch.ones(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (ones(FLAT_Q, hada_w1_a=(8, 2), hada_w1_b=(2, 8)), "attn1.to_q has no hada_w2_a"),
        (ones(FLAT_Q, lokr_w1=(2, 2)), "has no lokr_w2_a"),
        (ones(FLAT_Q, hada_w1_a=(8, 2), hada_w1_b=(2, 8), hada_w2_a=(8, 2), hada_w2_b=(2, 9)), "fit no adapter"),
        (ones(FLAT_Q, hada_w1_a=(8, 2), hada_w1_b=(3, 8), hada_w2_a=(8, 2), hada_w2_b=(2, 8)),
         "rank 3 on one side and 2 on the other"),
        (ones(FLAT_Q, lokr_w1=(8000, 1), lokr_w2=(8000, 1)), "changes 64,000,000 × 1 weights, more than any layer has"),
        (ones(FLAT_Q, lokr_w1=(1, 1), lokr_w2=(2000, 2000)), "changes 2,000 × 2,000 weights, more than"),
        (ones(FLAT_Q, lokr_w1=(2, 2, 2, 2), lokr_w2=(2, 2)), "fit no adapter"),
        (ones(FLAT_Q, hada_w1_a=(1, 2), hada_w1_b=(1, 30_000), hada_t1=(1, 1, 60, 60), hada_w2_a=(1, 2),
              hada_w2_b=(1, 30_000), hada_t2=(1, 1, 60, 60)), "weights, more than any layer has"),
        (ones(FLAT_Q, diff=(2, 0)), "fit no adapter"),
        (ones(FLAT_CONV, hada_w1_a=(8, 2), hada_w1_b=(2, 8), hada_w2_a=(8, 2), hada_w2_b=(2, 8)),
         "is a convolution of 3 × 3, and changes 8 inputs"),
        (ones(FLAT_Q, diff=(8, 8), lokr_w1=(2, 2)), "given twice"),
        (ones(FLAT_Q, diff=(8, 8), alpha=(2,)), "no number"),
    ],
)  # fmt: skip
def test_a_broken_file_gives_one_sentence(tensors: Tensors, reason: str) -> None:
    with pytest.raises(BadAdapterFile, match=reason) as caught:
        read_lora(save(tensors))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("note", ["{", "[" * 100_000, '{"unet.lora_alpha": "8"}', '{"unet.lora_alpha": 1e999}',
                                  '{"unet.lora_alpha": true}'])  # fmt: skip
def test_a_broken_scale_in_the_header_gives_one_sentence(note: str) -> None:
    tensors = {Q + end: tensor for end, tensor in foreign.peft_lora(torch.Size((8, 8)), 0).tensors.items()}
    with pytest.raises(BadAdapterFile, match="lora_adapter_metadata"):
        read_lora(save(tensors, {"lora_adapter_metadata": note}))


_HEADS = [FLAT_Q, FLAT_CONV, f"{Q}", "base_model.model.conv_in", "clip_g.x", "", "lora_te_text_model_encoder_layers_0_"]
_KEYS = st.one_of(
    st.builds("{}{}".format, st.sampled_from(_HEADS), st.sampled_from(sorted(ENDS))),
    st.text("abdfhiklmnoprtuw_.012", max_size=30),
    st.builds("bundle_emb.{}.{}".format, st.sampled_from("ab"), st.sampled_from(["clip_l", "emb_params", "x"])),
)


@settings(max_examples=300)
@given(st.dictionaries(_KEYS, st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=8))
def test_whatever_keys_and_shapes_it_is_read_or_refused_and_every_key_is_used_or_named(
    shapes: dict[str, list[int]],
) -> None:
    try:
        file = read_lora(save({key: torch.ones(shape) for key, shape in shapes.items()}))
    except BadAdapterFile:
        return
    assert file.total == len(shapes)
    assert set(file.unused) < shapes.keys()
    assert file.used == len(shapes) - len(file.unused) > 0


@settings(max_examples=300)
@given(
    st.sampled_from(["hada_", "lokr_", "lora_", "diff"]).flatmap(
        lambda kind: st.dictionaries(
            st.sampled_from([end for end in ENDS if kind in end]), st.lists(st.integers(1, 3), min_size=1, max_size=4)
        )
    )
)
def test_whatever_the_shapes_of_an_algorithm_a_pair_comes_out_or_a_sentence(shapes: dict[str, list[int]]) -> None:
    try:
        weights = read_lora(save({FLAT_Q + end: torch.ones(shape) for end, shape in shapes.items()})).weights
    except BadAdapterFile:
        return
    down, up = weights[f"{Q}.lora_A.weight"], weights[f"{Q}.lora_B.weight"]
    assert up.shape[1] == down.shape[0]
    assert up.ndim == down.ndim in (2, 4)
