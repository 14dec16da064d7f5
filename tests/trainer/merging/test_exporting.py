"""An adapter for other programs: their names, smaller, without what is private, and the same when it comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin, StableDiffusionXLLoraLoaderMixin
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from tests.trainer.adapters.tiny import FAMILIES, draw, lora_modules, make_unet, random_lora
from tests.trainer.merging.test_adapters import deltas, relative
from trainer.adapters.embedding_files import Embedding, read_embedding, write_embedding
from trainer.adapters.files import read_lora, write_kohya_lora, write_lora
from trainer.adapters.rounding import FLOAT8, fit, lift
from trainer.adapters.safetensors_file import tensor_bytes
from trainer.errors import UserFault
from trainer.merging import AdapterFile, ExportPlan, export_adapter
from trainer.merging.pairs import Pair, truncate

DTYPES = ("float32", "float16", "bfloat16")
FORMS = [(form, dtype) for form in ("kohya", "diffusers") for dtype in DTYPES] + [("kohya", "float8_e4m3fn")]
PRIVATE = {
    "ss_dataset_dirs": json.dumps({"10_thnos": {"n_repeats": 10}}), "ss_tag_frequency": json.dumps({"x": {"ada": 3}}),
    "ss_session_id": "42", "ss_training_started_at": "1700000000.0", "ss_output_dir": "/home/ada/out",
    "ss_training_comment": "my dog", "anything": "else", "ss_reg_dataset_dirs": "{}", "ss_vae_name": "C:\\vae.pt",
}  # fmt: skip
PUBLIC = {
    "ss_network_module": "networks.lora", "ss_network_dim": "8", "ss_network_alpha": "4", "ss_resolution": "(512, 512)",
    "modelspec.title": "thnos", "modelspec.trigger_phrase": "thnos", "darkroom.base": "sd15", "darkroom.rank": "8",
}  # fmt: skip


def some(family: str) -> dict[str, torch.Size]:
    """A few layers of every part of a family."""
    return dict(list(lora_modules(family).items())[::9])


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.mark.parametrize(("form", "dtype"), FORMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_exported_and_imported_it_is_exported_the_same(family: str, form: str, dtype: str, tmp_path: Path) -> None:
    weights = random_lora(some(family), 5, 1)
    source = tmp_path / "kohya.safetensors"
    source.write_bytes(write_kohya_lora(weights, PUBLIC | PRIVATE, sdxl=family == "sdxl", lora_alpha=3.0))
    plan = ExportPlan(form, dtype=dtype, sdxl=family == "sdxl")  # type: ignore[arg-type]
    first = export_adapter(plan, AdapterFile(source, "thnos"), tmp_path / "first.safetensors")
    again = export_adapter(plan, AdapterFile(first.path, "thnos"), tmp_path / "again.safetensors")
    one, other = load_file(first.path), load_file(again.path)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key].float(), other[key].float()) for key in one)
    assert metadata_of(first.path) == metadata_of(again.path)
    assert first.path.read_bytes() == again.path.read_bytes()
    assert again.error < 1e-6
    assert {tensor.dtype for key, tensor in one.items() if not key.endswith("alpha")} == {getattr(torch, dtype)}


@pytest.mark.parametrize("form", ["kohya", "diffusers"])
def test_nothing_private_is_written_and_ranks_are_told_as_they_are(form, tmp_path: Path) -> None:
    source = tmp_path / "a.safetensors"
    source.write_bytes(write_kohya_lora(random_lora(some("sd1"), 8, 1), PUBLIC | PRIVATE, sdxl=False))
    merged = export_adapter(ExportPlan(form, rank=3), AdapterFile(source, "a"), tmp_path / "out.safetensors")
    found = metadata_of(merged.path)
    assert not found.keys() & PRIVATE.keys()
    assert b"/home/ada" not in merged.path.read_bytes()
    expected = PUBLIC | {"ss_network_dim": "3", "ss_network_alpha": "3", "darkroom.rank": "3"}
    assert {key: found[key] for key in expected} == expected
    given_ = export_adapter(
        ExportPlan(form, metadata={"modelspec.title": "b", "ss_session_id": "1"}), AdapterFile(source, "a"), merged.path
    )
    assert {key for key in metadata_of(given_.path) if not key.startswith("sshs")} <= {"format", "modelspec.title"}


def test_an_alpha_in_the_configuration_of_peft_is_not_counted_twice(tmp_path: Path) -> None:
    weights = random_lora(some("sd1"), 4, 1)
    source = tmp_path / "peft.safetensors"
    config = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 2, "text_encoder.lora_alpha": 2})}
    source.write_bytes(write_lora(weights, config))
    merged = export_adapter(
        ExportPlan("diffusers", dtype="float32"), AdapterFile(source, "a"), tmp_path / "out.safetensors"
    )
    found = deltas(read_lora(merged.path.read_bytes()).weights)
    assert relative(found, {key: tensor / 2 for key, tensor in deltas(weights).items()}) < 1e-3


@pytest.mark.parametrize(("form", "dtype"), FORMS)
def test_what_it_costs_is_what_a_reader_of_the_file_finds(form, dtype, tmp_path: Path) -> None:
    weights = random_lora(some("sd1"), 8, 1)
    for key in weights:  # as trained ones are: A of a hundredth, B smaller still
        weights[key] = weights[key] * (0.02 if "lora_A" in key else 0.004)
    source = tmp_path / "a.safetensors"
    source.write_bytes(write_lora(weights, {}, dtype=torch.float32))
    merged = export_adapter(ExportPlan(form, 5, dtype=dtype), AdapterFile(source, "a"), tmp_path / "out.safetensors")
    found, wanted = deltas(read_lora(merged.path.read_bytes()).weights), deltas(weights)
    assert merged.rank == 5
    assert merged.error == pytest.approx(relative(found, wanted), rel=1e-3)
    each = {key: relative({key: found[key]}, {key: wanted[key]}) for key in wanted}
    assert merged.worst_error == pytest.approx(max(each.values()), rel=1e-3)
    assert merged.sentences[0].startswith("Rank 5; the effective weights are ")


def test_float8_costs_little_for_small_numbers_too(tmp_path: Path) -> None:
    weights = random_lora(some("sd1"), 8, 1)
    for key in weights:
        size = 2.0 ** -(len(key) % 6)  # as layers learn unlike much
        weights[key] = weights[key] * (0.02 if "lora_A" in key else 0.004 * size)
    source = tmp_path / "a.safetensors"
    source.write_bytes(write_lora(weights, {}, dtype=torch.float32))
    merged = export_adapter(
        ExportPlan("kohya", dtype="float8_e4m3fn"), AdapterFile(source, "a"), tmp_path / "out.safetensors"
    )
    assert 0.001 < merged.error < 0.04
    assert merged.worst_error < 0.05
    assert merged.path.stat().st_size < 0.5 * source.stat().st_size


def test_the_share_that_is_kept_decides_each_layers_rank(tmp_path: Path) -> None:
    weights = random_lora(some("sd1"), 8, 1)
    source = tmp_path / "a.safetensors"
    source.write_bytes(write_lora(weights, {}))
    merged = export_adapter(
        ExportPlan(kept=0.8, dtype="float32"), AdapterFile(source, "a"), tmp_path / "out.safetensors"
    )
    found = deltas(read_lora(merged.path.read_bytes()).weights)
    for key, wanted in deltas(weights).items():
        assert float(found[key].norm() / wanted.norm()) >= 0.8 - 1e-6
    assert merged.rank < 8


def test_a_dora_keeps_its_magnitudes(tmp_path: Path) -> None:
    module, shape = next(iter(some("sd1").items()))
    weights = random_lora({module: shape}, 4, 1) | {f"{module}.lora_magnitude_vector": torch.rand(shape[0])}
    source = tmp_path / "a.safetensors"
    source.write_bytes(write_lora(weights, {}, dtype=torch.float32))
    merged = export_adapter(
        ExportPlan("kohya", 2, dtype="float8_e4m3fn"), AdapterFile(source, "a"), tmp_path / "out.safetensors"
    )
    found = read_lora(merged.path.read_bytes()).weights[f"{module}.lora_magnitude_vector"]
    assert torch.allclose(found.flatten(), weights[f"{module}.lora_magnitude_vector"], atol=1e-3)
    assert merged.sentences[-1].startswith("It is a DoRA")


def test_words_go_into_kohyas_file_and_beside_that_of_diffusers(tmp_path: Path) -> None:
    vectors = {"text_encoder": torch.randn(2, 8, generator=torch.Generator().manual_seed(0))}
    source = tmp_path / "a.safetensors"
    source.write_bytes(write_lora(random_lora(some("sd1"), 2, 1), {}, [Embedding("thnos", vectors)]))
    kohya = export_adapter(ExportPlan("kohya"), AdapterFile(source, "a"), tmp_path / "k.safetensors")
    assert [each.trigger for each in read_lora(kohya.path.read_bytes()).embeddings] == ["thnos"]
    assert kohya.beside == ()
    plain = export_adapter(ExportPlan("diffusers"), AdapterFile(source, "a"), tmp_path / "d.safetensors")
    assert read_lora(plain.path.read_bytes()).embeddings == ()
    [beside] = plain.beside
    assert beside == tmp_path / "d-words-1.safetensors"
    assert torch.equal(read_embedding(beside.read_bytes())[0].vectors["text_encoder"], vectors["text_encoder"])
    assert "thnos" in plain.sentences[-1]


@pytest.mark.parametrize("form", ["kohya", "diffusers"])
def test_a_textual_inversion_changes_its_form_alone(form, tmp_path: Path) -> None:
    vectors = {"text_encoder": torch.randn(3, 8, generator=torch.Generator().manual_seed(0))}
    source = tmp_path / "w.safetensors"
    source.write_bytes(write_embedding(Embedding("thnos", vectors), PUBLIC | PRIVATE))
    adapter = AdapterFile(source, "w", kind="textual_inversion", trigger="thnos")
    merged = export_adapter(ExportPlan(form), adapter, tmp_path / "out.safetensors")
    assert load_file(merged.path).keys() == {"emb_params" if form == "kohya" else "thnos"}
    assert torch.equal(next(iter(load_file(merged.path).values())), vectors["text_encoder"])
    assert not metadata_of(merged.path).keys() & PRIVATE.keys()
    with pytest.raises(UserFault, match="w is a textual inversion, which has no rank"):
        export_adapter(ExportPlan(form, 4), adapter, tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (ExportPlan(rank=0), "rank 0"),
        (ExportPlan(kept=1.5), "1.5 is no share"),
        (ExportPlan("diffusers", dtype="float8_e4m3fn"), "take kohya's form"),
    ],
)
def test_values_that_make_no_sense_are_named(plan: ExportPlan, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserFault, match=message):
        export_adapter(plan, AdapterFile(tmp_path / "a", "a"), tmp_path / "b")


def test_what_is_no_adapter_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.safetensors"
    source.write_bytes(tensor_bytes({"hello": torch.ones(3)}, {}))
    for kind in ("lora", "textual_inversion"):
        file = AdapterFile(source if kind == "lora" else tmp_path / "gone", "a", kind=kind)  # type: ignore[arg-type]
        with pytest.raises(UserFault, match="a can't be"):
            export_adapter(ExportPlan(), file, tmp_path / "b.safetensors")


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6))
def test_what_is_lifted_into_float8_is_lifted_by_as_much_again(seed: int, size: float) -> None:
    tensor = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed)) * size
    gain = lift(tensor)
    once = fit(tensor * gain, FLOAT8)
    assert once.dtype == FLOAT8
    assert 224 < once.float().abs().max() <= 448
    assert lift(once.float()) == 1
    assert lift(once.float() / gain) == gain


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12))
def test_cutting_to_a_rank_is_the_truncated_svd_of_the_whole(seed: int, out: int, inputs: int, have: int, rank: int):
    rng = torch.Generator().manual_seed(seed)
    pair = Pair(torch.randn(have, inputs, generator=rng), torch.randn(out, have, generator=rng))
    cut = truncate(pair, rank)
    assert cut.rank <= min(rank, have, out, inputs)
    s = torch.linalg.svdvals(pair.delta().double())
    lost = float((cut.delta().double() - pair.delta().double()).norm())
    assert lost == pytest.approx(float(s[rank:].square().sum().sqrt()), abs=1e-4 * float(s[0]) + 1e-6)


def test_a_kohya_file_of_mixed_alphas_and_ranks_comes_out_with_the_effective_weights_that_it_had(
    tmp_path: Path,
) -> None:
    tensors, wanted = {}, {}
    rng = torch.Generator().manual_seed(1)
    for place, (module, (out, inputs)) in enumerate(
        (key, shape) for key, shape in lora_modules("sd1").items() if "attn1.to_" in key and "out" not in key
    ):
        rank, alpha = 2 + place % 5, 0.5 + place % 3
        name = "lora_unet_" + module.removeprefix("unet.").replace(".", "_")
        down, up = torch.randn(rank, inputs, generator=rng), torch.randn(out, rank, generator=rng)
        tensors |= {
            f"{name}.lora_down.weight": down,
            f"{name}.lora_up.weight": up,
            f"{name}.alpha": torch.tensor(alpha),
        }
        wanted[module] = up.double() @ down.double() * alpha / rank
    source = tmp_path / "source.safetensors"
    source.write_bytes(tensor_bytes(tensors, {}))
    for form in ("kohya", "diffusers"):
        plan = ExportPlan(form, dtype="float32")  # type: ignore[arg-type]
        merged = export_adapter(plan, AdapterFile(source, "a"), tmp_path / "out.safetensors")
        found = deltas(read_lora(merged.path.read_bytes()).weights)
        assert found.keys() == wanted.keys()
        assert relative(found, wanted) < 1e-6


def test_what_float8_can_not_hold_is_left_in_float32() -> None:
    assert fit(torch.tensor([500.0]), FLOAT8).dtype == torch.float32
    assert fit(torch.tensor([448.0]), FLOAT8).dtype == FLOAT8
    assert fit(torch.tensor([1e6]), torch.float16).dtype == torch.float32


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("form", "dtype"), [("kohya", "float32"), ("diffusers", "float32"), ("kohya", "float8_e4m3fn")]
)
def test_diffusers_draws_with_an_export_whose_layers_have_ranks_of_their_own(
    family: str, form, dtype, tmp_path: Path
) -> None:
    words = r"unet.*(s\.0\.(attn\d\.to_|ff\.net)|proj_in)"
    weights = random_lora({key: shape for key, shape in lora_modules(family).items() if re.search(words, key)}, 6)
    for place, key in enumerate(weights):  # some layers' changes end in less than others'
        weights[key] = weights[key] * torch.logspace(0, -(place % 5), 6).reshape(
            (-1,) + (1,) * (weights[key].ndim - 1) if "lora_A" in key else (1, -1) + (1,) * (weights[key].ndim - 2)
        )
    source = tmp_path / "source.safetensors"
    source.write_bytes(write_lora(weights, {}, dtype=torch.float32))
    plan = ExportPlan(form, kept=0.95, dtype=dtype, sdxl=family == "sdxl")
    merged = export_adapter(plan, AdapterFile(source, "a"), tmp_path / "out.safetensors")
    ours = read_lora(merged.path.read_bytes()).weights
    assert len({len(tensor) for key, tensor in ours.items() if "lora_A" in key}) > 2
    loader = StableDiffusionXLLoraLoaderMixin if family == "sdxl" else StableDiffusionLoraLoaderMixin
    unet, bare = make_unet(family), make_unet(family)
    state, alphas, *_ = loader.lora_state_dict(load_file(merged.path), unet_config=unet.config)
    loader.load_lora_into_unet(state, alphas, unet)
    for key, change in deltas(ours).items():
        layer = bare.get_submodule(key.removeprefix("unet."))
        layer.weight.data += change.float().reshape(layer.weight.shape)
    expected = draw(bare)
    assert (expected - draw(make_unet(family))).abs().max() > 1e-2
    assert torch.allclose(draw(unet), expected, atol=1e-4 * max(1, float(expected.abs().max())))
