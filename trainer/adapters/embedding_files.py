"""Textual inversion files: a few vectors that a trigger word stands for (Gal et al. 2022), in kilobytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from trainer.adapters.safetensors_file import read_header, read_tensors, tensor_bytes
from trainer.contract.adapter_marks import BUNDLE, EMBEDDING_FORMS, embedding_towers, split_bundled
from trainer.errors import BadAdapterFile

MAX_VECTORS = 75  # more than one chunk of a prompt can't hold
_SDXL = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}  # A1111's names of SDXL's two encoders


@dataclass(frozen=True)
class Embedding:
    """What a trigger word stands for: vectors (n, D) for ``text_encoder``, and for SDXL's ``text_encoder_2``, too."""

    trigger: str
    vectors: Mapping[str, torch.Tensor]

    @property
    def count(self) -> int:
        """How many tokens of a prompt the trigger takes."""
        return len(self.vectors["text_encoder"])


def write_embedding(embedding: Embedding, metadata: Mapping[str, str]) -> bytes:
    """As A1111, Forge and ComfyUI read it: ``emb_params``, or for SDXL ``clip_l`` and ``clip_g``; in float32.

    The word by which they find it is the file's name.
    """
    return tensor_bytes(a1111_tensors(embedding), metadata)


def write_diffusers_embedding(embedding: Embedding, metadata: Mapping[str, str]) -> bytes:
    """As diffusers' ``load_textual_inversion`` reads it: the trigger is the tensor's name (``learned_embeds``).

    Of SDXL diffusers loads each encoder's vectors apart, by ``clip_l`` and ``clip_g``: there the two forms are one.
    """
    if len(embedding.vectors) > 1:
        return write_embedding(embedding, metadata)
    return tensor_bytes({embedding.trigger: _plain(embedding.vectors["text_encoder"])}, metadata)


def a1111_tensors(embedding: Embedding) -> dict[str, torch.Tensor]:
    """The tensors of A1111's form, by name."""
    if "text_encoder_2" not in embedding.vectors:
        return {"emb_params": _plain(embedding.vectors["text_encoder"])}
    return {name: _plain(embedding.vectors[tower]) for name, tower in _SDXL.items()}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().float().contiguous().cpu()


def read_embedding(
    data: bytes, trigger: str | None = None, widths: Mapping[str, int] | None = None
) -> tuple[Embedding, dict[str, str]]:
    """The vectors and the metadata of a textual inversion in any form of :data:`EMBEDDING_FORMS`, or diffusers'.

    ``trigger``: the word that they shall stand for; without it the one that diffusers' form carries, or none (``""``).
    ``widths``: what the base's text encoders need, such as ``{"text_encoder": 768}``. Raises :class:`BadAdapterFile`.
    """
    header, metadata = read_header(data)
    towers = embedding_towers(header)
    if towers is None:
        alone = len(header) == 1
        raise BadAdapterFile(
            f"not a textual inversion but a part of a model: {next(iter(header))[:80]!r}" if alone else
            f"not a textual inversion: it holds {_list(set(header))}, and needs emb_params, clip_l and clip_g, or one "
            "tensor named by its trigger word"
        )  # fmt: skip
    tensors = read_tensors(data)
    named = next(iter(header)) if towers not in EMBEDDING_FORMS and len(header) == 1 else ""
    word = trigger or ("" if named in _SDXL else named)
    return check_embedding(word, {tower: tensors[name] for name, tower in towers.items()}, widths), metadata


def check_embedding(
    trigger: str, vectors: Mapping[str, torch.Tensor], widths: Mapping[str, int] | None = None
) -> Embedding:
    """One to 75 vectors, as many for each encoder, of the widths that the base needs.

    Raises :class:`BadAdapterFile`.
    """
    rows = {tower: tensor[None] if tensor.ndim == 1 else tensor for tower, tensor in vectors.items()}
    for tower, tensor in rows.items():
        if tensor.ndim != 2 or not 1 <= len(tensor) <= MAX_VECTORS or not tensor.shape[1]:
            raise BadAdapterFile(
                f"vectors of the shape {tuple(tensor.shape)} for the {tower}; 1 to {MAX_VECTORS} rows are read"
            )
    if len({len(tensor) for tensor in rows.values()}) > 1:
        raise BadAdapterFile("the two text encoders have different numbers of vectors; they come in pairs")
    found = {tower: tensor.shape[1] for tower, tensor in rows.items()}
    if widths is not None and found != dict(widths):
        raise BadAdapterFile(
            f"its vectors are {_sides(found)} wide, this base needs {_sides(widths)}: it was made for another family of"
            " models"
        )
    return Embedding(trigger, rows)


def bundle(embeddings: Iterable[Embedding]) -> dict[str, torch.Tensor]:
    """The vectors in a LoRA's file, where A1111 looks for them: ``bundle_emb.<trigger>.<tensor>``."""
    tensors = {}
    for embedding in embeddings:
        if "." in embedding.trigger or not embedding.trigger:
            raise ValueError(f"the trigger {embedding.trigger!r} can't be part of a tensor's name")
        for name, tensor in a1111_tensors(embedding).items():
            name = "string_to_param.*" if name == "emb_params" else name
            tensors[f"{BUNDLE}{embedding.trigger}.{name}"] = tensor
    return tensors


def unbundle(tensors: Mapping[str, torch.Tensor]) -> tuple[Embedding, ...]:
    """The vectors of triggers among a LoRA's tensors, by their names. Raises :class:`BadAdapterFile`."""
    found: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for key, tensor in tensors.items():
        if bundled := split_bundled(key):
            trigger, tower = bundled
            if tower in found[trigger]:
                raise BadAdapterFile(f"the bundled vectors of {trigger[:80]!r} are given twice")
            found[trigger][tower] = tensor
    if any("text_encoder" not in vectors for vectors in found.values()):
        raise BadAdapterFile("the bundled vectors have none for the first text encoder")
    return tuple(check_embedding(trigger, vectors) for trigger, vectors in sorted(found.items()))


def _sides(widths: Mapping[str, int]) -> str:
    return " and ".join(str(width) for width in widths.values())


def _list(names: set[str]) -> str:
    return ", ".join(repr(name[:40]) for name in sorted(names)[:3]) + (" …" if len(names) > 3 else "") or "nothing"
