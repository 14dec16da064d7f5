"""What programs really write is taken, by what it is; and what is kept of it tells nothing of its maker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from bot.importing.child import answer
from bot.importing.found import Asked, Found
from bot.importing.values import FLOATING, read_number
from tests.bot.importing.genuine import KOHYA, TINY_WIDTHS, K, genuine_files, true_lora
from tests.bot.importing.measuring import check_measured
from tests.trainer.adapters.tiny import lora_modules, random_lora
from trainer.adapters.lora_files import read_lora, write_kohya_lora
from trainer.adapters.safetensors_file import read_header

FILES = genuine_files()


def found_in(data: bytes, folder: Path) -> tuple[Found, bytes]:
    """What the check says, and the file as it is kept."""
    (folder / "in").write_bytes(data)
    said = answer(
        Asked(path=str(folder / "in"), filename="x.safetensors", kept=str(folder / "out"), widths=TINY_WIDTHS)
    )
    assert said.error is None
    assert said.found is not None
    return said.found, (folder / "out").read_bytes()


def test_every_genuine_layout_is_taken_and_its_tensors_are_kept_bit_for_bit(tmp_path: Path) -> None:
    said, measured = check_measured(FILES, tmp_path)
    assert len(said) == len(FILES) >= 40
    assert {name: each.error for name, each in said.items() if each.error} == {}
    assert measured.peak_mib <= 256
    for number, (name, data) in enumerate(FILES.items()):
        kept, found = (tmp_path / f"in-{number}-kept").read_bytes(), said[name].found
        assert found is not None
        assert (read_header(kept)[0], tensor_bytes_of(kept)) == (read_header(data)[0], tensor_bytes_of(data)), name
        assert load(kept).keys() == load(data).keys()
        family = name.partition(",")[0]
        assert family not in ("sd1", "sd2", "sdxl") or family in found.identity.families, name
        assert (found.used, found.size_bytes) == (found.keys - len(found.unused), len(kept)), name


def tensor_bytes_of(data: bytes) -> bytes:
    """All behind the header."""
    return data[8 + int.from_bytes(data[:8], "little") :]


def test_a_kohya_file_tells_how_to_use_it(tmp_path: Path) -> None:
    found, _ = found_in(FILES["kohya with its metadata"], tmp_path)
    assert (found.identity.kind, found.identity.layout, found.identity.algorithm) == ("lora", "kohya", "LoRA")
    assert (found.identity.families, found.ranks, found.used, found.keys) == (("sd1",), (4, 4), 3, 3)
    assert found.trigger_words == ("thnos, purple toy",)
    assert (found.weight, found.title) == (0.7, "Thnos")
    assert found.base_hash == KOHYA["ss_new_sd_model_hash"]


def test_captions_only_propose_words_where_nothing_else_says_any(tmp_path: Path) -> None:
    notes = {"ss_tag_frequency": KOHYA["ss_tag_frequency"]}
    found, kept = found_in(save(true_lora(), notes), tmp_path)
    assert (found.trigger_words, found.proposed_words) == ((), ("thnos", "a purple toy"))
    assert b"kitchen" not in kept


@pytest.mark.parametrize("note", ["", "{", "[]", '{"a": 1}', '{"a": {"b": "c"}}', "[" * 100_000, '{"a": {"b": true}}'])
def test_counts_that_cant_be_read_propose_nothing(tmp_path: Path, note: str) -> None:
    found, _ = found_in(save(true_lora(), {"ss_tag_frequency": note}), tmp_path)
    assert found.proposed_words == ()


def test_what_steers_a_prompt_and_what_cant_be_seen_is_taken_out_of_triggers(tmp_path: Path) -> None:
    notes = {"modelspec.trigger_phrase": "<lora:evil:5>, a\u202eb, (thnos:1.4) " + "x" * 300}
    found, _ = found_in(save(true_lora(), notes), tmp_path)
    (phrase,) = found.trigger_words
    assert phrase.startswith("lora evil 5 , a b, thnos 1.4 xxx")
    assert len(phrase) == 200


def test_what_is_private_is_gone_and_what_is_public_stays(tmp_path: Path) -> None:
    _, kept = found_in(FILES["kohya with its metadata"], tmp_path)
    _, metadata = read_header(kept)
    assert metadata["ss_sd_model_name"] == "v1-5-pruned.safetensors"
    assert {"modelspec.title", "modelspec.author", "ss_network_dim", "sshs_model_hash"} <= metadata.keys()
    for secret in (
        b"ada\\",
        b"/home",
        b"kitchen",
        b"grandma",
        b"1234567890",
        b"1700000000",
        b"photos",
        b"base64",
        b"2024-05",
    ):
        assert secret not in kept


def test_of_pefts_configuration_the_scale_stays_and_the_path_goes(tmp_path: Path) -> None:
    data = FILES["peft's configuration in the header"]
    _, kept = found_in(data, tmp_path)
    assert json.loads(read_header(kept)[1]["lora_adapter_metadata"]) == {"unet.r": 4, "unet.lora_alpha": 8}
    before, after = read_lora(data).weights, read_lora(kept).weights
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())


def test_mixed_alphas_have_their_exact_effect_after_the_import(tmp_path: Path) -> None:
    """Of diffusers it is known that one module's alpha counts for others."""
    tensors, expected = {}, {}
    for place, (name, alpha) in enumerate({"to_q": 1.0, "to_k": 3.0, "to_v": 0.3, "to_out_0": 16.0}.items(), 1):
        head = K.replace("to_k", name)
        layer = true_lora(head, rank=4 * place, dtype=torch.float32) | {f"{head}.alpha": torch.tensor(alpha)}
        tensors |= layer
        change = layer[f"{head}.lora_up.weight"].double() @ layer[f"{head}.lora_down.weight"].double()
        expected[name.replace("_0", ".0")] = change * alpha / (4 * place)
    _, kept = found_in(save(tensors, KOHYA), tmp_path)
    weights = read_lora(kept).weights
    for name, change in expected.items():
        module = f"unet.mid_block.attentions.0.transformer_blocks.0.attn2.{name}"
        found = weights[f"{module}.lora_B.weight"].double() @ weights[f"{module}.lora_A.weight"].double()
        assert (found - change).abs().max() <= 1e-6 * change.abs().max()


def test_export_import_export_keeps_tensors_and_public_metadata(tmp_path: Path) -> None:
    weights = random_lora(dict(list(lora_modules("sd1").items())[:20]))
    notes = {"modelspec.title": "thnos", "modelspec.trigger_phrase": "thnos", "darkroom.trigger": "thnos"}
    exported = write_kohya_lora(weights, notes, sdxl=False)
    _, imported = found_in(exported, tmp_path)
    read = read_lora(imported)
    again = write_kohya_lora(read.weights, read.metadata, sdxl=False)
    assert load(again).keys() == load(exported).keys()
    assert all(torch.equal(load(again)[key], tensor) for key, tensor in load(exported).items())
    assert read_header(again)[1] == read_header(exported)[1]
    assert found_in(again, tmp_path)[1] == imported


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
                                   torch.float8_e5m2])  # fmt: skip
@pytest.mark.parametrize("number", [0.0, 1.0, -3.0, 0.25, 448.0, 2.0**-9])
def test_numbers_are_read_as_torch_reads_them(dtype: torch.dtype, number: float) -> None:
    tensor = torch.tensor([number]).to(dtype)
    ((_, entry),) = read_header(save({"a": tensor}))[0].items()
    assert entry["dtype"] in FLOATING
    assert read_number(bytes(tensor.view(torch.uint8).tolist()), entry["dtype"]) == float(tensor)


def test_whole_numbers_are_read_too() -> None:
    assert read_number((-4).to_bytes(8, "little", signed=True), "I64") == -4
    assert read_number(b"\xff", "U8") == 255
