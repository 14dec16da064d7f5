"""A whole model with adapters in it for good: W + Σ wᵢ Δᵢ, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from trainer.adapters.layouts.fitting import fit
from trainer.adapters.layouts.reading import DOWN, MAGNITUDE, UP
from trainer.contract.adapter_metadata import public_metadata
from trainer.errors import BadAdapterFile, UserFault
from trainer.merging.adapter_source import AdapterSource, Layer, open_adapters
from trainer.merging.checkpoints import EMA
from trainer.merging.layers import Piece, find_pieces
from trainer.merging.models import Model, open_models
from trainer.merging.pairs import Pair
from trainer.merging.plans import DTYPES, AdapterFile, BakePlan, Merged, ModelFile, OnProgress, quietly
from trainer.merging.tensor_file import write_streaming


def bake(
    plan: BakePlan, model: ModelFile, adapters: Sequence[AdapterFile], out: Path, on_progress: OnProgress = quietly
) -> Merged:
    """Write ``model`` with ``adapters`` in its weights to ``out``; without any it is the model in another type.

    LoRAs of any layout and DoRA, each with its weight per part, as they act in a prompt together. Raises
    :class:`UserFault` for an adapter of another family, and for a textual inversion, which changes no weights.
    """
    for adapter in adapters:
        if adapter.kind != "lora":
            raise UserFault(f"{adapter.name} is a textual inversion, which changes no weights; use it in prompts")
    with open_models([model]) as [opened], open_adapters(adapters) as sources:
        pieces = {name: find_pieces(name, tensor.shape, opened.family) for name, tensor in opened.tensors.items()}
        left_out = _check_layers(opened, sources, {piece.layer for own in pieces.values() for piece in own})

        def read(name: str) -> torch.Tensor:
            tensor = opened.read(name)
            own = [piece for piece in pieces[name] if any(piece.layer in source.layers for source in sources)]
            return _change(tensor.float(), own, sources) if own else tensor

        dtype = DTYPES[plan.dtype]
        layout = {
            name: (dtype if tensor.dtype.is_floating_point else tensor.dtype, tuple(tensor.shape))
            for name, tensor in opened.tensors.items()
            if plan.keep_ema or not name.startswith(EMA)
        }
        write_streaming(layout, public_metadata(plan.metadata), read, out, on_progress)
        used = len(layout) + sum(source.keys_used for source in sources)
        return Merged(out, "checkpoint", used, tuple(left_out), sentences=tuple(_say(opened, sources, left_out)))


def _check_layers(model: Model, sources: Sequence[AdapterSource], known: set[Layer]) -> list[str]:
    """What of the adapters is left out. Raises :class:`UserFault` for layers that the model has not got."""
    left_out = []
    for source in sources:
        strange = next((layer for layer in source.layers if layer not in known), None)
        if strange is not None:
            raise UserFault(
                f"{source.adapter.name} is not for {model.name}, which has no layer {'.'.join(strange)[:120]}; take an"
                " adapter that was made for it"
            )
        left_out += [f"{source.adapter.name}: {key}" for key in source.left_out]
        left_out += [f"{source.adapter.name}: the vectors of {each.trigger}" for each in source.embeddings]
    return left_out


def _change(tensor: torch.Tensor, pieces: Sequence[Piece], sources: Sequence[AdapterSource]) -> torch.Tensor:
    for piece in pieces:
        weight = piece.of(tensor)
        total = torch.zeros_like(weight)
        for source in sources:
            if piece.layer in source.layers:
                total += source.adapter.weight_on(piece.layer[0]) * _delta(source, piece.layer, weight)
        weight += total
    return tensor


def _delta(source: AdapterSource, layer: Layer, weight: torch.Tensor) -> torch.Tensor:
    """What one adapter adds to W at weight 1.

    B·A, or with DoRA's magnitudes m: m (W + BA) / ‖W + BA‖ − W, the norm over each output's weights (Liu et al. 2024,
    eq. 5), as it acts in this house when it draws.
    """
    try:
        found = source.read(layer)
        change = fit(Pair(found[DOWN], found[UP]).delta(), tuple(weight.shape))
    except (BadAdapterFile, ValueError) as error:
        raise UserFault(
            f"{source.adapter.name} does not fit in {'.'.join(layer)[:80]}: {error}; take an adapter of this base"
        ) from error
    if MAGNITUDE not in found:
        return change
    changed = weight + change
    scale = found[MAGNITUDE].flatten() / torch.linalg.vector_norm(changed.flatten(1), dim=1)
    baked: torch.Tensor = changed * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    return baked - weight


def _say(model: Model, sources: Sequence[AdapterSource], left_out: Sequence[str]) -> list[str]:
    names = " and ".join(f"{source.adapter.name} at {source.adapter.weight:g}" for source in sources)
    said = [f"{model.name} with {names} in its weights." if names else f"{model.name} as it is."]
    words = [each.trigger for source in sources for each in source.embeddings]
    if words:
        said.append(f"The vectors of {', '.join(words)} are not in it, for they are no weights of the model.")
    if len(left_out) > len(words):
        said.append(f"{len(left_out) - len(words)} keys of the adapters are of no use and left out.")
    return said
