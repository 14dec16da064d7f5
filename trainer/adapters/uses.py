"""An adapter as one prompt uses it: weights for the layers, vectors for the words, or both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch

from trainer.adapters.embedding_files import Embedding, check_embedding, read_embedding
from trainer.adapters.lora_files import read_lora
from trainer.adapters.safetensors_file import read_header
from trainer.contract.drawings import AdapterUse


@dataclass(frozen=True)
class ReadAdapter:
    """What is in an adapter's file: tensors ``<part>.<module>.lora_A.weight`` …, and vectors for words.

    ``digest`` is what other programs know the file by: the SHA-256 of a textual inversion's whole file; of a LoRA's
    tensors without the header, or what its trainer wrote there as ``sshs_model_hash``.
    """

    tensors: Mapping[str, torch.Tensor]
    embeddings: tuple[Embedding, ...]
    digest: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_adapter(use: AdapterUse, data: bytes, widths: Mapping[str, int]) -> ReadAdapter:
    """Read an adapter's file; a pivotal adapter brings weights and vectors.

    ``widths``: of a token's embedding, by the base's text encoders. Raises :class:`trainer.errors.BadAdapterFile`.
    """
    if use.kind == "textual_inversion":
        embedding = read_embedding(data, use.trigger, widths)[0]
        return ReadAdapter({}, (embedding,), hashlib.sha256(data).hexdigest())
    file = read_lora(data)
    embeddings = tuple(check_embedding(each.trigger, each.vectors, widths) for each in file.embeddings)
    return ReadAdapter(file.weights, embeddings, _hash_lora(data), file.metadata)


def list_hashes(adapters: Iterable[tuple[AdapterUse, str]]) -> dict[str, str]:
    """``Lora hashes`` and ``TI hashes`` as A1111 writes them into a picture's settings, by which others find the files.

    Twelve digits of each adapter's ``digest``.
    """
    found: dict[str, dict[str, str]] = {"Lora hashes": {}, "TI hashes": {}}
    for use, digest in adapters:
        if use.kind == "textual_inversion":
            found["TI hashes"][use.trigger] = digest[:12]
        elif use.kind == "lora":
            found["Lora hashes"][use.name] = digest[:12]
    return {key: ", ".join(f"{name}: {digits}" for name, digits in each.items()) for key, each in found.items() if each}


def _hash_lora(data: bytes) -> str:
    _, metadata = read_header(data)
    body = memoryview(data)[8 + int.from_bytes(data[:8], "little") :]
    return metadata.get("sshs_model_hash") or hashlib.sha256(body).hexdigest()
