"""An adapter out of two checkpoints: the LoRA in what changed, read tensor by tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from trainer.adapters.extraction import extract_lora
from trainer.adapters.lora_files import write_lora
from trainer.contract.adapter_metadata import public_metadata
from trainer.contract.adapter_shapes import MAX_RANK
from trainer.errors import UserFault
from trainer.merging.checkpoints import EMA
from trainer.merging.layers import Piece, find_pieces
from trainer.merging.models import Model, open_models
from trainer.merging.plans import DTYPES, ExtractionPlan, Merged, ModelFile, OnProgress, quietly, refuse_float8
from trainer.merging.saying import say_share
from trainer.merging.writing import write_file
from trainer.models.header import UNET

_NO_LAYERS = ("position_ids", "logit_scale")


def extract(
    plan: ExtractionPlan, original: ModelFile, tuned: ModelFile, out: Path, on_progress: OnProgress = quietly
) -> Merged:
    """Write the LoRA that makes ``tuned`` of ``original``, as near as one of its rank comes, in the diffusers format.

    See :func:`trainer.adapters.extraction.extract_lora`. Raises :class:`UserFault` for models that are not alike, and
    for two that do not differ.
    """
    if not 1 <= plan.rank <= MAX_RANK:
        raise UserFault(f"rank {plan.rank} is no rank of an adapter; give 1 to {MAX_RANK:,}")
    refuse_float8(plan.dtype)
    with open_models([original, tuned]) as [before, after]:
        keys = _keys(before, after, text_encoders=plan.text_encoders)
        watch = _Watch(on_progress, 2 * len(keys))
        found = extract_lora(
            _Weights(before, keys, watch.step), _Weights(after, keys), plan.rank,
            wanted_fidelity=plan.wanted_fidelity, seed=plan.seed,
        )  # fmt: skip
        watch.end()
    if not found.weights:
        raise UserFault(f"{tuned.name} has nothing over {original.name} that a LoRA could carry; take two that differ")
    write_file(out, write_lora(found.weights, public_metadata(plan.metadata), dtype=DTYPES[plan.dtype]))
    error = max(0.0, 1 - found.fidelity) ** 0.5
    said = [
        f"A LoRA of rank {found.rank} that keeps {say_share(found.fidelity)} of what {tuned.name} has over"
        f" {original.name}, counted in squares."
    ]
    if found.left_out:
        said.append(f"{len(found.left_out)} tensors that changed are no layers' weights, which no LoRA can carry.")
    return Merged(
        out, "lora", len(keys), found.left_out, found.rank, error, fidelity=found.fidelity, sentences=tuple(said)
    )


def _keys(before: Model, after: Model, *, text_encoders: bool) -> dict[str, tuple[str, Piece | None]]:
    """By the name that an adapter would have for it, each layer's weight, and all else that may have changed."""
    keys: dict[str, tuple[str, Piece | None]] = {}
    unet = UNET if before.family else "unet."
    for name, tensor in before.tensors.items():
        of_unet = name.startswith(unet)
        if name.startswith((before.vae_prefix, EMA)) or name.endswith(_NO_LAYERS) or not tensor.dtype.is_floating_point:
            continue
        if not (of_unet or text_encoders) or not tensor.shape.numel() or name not in after.tensors:
            continue
        if before.family and "model" not in name:
            continue
        if after.tensors[name].shape != tensor.shape:
            raise UserFault(
                f"{before.name} and {after.name} differ in the shape of {name[:80]!r}: {tuple(tensor.shape)} and"
                f" {tuple(after.tensors[name].shape)}; take two that come from one another"
            )
        pieces = find_pieces(name, tensor.shape, before.family)
        keys |= {f"{'.'.join(piece.layer)}.weight": (name, piece) for piece in pieces}
        if not pieces:
            keys[name.removesuffix(".weight") if tensor.ndim in (2, 4) else name] = (name, None)
    return keys


class _Weights(Mapping[str, torch.Tensor]):
    """A model's tensors by the names of an adapter's layers, read when they are asked for."""

    def __init__(
        self, model: Model, keys: Mapping[str, tuple[str, Piece | None]], step: Callable[[], None] = lambda: None
    ) -> None:
        self._model, self._keys, self._step = model, keys, step

    def __getitem__(self, key: str) -> torch.Tensor:
        self._step()
        name, piece = self._keys[key]
        tensor = self._model.read(name).float()
        return piece.of(tensor) if piece else tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class _Watch:
    """Counts the tensors that are read, each being read twice at most."""

    def __init__(self, on_progress: OnProgress, of: int) -> None:
        self._on_progress, self._of, self._done = on_progress, of, 0

    def step(self) -> None:
        """One more."""
        self._on_progress(min(self._done, self._of), self._of)
        self._done += 1

    def end(self) -> None:
        """All."""
        self._on_progress(self._of, self._of)
