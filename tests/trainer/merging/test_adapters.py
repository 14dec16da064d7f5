"""Adapters into one: the sum exactly and cut to a rank, the average of factors, TIES and DARE."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.adapters.tiny import random_lora
from tests.trainer.merging.files import count_calls
from trainer.adapters.embedding_files import Embedding, read_embedding, write_embedding
from trainer.adapters.files import read_lora, write_kohya_lora, write_lora
from trainer.adapters.safetensors_file import tensor_bytes
from trainer.adapters.slots import PartDelta, SlotBank
from trainer.errors import UserFault
from trainer.merging import AdapterFile, AdapterPlan, ExportPlan, export_adapter, merge_adapters
from trainer.merging.sparse import dare, ties, trim
from trainer.models.loading import Base

SHAPES = {
    "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q": torch.Size((24, 20)),
    "unet.mid_block.resnets.0.conv1": torch.Size((16, 12, 3, 3)),
    "unet.down_blocks.0.attentions.0.proj_in": torch.Size((16, 16, 1, 1)),
    "text_encoder.encoder.layers.0.self_attn.q_proj": torch.Size((12, 12)),
}
Tensors = dict[str, torch.Tensor]


def deltas(weights: Tensors) -> Tensors:
    """Every layer's change, whole."""
    modules = [key.removesuffix(".lora_A.weight") for key in weights if key.endswith(".lora_A.weight")]
    return {
        module: weights[f"{module}.lora_B.weight"].flatten(1).double()
        @ weights[f"{module}.lora_A.weight"].flatten(1).double()
        for module in modules
    }


def save(path: Path, weights: Tensors, **options: float | str) -> AdapterFile:
    path.write_bytes(write_lora(weights, {}))
    return AdapterFile(path, path.stem, **options)  # type: ignore[arg-type]


def merge(plan: AdapterPlan, adapters: list[AdapterFile], tmp_path: Path) -> tuple[Tensors, object]:
    merged = merge_adapters(plan, adapters, tmp_path / "out.safetensors")
    return read_lora(merged.path.read_bytes()).weights, merged


def relative(found: Tensors, wanted: Tensors) -> float:
    lost = sum(float((found[key] - wanted[key]).square().sum()) for key in wanted)
    return (lost / sum(float(tensor.square().sum()) for tensor in wanted.values())) ** 0.5


@pytest.fixture
def two(tmp_path: Path) -> list[AdapterFile]:
    only = dict(list(SHAPES.items())[1:])
    return [
        save(tmp_path / "a.safetensors", random_lora(SHAPES, 4, 1), weight=0.6, te_weight=0.25),
        save(tmp_path / "b.safetensors", random_lora(only, 2, 2), weight=-0.4),
    ]


def wanted_sum() -> Tensors:
    a, b = deltas(random_lora(SHAPES, 4, 1)), deltas(random_lora(dict(list(SHAPES.items())[1:]), 2, 2))
    return {
        key: (0.25 if key.startswith("text") else 0.6) * a[key] - 0.4 * b.get(key, torch.zeros_like(a[key]))
        for key in a
    }


def test_the_exact_sum_has_the_ranks_of_both_and_weights_per_part(two: list[AdapterFile], tmp_path: Path) -> None:
    found, merged = merge(AdapterPlan("exact", dtype="float32"), two, tmp_path)
    wanted = wanted_sum()
    assert relative(deltas(found), wanted) < 1e-6
    assert {len(tensor) for key, tensor in found.items() if "lora_A" in key} == {4, 6}
    assert (merged.kind, merged.rank, merged.left_out) == ("lora", 6, ())
    assert merged.error < 1e-6
    assert merged.keys_used == 2 * 4 + 2 * 3
    assert merged.sentences[0] == "Exact sum of 0.6 · a + -0.4 · b."


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_a_smaller_rank_loses_is_what_it_says(two: list[AdapterFile], tmp_path: Path, dtype) -> None:
    found, merged = merge(AdapterPlan("exact", rank=3, dtype=dtype), two, tmp_path)
    wanted = wanted_sum()
    assert all(len(tensor) == 3 for key, tensor in found.items() if "lora_A" in key)
    assert merged.error == pytest.approx(relative(deltas(found), wanted), rel=1e-3)
    each = {key: relative({key: deltas(found)[key]}, {key: wanted[key]}) for key in wanted}
    assert merged.worst_layer == max(each, key=each.__getitem__)
    assert merged.worst_error == pytest.approx(max(each.values()), rel=1e-3)


def test_nothing_of_that_rank_is_nearer(two: list[AdapterFile], tmp_path: Path) -> None:
    found, _ = merge(AdapterPlan("exact", rank=2, dtype="float32"), two, tmp_path)
    for key, wanted in wanted_sum().items():
        tail = torch.linalg.svdvals(wanted)[2:].square().sum().sqrt()
        assert float((deltas(found)[key] - wanted).norm()) == pytest.approx(float(tail), rel=1e-4, abs=1e-5)


def test_files_of_kohya_with_mixed_alphas_and_a_loha_are_put_together_by_what_they_do(tmp_path: Path) -> None:
    weights = random_lora(SHAPES, 4, 1)
    kohya = tmp_path / "kohya.safetensors"
    kohya.write_bytes(write_kohya_lora(weights, {}, sdxl=False, lora_alpha=1.0))
    rng = torch.Generator().manual_seed(3)
    shapes = {"a": (24, 2), "b": (2, 20)}
    factors = {f"hada_w{n}_{end}": torch.randn(shapes[end], generator=rng) for n in "12" for end in "ab"}
    module = next(iter(SHAPES))
    head = "lora_unet_" + module.removeprefix("unet.").replace(".", "_")
    loha = tmp_path / "loha.safetensors"
    extra = {f"{head}.alpha": torch.tensor(1.0), "lora_unet_conv_norm_out.diff_b": torch.ones(3)}
    loha.write_bytes(tensor_bytes({f"{head}.{end}": tensor for end, tensor in factors.items()} | extra, {}))
    found, merged = merge(
        AdapterPlan("exact", dtype="float32"), [AdapterFile(kohya, "k"), AdapterFile(loha, "l", 0.5)], tmp_path
    )
    first = (factors["hada_w1_a"] @ factors["hada_w1_b"]) * (factors["hada_w2_a"] @ factors["hada_w2_b"])
    wanted = deltas(weights)
    wanted[module] = wanted[module] + 0.5 * first.double() / 2
    assert relative(deltas(found), wanted) < 1e-3  # kohya's file is in float16
    assert merged.left_out == ("l: lora_unet_conv_norm_out.diff_b",)


def test_the_average_of_factors_has_cross_terms_and_says_what_they_weigh(tmp_path: Path) -> None:
    a, b = random_lora(SHAPES, 4, 1), random_lora(SHAPES, 4, 2)
    files = [save(tmp_path / "a.safetensors", a, weight=0.5), save(tmp_path / "b.safetensors", b, weight=-0.5)]
    found, merged = merge(AdapterPlan("linear", dtype="float32"), files, tmp_path)
    assert merged.rank == 4
    for module in SHAPES:
        (down_a, up_a), (down_b, up_b) = (
            [weights[f"{module}.lora_{end}.weight"].flatten(1).double() for end in "AB"] for weights in (a, b)
        )
        expected = 0.5 * (up_a - up_b) @ (down_a + down_b)
        assert torch.allclose(deltas(found)[module], expected, atol=1e-5)
    exact = {key: 0.5 * (deltas(a)[key] - deltas(b)[key]) for key in SHAPES}
    assert merged.error == pytest.approx(relative(deltas(found), exact), rel=1e-4)
    assert ", by the cross-terms of the factors." in merged.sentences[1]


def test_the_average_of_an_adapter_with_itself_is_that_adapter(tmp_path: Path) -> None:
    weights = random_lora(SHAPES, 4, 1)
    file = save(tmp_path / "a.safetensors", weights, weight=0.5)
    found, merged = merge(AdapterPlan("linear", dtype="float32"), [file, file], tmp_path)
    # ½·B·A and, as cross-terms, ½ of each with the other: twice as much as was asked for
    assert relative(deltas(found), {key: 2 * tensor for key, tensor in deltas(weights).items()}) < 1e-6
    assert merged.error == pytest.approx(1, abs=1e-5)


def test_factors_of_two_ranks_are_not_averaged(two: list[AdapterFile], tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="a and b have ranks 4 and 2"):
        merge(AdapterPlan("linear"), two, tmp_path)


def test_ties_as_the_paper_has_it_on_a_case_worked_by_hand() -> None:
    one, two = torch.tensor([4.0, -3.0, 0.1, 2.0]), torch.tensor([2.0, 5.0, -0.2, -1.0])
    assert trim(one, 0.75).tolist() == [4.0, -3.0, 0.0, 2.0]
    # trimmed: (4, −3, 0, 2) and (2, 5, 0, −1); elected: +, +, 0, +; the mean of those that agree
    assert ties([one, two], 0.75).tolist() == [3.0, 5.0, 0.0, 2.0]
    assert ties([one, two], 0.75, scale=2.0).tolist() == [6.0, 10.0, 0.0, 4.0]
    assert ties([one], 1.0).tolist() == one.tolist()


def test_dare_keeps_the_density_and_the_sum_on_average_and_is_the_same_for_the_same_seed() -> None:
    delta = torch.ones(400, 500)
    kept = dare(delta, 0.3, 7, "a")
    assert float((kept != 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(kept.mean()) == pytest.approx(1, abs=0.03)
    assert kept.max() == pytest.approx(1 / 0.3)
    assert torch.equal(kept, dare(delta, 0.3, 7, "a"))
    assert not torch.equal(kept, dare(delta, 0.3, 8, "a"))
    assert not torch.equal(kept, dare(delta, 0.3, 7, "b"))
    assert torch.equal(dare(delta, 1.0, 7, "a"), delta)


@pytest.mark.parametrize("method", ["ties", "dare"])
def test_sparse_methods_are_written_as_the_nearest_of_a_rank(two: list[AdapterFile], tmp_path: Path, method) -> None:
    found, merged = merge(AdapterPlan(method, rank=5, density=0.6, seed=3, dtype="float32"), two, tmp_path)
    again, _ = merge(AdapterPlan(method, rank=5, density=0.6, seed=3, dtype="float32"), two, tmp_path)
    assert all(torch.equal(again[key], tensor) for key, tensor in found.items())
    assert merged.rank == 5
    assert 0 < merged.error < 1
    full, whole = merge(AdapterPlan(method, rank=100, density=0.6, seed=3, dtype="float32"), two, tmp_path)
    assert whole.error < 1e-5  # of a rank as great as the layers' narrower sides
    assert merged.error == pytest.approx(relative(deltas(found), deltas(full)), rel=1e-3)
    assert ("seed 3" in merged.sentences[0]) == (method == "dare")


def test_dare_of_everything_is_the_exact_sum(two: list[AdapterFile], tmp_path: Path) -> None:
    found, _ = merge(AdapterPlan("dare", rank=6, density=1.0, dtype="float32"), two, tmp_path)
    assert relative(deltas(found), wanted_sum()) < 1e-5


def test_progress_is_told_layer_by_layer(two: list[AdapterFile], tmp_path: Path) -> None:
    calls, watch = count_calls()
    merge_adapters(AdapterPlan(), two, tmp_path / "out.safetensors", watch)
    assert calls == [(done, 4) for done in range(5)]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (AdapterPlan(rank=0), "rank 0"),
        (AdapterPlan(rank=5000), "rank 5000"),
        (AdapterPlan("ties", density=0), "density 0"),
        (AdapterPlan(dtype="float8_e4m3fn"), "take kohya's form"),
    ],
)
def test_values_that_make_no_sense_are_named(two: list[AdapterFile], tmp_path: Path, plan, message: str) -> None:
    with pytest.raises(UserFault, match=message):
        merge(plan, two, tmp_path)
    with pytest.raises(UserFault, match="1 adapters were given"):
        merge(AdapterPlan(), two[:1], tmp_path)


def test_adapters_that_can_not_be_put_together_are_named(two: list[AdapterFile], tmp_path: Path) -> None:
    other = save(tmp_path / "wide.safetensors", random_lora(dict.fromkeys(SHAPES, torch.Size((30, 30))), 4))
    with pytest.raises(UserFault, match="a and wide change layers of other sizes in text_encoder"):
        merge(AdapterPlan(), [two[0], other], tmp_path)
    module = next(iter(SHAPES))
    dora = save(
        tmp_path / "dora.safetensors",
        random_lora(SHAPES, 4) | {f"{module}.lora_magnitude_vector": torch.ones(24)},
    )
    with pytest.raises(UserFault, match="dora is a DoRA"):
        merge(AdapterPlan(), [two[0], dora], tmp_path)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no adapter")
    with pytest.raises(UserFault, match="broken can't be used"):
        merge(AdapterPlan(), [two[0], AdapterFile(broken, "broken")], tmp_path)


@pytest.mark.parametrize(
    "key", ["unet.conv_in.lora_A.weight", "unet.conv_in.lora_magnitude_vector", "bundle_emb.x.emb_params"]
)
def test_values_that_are_not_finite_are_named(two: list[AdapterFile], tmp_path: Path, key: str) -> None:
    good = random_lora({"unet.conv_in": torch.Size((8, 4, 3, 3))}, 2)
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(tensor_bytes(good | {key: torch.full((2, 8), float("nan"))}, {}))
    with pytest.raises(UserFault, match=f"bad can't be used: .*{key}' holds a value that is not finite"):
        export_adapter(ExportPlan(), AdapterFile(bad, "bad"), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


# -- words ------------------------------------------------------------------------------------------------------------


def word(tmp_path: Path, name: str, count: int, width: int = 8, weight: float = 1.0) -> AdapterFile:
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(len(name) + count))
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(write_embedding(Embedding(name, {"text_encoder": rows}), {}))
    return AdapterFile(path, name, weight, kind="textual_inversion", trigger=name)


def rows(path: Path) -> torch.Tensor:
    return read_embedding(path.read_bytes())[0].vectors["text_encoder"]


def test_words_are_put_one_behind_the_other(tmp_path: Path) -> None:
    one, two = word(tmp_path, "one", 2), word(tmp_path, "other", 3)
    merged = merge_adapters(AdapterPlan(trigger="both"), [one, two], tmp_path / "out.safetensors")
    assert merged.kind == "textual_inversion"
    assert torch.equal(rows(merged.path), torch.cat([rows(one.path), rows(two.path)]))
    assert merged.sentences == ("5 vectors of one, other, one behind the other.",)


def test_words_of_as_many_vectors_can_be_averaged(tmp_path: Path) -> None:
    one, two = word(tmp_path, "one", 2, weight=0.7), word(tmp_path, "other", 2, weight=0.3)
    merged = merge_adapters(AdapterPlan("linear"), [one, two], tmp_path / "out.safetensors")
    assert torch.allclose(rows(merged.path), 0.7 * rows(one.path) + 0.3 * rows(two.path))


@pytest.mark.parametrize(
    ("method", "second", "message"),
    [
        ("exact", {"count": 2, "weight": 0.5}, r"other is a textual inversion, and a word has no weight 0\.5"),
        ("linear", {"count": 3}, "one has 2 vectors and other 3"),
        ("exact", {"count": 74}, "together they have 76 vectors"),
        ("exact", {"count": 2, "width": 9}, "one and other are for different families"),
        ("ties", {"count": 2}, "ties is for LoRAs"),
    ],
)
def test_what_makes_no_sense_of_words_is_refused(tmp_path: Path, method, second: dict, message: str) -> None:
    with pytest.raises(UserFault, match=message):
        merge_adapters(
            AdapterPlan(method), [word(tmp_path, "one", 2), word(tmp_path, "other", **second)], tmp_path / "out"
        )


def test_a_word_beside_a_lora_goes_into_its_file(two: list[AdapterFile], tmp_path: Path) -> None:
    thnos = word(tmp_path, "thnos", 2)
    merged = merge_adapters(AdapterPlan(), [two[0], thnos], tmp_path / "out.safetensors")
    file = read_lora(merged.path.read_bytes())
    assert [each.trigger for each in file.embeddings] == ["thnos"]
    assert torch.equal(file.embeddings[0].vectors["text_encoder"], rows(thnos.path))
    assert merged.sentences[0] == "Exact sum of 0.6 · a, with the words thnos."
    with pytest.raises(UserFault, match="two of the adapters bring vectors for the word 'thnos'"):
        merge_adapters(AdapterPlan(), [AdapterFile(merged.path, "m"), thnos], tmp_path / "other.safetensors")


def test_the_merge_draws_what_a_prompt_with_both_tags_draws(base: Base, tmp_path: Path) -> None:
    shapes = {
        f"unet.{name}": module.weight.shape
        for name, module in base.unet.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and ("attn" in name or "resnets" in name)
    }
    a, b = random_lora(shapes, 4, 1), random_lora(dict(list(shapes.items())[::2]), 2, 2)
    files = [save(tmp_path / "a.safetensors", a, weight=0.6), save(tmp_path / "b.safetensors", b, weight=0.4)]
    found, _ = merge(AdapterPlan("exact", dtype="float32"), files, tmp_path)
    bank = SlotBank(base.unet)
    fitted = [bank.fit({key.removeprefix("unet."): t for key, t in each.items()}) for each in (a, b, found)]
    latents = torch.randn(1, 12, 16, 16, generator=torch.Generator().manual_seed(0))
    conditioning = base.encode_prompts(["thnos in a suit"])

    def predict(*mix: tuple[PartDelta, float]) -> torch.Tensor:
        bank.activate([mix])
        with torch.no_grad():
            return base.predict(latents, torch.tensor([500]), conditioning)

    both, merged, plain = predict((fitted[0], 0.6), (fitted[1], 0.4)), predict((fitted[2], 1.0)), predict()
    assert (both - plain).abs().max() > 0.1
    assert (both - merged).abs().max() < 1e-3 * (both - plain).abs().max()
