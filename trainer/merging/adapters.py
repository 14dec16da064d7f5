"""Adapters into one, layer by layer; the methods are those of :class:`trainer.merging.plans.AdapterPlan`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from trainer.adapters.embedding_files import Embedding
from trainer.adapters.extraction import energy, factorise, share_out
from trainer.adapters.layouts.reading import DOWN, UP
from trainer.adapters.lora_files import write_lora
from trainer.adapters.rounding import fit
from trainer.contract.adapter_metadata import public_metadata
from trainer.contract.adapter_shapes import MAX_RANK
from trainer.contract.merges import AdapterMethod
from trainer.errors import UserFault
from trainer.merging.adapter_source import AdapterSource, Layer, open_adapters
from trainer.merging.embeddings import gather_embeddings, merge_embeddings
from trainer.merging.pairs import Losses, Pair, add_pairs, average_factors, distance, pair_energy, truncate
from trainer.merging.plans import DTYPES, AdapterFile, AdapterPlan, Merged, OnProgress, quietly, refuse_float8
from trainer.merging.saying import say_losses
from trainer.merging.sparse import dare, ties
from trainer.merging.writing import write_file

Weighted = Sequence[tuple[float, Pair]]
_WHY: dict[AdapterMethod, str] = {
    "exact": "", "linear": ", by the cross-terms of the factors",
    "ties": ", for no low rank holds single entries", "dare": ", for no low rank holds single entries",
}  # fmt: skip


def merge_adapters(
    plan: AdapterPlan, adapters: Sequence[AdapterFile], out: Path, on_progress: OnProgress = quietly
) -> Merged:
    """Write ``adapters`` as one to ``out``: LoRAs of any layout as a LoRA of the diffusers format.

    Textual inversions beside LoRAs become vectors that the LoRA brings with it; alone they become one textual
    inversion (:func:`trainer.merging.embeddings.merge_embeddings`). Raises :class:`UserFault`.
    """
    _check(plan, adapters)
    if all(adapter.kind == "textual_inversion" for adapter in adapters):
        return merge_embeddings(plan, adapters, out)
    loras = [adapter for adapter in adapters if adapter.kind == "lora"]
    with open_adapters(loras) as sources:
        _refuse_magnitudes(sources)
        embeddings = gather_embeddings(adapters, sources)
        weights, losses = _merge_layers(plan, sources, on_progress)
        used = sum(source.keys_used for source in sources)
        left_out = tuple(f"{source.adapter.name}: {key}" for source in sources for key in source.left_out)
    write_file(out, write_lora(weights, public_metadata(plan.metadata), embeddings, dtype=DTYPES[plan.dtype]))
    rank = max(len(tensor) for key, tensor in weights.items() if key.endswith(DOWN))
    said = say_losses(losses, rank, len(left_out), _WHY[plan.method])
    return Merged(
        out, "lora", used, left_out, rank, losses.error, *losses.worst,
        sentences=(_say_method(plan, adapters, embeddings), *said),
    )  # fmt: skip


def _check(plan: AdapterPlan, adapters: Sequence[AdapterFile]) -> None:
    if len(adapters) < 2:
        raise UserFault(f"{len(adapters)} adapters were given, and a merge takes two at least")
    if plan.rank is not None and not 1 <= plan.rank <= MAX_RANK:
        raise UserFault(f"rank {plan.rank} is no rank of an adapter; give 1 to {MAX_RANK:,}")
    refuse_float8(plan.dtype)
    if not 0 < plan.density <= 1:
        raise UserFault(f"density {plan.density:g} is no share of an adapter; give more than 0 and at most 1")


def _refuse_magnitudes(sources: Sequence[AdapterSource]) -> None:
    for source in sources:
        if source.magnitudes:
            raise UserFault(
                f"{source.adapter.name} is a DoRA, whose change depends on the weights of its base: bake it into a"
                " checkpoint, or merge another one"
            )


def _merge_layers(
    plan: AdapterPlan, sources: Sequence[AdapterSource], on_progress: OnProgress
) -> tuple[dict[str, torch.Tensor], Losses]:
    layers = list(dict.fromkeys(layer for source in sources for layer in source.layers))
    weights: dict[str, torch.Tensor] = {}
    losses = Losses()
    for done, layer in enumerate(layers):
        on_progress(done, len(layers))
        found = [(source, source.pair(layer)) for source in sources]
        own = [(source, pair) for source, pair in found if pair is not None]
        _check_alike(layer, own)
        pairs = [(source.adapter.weight_on(layer[0]), pair) for source, pair in own]
        names = [source.adapter.name for source, _ in own]
        result = _merge_layer(plan, layer, pairs, names, losses)
        name = ".".join(layer)
        weights[f"{name}.{DOWN}"], weights[f"{name}.{UP}"] = result.down, result.up
    on_progress(len(layers), len(layers))
    return weights, losses


def _merge_layer(plan: AdapterPlan, layer: Layer, pairs: Weighted, names: Sequence[str], losses: Losses) -> Pair:
    """One layer as it will be read from the file, and what that loses of what was asked for."""
    if plan.method in ("ties", "dare"):
        wanted = _sparse(plan, layer, pairs, names)
        asked = plan.rank or sum(pair.rank for _, pair in pairs)
        rank = min(asked, MAX_RANK, len(wanted), wanted[0].numel())
        nearest = Pair(*share_out(factorise(wanted, rank, plan.seed), rank))
        result = _round(nearest, plan)
        losses.add(".".join(layer), energy(wanted - result.delta()), energy(wanted))
        return result
    exact = add_pairs(pairs)
    if plan.method == "linear":
        _check_ranks(layer, pairs, names)
        result = _round(truncate(average_factors(pairs), plan.rank), plan)
    else:
        result = _round(truncate(exact, min(plan.rank or MAX_RANK, MAX_RANK)), plan)
    losses.add(".".join(layer), distance(result, exact), pair_energy(exact))
    return result


def _round(pair: Pair, plan: AdapterPlan) -> Pair:
    """As a reader of the file will find it."""
    dtype = DTYPES[plan.dtype]
    return Pair(fit(pair.down, dtype), fit(pair.up, dtype))


def _sparse(plan: AdapterPlan, layer: Layer, pairs: Weighted, names: Sequence[str]) -> torch.Tensor:
    """Δ of one layer by TIES or DARE, whole."""
    shape = pairs[0][1].shape
    deltas = (weight * pair.delta().reshape(shape) for weight, pair in pairs)  # one at a time: they are whole layers
    if plan.method == "ties":
        return ties(deltas, plan.density, plan.scale)
    total = torch.zeros(shape)
    for place, (delta, name) in enumerate(zip(deltas, names, strict=True)):
        total += dare(delta, plan.density, plan.seed, f"{place}/{name}/{'.'.join(layer)}")
    return total


def _check_alike(layer: Layer, own: Sequence[tuple[AdapterSource, Pair]]) -> None:
    (first, one), *rest = own
    for source, pair in rest:
        if (len(one.up), one.down[0].numel()) != (len(pair.up), pair.down[0].numel()):
            raise UserFault(
                f"{first.adapter.name} and {source.adapter.name} change layers of other sizes in"
                f" {'.'.join(layer)[:80]}: {one.shape} and {pair.shape}; merge adapters of one base model"
            )


def _check_ranks(layer: Layer, pairs: Weighted, names: Sequence[str]) -> None:
    ranks = [pair.rank for _, pair in pairs]
    if len(set(ranks)) > 1:
        raise UserFault(
            f"{names[0]} and {names[1]} have ranks {ranks[0]} and {ranks[1]} in {'.'.join(layer)[:80]}, and linear"
            " takes factors of one rank; take the method exact"
        )


def _say_method(plan: AdapterPlan, adapters: Sequence[AdapterFile], embeddings: Sequence[Embedding]) -> str:
    how = {
        "exact": "Exact sum", "linear": "Average of the factors", "ties": f"TIES, density {plan.density:g}",
        "dare": f"DARE, density {plan.density:g}, seed {plan.seed}",
    }[plan.method]  # fmt: skip
    names = " + ".join(f"{adapter.weight:g} · {adapter.name}" for adapter in adapters if adapter.kind == "lora")
    words = f", with the words {', '.join(each.trigger for each in embeddings)}" if embeddings else ""
    return f"{how} of {names}{words}."
