"""An adapter as one prompt uses it: weights for the bank, vectors for the words, or both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import torch

from trainer.adapters.embedding_files import Embedding, check_embedding, read_embedding
from trainer.adapters.lora_files import read_lora
from trainer.adapters.safetensors_file import read_header
from trainer.contract.drawings import AdapterUse


def read_adapter(
    use: AdapterUse, data: bytes, widths: Mapping[str, int]
) -> tuple[dict[str, torch.Tensor], tuple[Embedding, ...]]:
    """The weights and the vectors in an adapter's file; a pivotal adapter brings both.

    ``widths``: of a token's embedding, by the base's text encoders. Raises :class:`trainer.errors.BadAdapterFile`.
    """
    if use.kind == "textual_inversion":
        return {}, (read_embedding(data, use.trigger, widths)[0],)
    file = read_lora(data)
    return file.weights, tuple(check_embedding(each.trigger, each.vectors, widths) for each in file.embeddings)


def adapter_hashes(adapters: Iterable[tuple[AdapterUse, bytes]]) -> dict[str, str]:
    """``Lora hashes`` and ``TI hashes`` as A1111 writes them into a picture's settings, by which others find the files.

    Twelve digits of the SHA-256: of a textual inversion's whole file; of a LoRA's tensors without the header, or what
    its trainer wrote there as ``sshs_model_hash``.
    """
    found: dict[str, dict[str, str]] = {"Lora hashes": {}, "TI hashes": {}}
    for use, data in adapters:
        if use.kind == "textual_inversion":
            found["TI hashes"][use.trigger] = hashlib.sha256(data).hexdigest()[:12]
        elif use.kind == "lora":
            found["Lora hashes"][use.name] = _lora_hash(data)[:12]
    return {key: ", ".join(f"{name}: {digits}" for name, digits in each.items()) for key, each in found.items() if each}


def _lora_hash(data: bytes) -> str:
    _, metadata = read_header(data)
    body = memoryview(data)[8 + int.from_bytes(data[:8], "little") :]
    return metadata.get("sshs_model_hash") or hashlib.sha256(body).hexdigest()
