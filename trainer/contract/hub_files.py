"""Which files of a repository on the Hugging Face hub make a base model in diffusers format."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
_SMALL = ("scheduler", "tokenizer", "tokenizer_2")
# float16 is written before or behind the number of a piece
_WEIGHTS = re.compile(r"(diffusion_pytorch_model|model)(\.fp16)?(-\d+-of-\d+)?(\.fp16)?\.safetensors")


def choose_files(names: Iterable[str]) -> list[str]:
    """What a base needs of a repository: texts, and for every part its weights, as float16 where there are such."""
    names = sorted(names)
    wanted = [name for name in names if name == "model_index.json"]
    for part in (*_PARTS, *_SMALL):
        inside = [name for name in names if name.startswith(f"{part}/") and name.count("/") == 1]
        wanted += [name for name in inside if name.endswith((".json", ".txt"))]
        if part in _PARTS:
            weights = [name for name in inside if _WEIGHTS.fullmatch(name.partition("/")[2])]
            wanted += [name for name in weights if ".fp16" in name] or weights
    return wanted
