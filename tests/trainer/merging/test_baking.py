"""Adapters in a whole model's weights: it draws as the model does with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.adapters.tiny import FAMILIES, random_lora
from tests.trainer.merging.files import load_model
from trainer.adapters.embedding_files import Embedding, write_embedding
from trainer.adapters.files import read_lora, write_lora
from trainer.adapters.slots import SlotBank
from trainer.errors import UserFault
from trainer.merging import AdapterFile, BakePlan, ModelFile, bake
from trainer.models.loading import Base, load_base
from trainer.models.registry import EMBEDDED_FOLDER, find_bases, read_base, read_file_base
from trainer.models.tuned import load_tuned

EVERY = ("attn1.to_q", "attn2.to_k", "conv1", "proj_in", "conv_shortcut", "downsamplers.0.conv", "time_embedding",
         "self_attn.q_proj", "self_attn.v_proj", "mlp.fc1", "conv_in")  # fmt: skip


def shapes(base: Base) -> dict[str, torch.Size]:
    """Of some layers of every kind, one in every block or so."""
    found = {}
    for part, model in base.modules.items():
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and any(
                name.endswith(end) or end in name for end in EVERY
            ):
                found[f"{part}.{name.removeprefix('text_model.')}"] = module.weight.shape
    return found


def save(path: Path, weights: dict[str, torch.Tensor], **options: float) -> AdapterFile:
    path.write_bytes(write_lora(weights, {}, dtype=torch.float32))
    return AdapterFile(path, path.stem, **options)  # type: ignore[arg-type]


def effective(base: Base, adapters: list[AdapterFile]) -> dict[str, torch.Tensor]:
    """The weights of all layers that the adapters change, by plain sums."""
    weights = {}
    for adapter in adapters:
        tensors = read_lora(adapter.path.read_bytes()).weights
        for key in tensors:
            if not key.endswith(".lora_A.weight"):
                continue
            module = key.removesuffix(".lora_A.weight")
            part, _, name = module.partition(".")
            layer = base.modules[part].get_submodule(name)
            delta = (tensors[f"{module}.lora_B.weight"].flatten(1) @ tensors[key].flatten(1)).reshape(
                layer.weight.shape
            )
            weight = weights.get(module, layer.weight.detach().clone())
            weights[module] = weight + adapter.weight_on(part) * delta
    return weights


@pytest.mark.parametrize("form", ["", "-file"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_has_what_the_adapters_add_to_it(tiny_bases: Path, family: str, form: str, tmp_path: Path) -> None:
    spec = next(spec for spec in find_bases(tiny_bases) if spec.name == f"{family}{form}")
    base = load_base(spec)
    adapters = [
        save(tmp_path / "a.safetensors", random_lora(shapes(base), 3, 1), weight=0.7, te_weight=0.3),
        save(tmp_path / "b.safetensors", random_lora(dict(list(shapes(base).items())[::3]), 2, 2), weight=-0.2),
    ]
    model = ModelFile(spec.file or spec.folder, spec.name)
    out = tiny_bases / "baked.safetensors"
    try:
        merged = bake(BakePlan("float32"), model, adapters, out)
        baked = load_base(read_file_base(out))
    finally:
        out.unlink(missing_ok=True)
    expected = effective(base, adapters)
    assert len(expected) > 40
    for part, found in baked.modules.items():
        for name, tensor in found.named_parameters():
            module = f"{part}.{name.removesuffix('.weight')}"
            wanted = expected.get(module, base.modules[part].get_parameter(name))
            assert torch.allclose(tensor, wanted, atol=1e-5), f"{part}.{name}"
    assert merged.kind == "checkpoint"
    assert merged.left_out == ()
    assert merged.sentences == (f"{spec.name} with a at 0.7 and b at -0.2 in its weights.",)


def test_emoji64_keeps_its_own_layout_and_is_read_as_its_checkpoints_are(base: Base, tmp_path: Path) -> None:
    adapter = save(tmp_path / "a.safetensors", random_lora(shapes(base), 3, 1), weight=0.5)
    out = tmp_path / "out.safetensors"
    bake(BakePlan("float32"), ModelFile(EMBEDDED_FOLDER, "emoji-64"), [adapter], out)
    tuned = load_tuned(base, out)
    expected = effective(base, [adapter])
    for module, wanted in expected.items():
        part, _, name = module.partition(".")
        assert torch.allclose(tuned.modules[part].get_submodule(name).weight, wanted, atol=1e-5), module


def test_a_dora_is_baked_as_it_acts_when_it_draws(tmp_path: Path) -> None:
    base = load_base(read_base(EMBEDDED_FOLDER, embedded=True))
    module = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    layer = base.unet.get_submodule(module)
    weights = random_lora({f"unet.{module}": layer.weight.shape}, 3, 1)
    weights[f"unet.{module}.lora_magnitude_vector"] = torch.rand(len(layer.weight)) + 0.5
    adapter = save(tmp_path / "dora.safetensors", weights, weight=0.6)
    out = tmp_path / "out.safetensors"
    bake(BakePlan("float32"), ModelFile(EMBEDDED_FOLDER, "emoji-64"), [adapter], out)
    found = load_model(out)[f"unet.{module}.weight"]
    x = torch.randn(5, layer.weight.shape[1], generator=torch.Generator().manual_seed(3))
    plain = {key.removeprefix("unet."): tensor for key, tensor in weights.items()}
    bank = SlotBank(base.unet)
    bank.activate([((bank.fit(plain), 0.6),)])
    with torch.no_grad():
        drawn = base.unet.get_submodule(module)(x[None])[0]
    bank.activate([()])
    assert torch.allclose(x @ found.T, drawn, atol=1e-4)


def test_without_adapters_a_model_is_written_in_another_type(tmp_path: Path) -> None:
    model = ModelFile(EMBEDDED_FOLDER, "emoji-64")
    merged = bake(BakePlan("bfloat16"), model, [], tmp_path / "out.safetensors")
    assert {tensor.dtype for tensor in load_model(merged.path).values()} == {torch.bfloat16}
    assert merged.sentences == ("emoji-64 as it is.",)


def test_what_is_not_for_this_model_is_named(tmp_path: Path) -> None:
    model, out = ModelFile(EMBEDDED_FOLDER, "emoji-64"), tmp_path / "out.safetensors"
    other = save(tmp_path / "big.safetensors", random_lora({"unet.down_blocks.3.resnets.0.conv1": (8, 8, 3, 3)}, 2))  # type: ignore[dict-item]
    with pytest.raises(UserFault, match=r"big is not for emoji-64, which has no layer unet\.down_blocks\.3"):
        bake(BakePlan(), model, [other], out)
    wide = save(tmp_path / "wide.safetensors", random_lora({"unet.conv_in": torch.Size((9, 9, 3, 3))}, 2))
    with pytest.raises(UserFault, match=r"wide does not fit in unet\.conv_in"):
        bake(BakePlan(), model, [wide], out)
    word = tmp_path / "word.safetensors"
    word.write_bytes(write_embedding(Embedding("w", {"text_encoder": torch.ones(1, 160)}), {}))
    with pytest.raises(UserFault, match="word is a textual inversion"):
        bake(BakePlan(), model, [AdapterFile(word, "word", kind="textual_inversion")], out)
    assert not list(tmp_path.glob("out*"))


def test_the_vectors_of_a_pivotal_adapter_are_said_to_stay_behind(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    embeddings = [Embedding("thnos", {"text_encoder": torch.ones(1, 160)})]
    path.write_bytes(write_lora(random_lora({"unet.conv_in": torch.Size((64, 12, 3, 3))}, 2), {}, embeddings))
    merged = bake(
        BakePlan(), ModelFile(EMBEDDED_FOLDER, "emoji-64"), [AdapterFile(path, "p")], tmp_path / "out.safetensors"
    )
    assert merged.left_out == ("p: the vectors of thnos",)
    assert merged.sentences[1] == "The vectors of thnos are not in it, for they are no weights of the model."
