"""Adapter files as programs really write them, by name: every layout that is read, for every family."""

from __future__ import annotations

import json
from collections.abc import Iterator

import torch
from safetensors.torch import save

from tests.trainer.adapters import foreign
from tests.trainer.adapters.foreign import ALGORITHMS, SPELLINGS, Tensors, write
from tests.trainer.adapters.tiny import FAMILIES, WIDTH, WIDTH_2, lora_modules, random_lora
from trainer.adapters.embedding_files import Embedding, write_diffusers_embedding, write_embedding
from trainer.adapters.lora_files import write_kohya_lora, write_lora

TINY_WIDTHS = (WIDTH, WIDTH + WIDTH_2)  # of the models whose layers these are
K = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
KOHYA = {  # as sd-scripts writes them, with what is nobody's business
    "ss_network_module": "networks.lora", "ss_network_dim": "4", "ss_network_alpha": "1.0",
    "ss_base_model_version": "sd_v1", "ss_sd_model_name": "D:\\models\\ada\\v1-5-pruned.safetensors",
    "ss_sd_model_hash": "e1441589", "ss_new_sd_model_hash": "6ce0161689" + "0" * 54,
    "ss_output_name": "thnos-v2", "ss_session_id": "1234567890", "ss_training_started_at": "1700000000.0",
    "ss_training_comment": "for grandma's birthday", "ss_tag_frequency": json.dumps(
        {"10_thnos toy": {"thnos": 20, "a purple toy": 19, "in ada's kitchen": 3}}),
    "ss_dataset_dirs": json.dumps({"C:/Users/ada/photos/10_thnos toy": {"n_repeats": 10, "img_count": 20}}),
    "ss_bucket_info": json.dumps({"buckets": {"0": {"resolution": [512, 512], "count": 20}}}),
    "ss_datasets": json.dumps([{"tag_frequency": {"thnos": 20}, "subsets": [{"image_dir": "/home/ada/photos"}]}]),
    "sshs_model_hash": "b" * 64, "modelspec.title": "Thnos", "modelspec.author": "ada",
    "modelspec.architecture": "stable-diffusion-v1/lora", "modelspec.trigger_phrase": "thnos, purple toy",
    "modelspec.usage_hint": "best at weight 0.7", "modelspec.date": "2024-05-01T12:00:00",
    "modelspec.thumbnail": "data:image/jpeg;base64,/9j/4AAQ",
}  # fmt: skip


def true_lora(head: str = K, inputs: int = 768, rank: int = 4, dtype: torch.dtype = torch.float16) -> Tensors:
    """A layer of the families' own widths, as kohya writes it."""
    rng = torch.Generator().manual_seed(0)
    return {
        f"{head}.lora_down.weight": torch.randn(rank, inputs, generator=rng).to(dtype),
        f"{head}.lora_up.weight": torch.randn(1280, rank, generator=rng).to(dtype),
        f"{head}.alpha": torch.tensor(1.0).to(dtype),
    }


def vectors(width: int, count: int = 4) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def _layouts() -> Iterator[tuple[str, bytes]]:
    for family in FAMILIES:
        for spelling in SPELLINGS:
            yield f"{family}, {spelling.__name__}", write(family, spelling, foreign.lora)[0]
        for algorithm in ALGORITHMS:
            yield f"{family}, {algorithm.__name__}", write(family, foreign.kohya, algorithm)[0]
        weights = random_lora(dict(list(lora_modules(family).items())[:40]))
        yield f"{family}, our own", write_lora(weights, {"darkroom.trigger": "thnos"})
        yield f"{family}, our own for kohya", write_kohya_lora(weights, {}, sdxl=family == "sdxl", lora_alpha=2.0)


def _kinds() -> Iterator[tuple[str, bytes]]:
    for family, inputs in {"sd1": 768, "sd2": 1024, "sdxl": 2048}.items():
        yield f"{family}, its true width", save(true_lora(inputs=inputs))
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
        yield f"{dtype}", save(true_lora(dtype=dtype))
    yield "kohya with its metadata", save(true_lora(), KOHYA)
    magnitudes = {f"{K}.dora_scale": torch.ones(1280, 1)}
    yield "DoRA in kohya's form", save(true_lora() | magnitudes)
    name = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    peft = {f"{name}.lora_A.weight": torch.ones(4, 768), f"{name}.lora_B.weight": torch.ones(1280, 4)}
    yield "DoRA in diffusers' form", save(peft | {f"{name}.lora_magnitude_vector": torch.ones(1280)})
    yield "peft's name of the adapter", save({key.replace(".weight", ".default.weight"): t for key, t in peft.items()})
    config = {"unet.r": 4, "unet.lora_alpha": 8, "unet.base_model_name_or_path": "/home/ada/models/v1-5"}
    yield "peft's configuration in the header", save(peft, {"lora_adapter_metadata": json.dumps(config)})
    other = K.replace("to_k", "to_v")
    yield "ranks of each layer's own", save(true_lora() | true_lora(other, rank=16))
    yield "a whole number as alpha", save(true_lora() | {f"{K}.alpha": torch.tensor(4)})
    yield "no alpha", save({key: tensor for key, tensor in true_lora().items() if "alpha" not in key})
    yield "changes of norms beside", save(true_lora() | {f"{K}.diff_b": torch.ones(1280)})
    yield "a LoRA with its words", save(true_lora() | {"bundle_emb.thnos.string_to_param.*": vectors(768)})
    xl = "lora_unet_middle_block_1_transformer_blocks_1_attn2_to_k"
    pair = {"bundle_emb.thnos.clip_l": vectors(768), "bundle_emb.thnos.clip_g": vectors(1280)}
    yield "a LoRA of SDXL with its words", save(true_lora(xl, 2048) | pair)


def _inversions() -> Iterator[tuple[str, bytes]]:
    for family, width in {"sd1": 768, "sd2": 1024}.items():
        yield f"{family}, emb_params", save({"emb_params": vectors(width)})
        yield f"{family}, string_to_param", save({"string_to_param": vectors(width)})
        yield f"{family}, string_to_param.*", save({"string_to_param.*": vectors(width)})
        yield f"{family}, diffusers' inversion", save({"<cat-toy>": vectors(width, 1)})
        yield f"{family}, diffusers' inversion of one row", save({"thnos": vectors(width, 1)[0]})
    both = Embedding("thnos", {"text_encoder": vectors(768), "text_encoder_2": vectors(1280)})
    yield "sdxl, clip_l and clip_g", write_embedding(both, {})
    yield "sdxl, the advanced scripts' form", save({"text_encoders_0": vectors(768), "text_encoders_1": vectors(1280)})
    alone = Embedding("thnos", {"text_encoder": vectors(768)})
    yield "sd1, our own inversion for diffusers", write_diffusers_embedding(alone, {"darkroom.trigger": "thnos"})


def genuine_files() -> dict[str, bytes]:
    """All of them, by their programs."""
    return {name: data for part in (_layouts, _kinds, _inversions) for name, data in part()}
