"""Textual inversions: side by side, as an average, or into the file of the LoRA that they are merged with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from trainer.adapters.embedding_files import MAX_VECTORS, Embedding, read_embedding, write_embedding
from trainer.contract.adapter_metadata import public_metadata
from trainer.errors import BadAdapterFile, UserFault
from trainer.merging.adapter_source import AdapterSource
from trainer.merging.plans import AdapterFile, AdapterPlan, Merged
from trainer.merging.writing import write_file


def merge_embeddings(plan: AdapterPlan, adapters: Sequence[AdapterFile], out: Path) -> Merged:
    """exact: all vectors one behind the other, as if all the words stood in the prompt. linear: Σ wᵢ vᵢ.

    Raises :class:`UserFault` for what makes no sense of words: weights beside exact, averages of different lengths.
    """
    embeddings = [_read(adapter) for adapter in adapters]
    _check_widths(adapters, embeddings)
    if plan.method == "exact":
        vectors = _concatenate(adapters, embeddings)
    elif plan.method == "linear":
        vectors = _average(adapters, embeddings)
    else:
        raise UserFault(f"{plan.method} is for LoRAs; textual inversions are merged by exact or linear")
    merged = Embedding(plan.trigger, vectors)
    write_file(out, write_embedding(merged, public_metadata(plan.metadata)))
    names = ", ".join(adapter.name for adapter in adapters)
    how = "one behind the other" if plan.method == "exact" else "as a weighted average"
    used = sum(len(embedding.vectors) for embedding in embeddings)
    return Merged(out, "textual_inversion", used, sentences=(f"{merged.count} vectors of {names}, {how}.",))


def gather_embeddings(adapters: Sequence[AdapterFile], sources: Sequence[AdapterSource]) -> list[Embedding]:
    """The words that a merged LoRA brings: those of pivotal adapters, and textual inversions beside them."""
    found = [embedding for source in sources for embedding in source.embeddings]
    for adapter in adapters:
        if adapter.kind == "textual_inversion":
            _refuse_weight(adapter)
            found.append(_read(adapter))
    words = [embedding.trigger for embedding in found]
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise UserFault(f"two of the adapters bring vectors for the word {twice[:80]!r}; merge one of them alone")
    bad = next((word for word in words if not word or "." in word), None)
    if bad is not None:
        raise UserFault(f"the word {bad[:80]!r} can't be part of a LoRA's file; give it a name without a dot")
    return found


def _read(adapter: AdapterFile) -> Embedding:
    try:
        return read_embedding(adapter.path.read_bytes(), adapter.trigger or None)[0]
    except (BadAdapterFile, OSError) as error:
        raise UserFault(f"{adapter.name} can't be used: {str(error)[:300]}; take another one") from error


def _check_widths(adapters: Sequence[AdapterFile], embeddings: Sequence[Embedding]) -> None:
    widths = [{part: rows.shape[1] for part, rows in embedding.vectors.items()} for embedding in embeddings]
    for adapter, width in zip(adapters, widths, strict=True):
        if width != widths[0]:
            raise UserFault(
                f"{adapters[0].name} and {adapter.name} are for different families of models: their vectors are"
                f" {_sides(widths[0])} and {_sides(width)} wide"
            )


def _sides(widths: dict[str, int]) -> str:
    return " + ".join(str(width) for width in widths.values())


def _refuse_weight(adapter: AdapterFile) -> None:
    if adapter.weight != 1 or adapter.weight_on("text_encoder") != 1:
        raise UserFault(
            f"{adapter.name} is a textual inversion, and a word has no weight {adapter.weight:g}: give it 1, or write"
            f" ({adapter.trigger or adapter.name}:{adapter.weight:g}) in prompts"
        )


def _concatenate(adapters: Sequence[AdapterFile], embeddings: Sequence[Embedding]) -> dict[str, torch.Tensor]:
    for adapter in adapters:
        _refuse_weight(adapter)
    count = sum(embedding.count for embedding in embeddings)
    if count > MAX_VECTORS:
        raise UserFault(f"together they have {count} vectors, and a prompt holds {MAX_VECTORS}; merge fewer")
    return {part: torch.cat([embedding.vectors[part] for embedding in embeddings]) for part in embeddings[0].vectors}


def _average(adapters: Sequence[AdapterFile], embeddings: Sequence[Embedding]) -> dict[str, torch.Tensor]:
    counts = [embedding.count for embedding in embeddings]
    if len(set(counts)) > 1:
        other = next(place for place, count in enumerate(counts) if count != counts[0])
        raise UserFault(
            f"{adapters[0].name} has {counts[0]} vectors and {adapters[other].name} {counts[other]}, and linear takes"
            " as many of each; take exact"
        )
    return {
        part: torch.stack(
            [adapter.weight * each.vectors[part] for adapter, each in zip(adapters, embeddings, strict=True)]
        ).sum(0)
        for part in embeddings[0].vectors
    }
