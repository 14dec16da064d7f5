"""One adapter for other programs: in their names, of a smaller rank, in fewer bits, without what is private."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from trainer.adapters.embedding_files import read_embedding, write_diffusers_embedding, write_embedding
from trainer.adapters.layouts.reading import DOWN, MAGNITUDE, UP
from trainer.adapters.lora_files import write_kohya_lora, write_lora
from trainer.contract.adapter_metadata import PEFT_CONFIG, public_metadata
from trainer.contract.adapter_shapes import MAX_RANK
from trainer.errors import BadAdapterFile, UserFault
from trainer.merging.adapter_source import AdapterSource, open_adapters
from trainer.merging.pairs import Losses, Pair, distance, pair_energy, truncate
from trainer.merging.plans import DTYPES, AdapterFile, ExportPlan, Merged, OnProgress, quietly, refuse_float8
from trainer.merging.saying import say_losses
from trainer.merging.writing import write_file

_HASHES = ("sshs_model_hash", "sshs_legacy_hash")  # of what the file was; kohya's writer says them anew
_RANKS = ("ss_network_dim", "ss_network_alpha", "darkroom.rank")


def export_adapter(plan: ExportPlan, adapter: AdapterFile, out: Path, on_progress: OnProgress = quietly) -> Merged:
    """Write ``adapter`` to ``out`` in the form of ``plan``, and say what it costs, measured on the effective weights.

    Of a pivotal adapter kohya's form holds the vectors, too; diffusers reads them from files of their own, which are
    written beside (:attr:`Merged.beside`). The weight of ``adapter`` has no effect. Raises :class:`UserFault`.
    """
    _check(plan, adapter)
    if adapter.kind == "textual_inversion":
        return _export_embedding(plan, adapter, out)
    with open_adapters([adapter]) as [source]:
        watch = _Watch(on_progress, 2 * len(source.layers))
        weights = _cut_layers(plan, source, watch)
        rank = max(len(tensor) for key, tensor in weights.items() if key.endswith(DOWN))
        metadata = _metadata(plan, source.metadata, rank)
        write_file(out, _write(plan, adapter, weights, metadata, source))
        try:
            losses = _measure(source, out, watch)
        except BaseException:
            out.unlink()
            raise
        beside = _write_beside(plan, source, metadata, out)
    words = ", ".join(each.trigger for each in source.embeddings) if beside else ""
    said = [f"The vectors of {words} are in a file of their own, as diffusers reads them."] if words else []
    if source.magnitudes:
        said.append("It is a DoRA: the figures are of its directions, its magnitudes being kept.")
    return Merged(
        out, "lora", source.keys_used, source.left_out, rank, losses.error, *losses.worst,
        sentences=(*say_losses(losses, rank, len(source.left_out)), *said), beside=beside,
    )  # fmt: skip


def _check(plan: ExportPlan, adapter: AdapterFile) -> None:
    if plan.form == "diffusers":
        refuse_float8(plan.dtype)
    if plan.rank is not None and not 1 <= plan.rank <= MAX_RANK:
        raise UserFault(f"rank {plan.rank} is no rank of an adapter; give 1 to {MAX_RANK:,}")
    if plan.kept is not None and not 0 < plan.kept <= 1:
        raise UserFault(f"{plan.kept:g} is no share of an adapter to keep; give more than 0 and at most 1")
    if adapter.kind == "textual_inversion" and (plan.rank is not None or plan.kept is not None):
        raise UserFault(f"{adapter.name} is a textual inversion, which has no rank; export it without one")


class _Watch:
    """Every layer is met twice: it is cut, and read again from what was written."""

    def __init__(self, on_progress: OnProgress, of: int) -> None:
        self._on_progress, self._of, self._done = on_progress, of, 0
        on_progress(0, of)

    def step(self) -> None:
        """One more."""
        self._done += 1
        self._on_progress(self._done, self._of)


def _cut_layers(plan: ExportPlan, source: AdapterSource, watch: _Watch) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = {}
    for layer in source.layers:
        found, name = source.read_named(layer), ".".join(layer)
        cut = truncate(Pair(found[DOWN], found[UP]), plan.rank, plan.kept)
        weights |= {f"{name}.{DOWN}": cut.down, f"{name}.{UP}": cut.up}
        if MAGNITUDE in found:
            weights[f"{name}.{MAGNITUDE}"] = found[MAGNITUDE]
        watch.step()
    return weights


def _measure(source: AdapterSource, written: Path, watch: _Watch) -> Losses:
    """How far what a reader finds in the file is from the adapter."""
    losses = Losses()
    with open_adapters([AdapterFile(written, source.adapter.name)]) as [copy]:
        for layer in source.layers:
            found, wanted = copy.pair(layer), source.pair(layer)
            if found is not None and wanted is not None:
                losses.add(".".join(layer), distance(found, wanted), pair_energy(wanted))
            watch.step()
    return losses


def _metadata(plan: ExportPlan, own: Mapping[str, str], rank: int) -> dict[str, str]:
    """What is public of the file's own, or of those given; what its tensors no longer are is told as they are now."""
    kept = public_metadata(own if plan.metadata is None else plan.metadata)
    for name in (PEFT_CONFIG, *_HASHES):  # every alpha is in the factors now
        kept.pop(name, None)
    if plan.rank is not None or plan.kept is not None:
        kept.pop("ss_network_args", None)
    return kept | {name: str(rank) for name in _RANKS if name in kept}


def _write(
    plan: ExportPlan,
    adapter: AdapterFile,
    weights: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str],
    source: AdapterSource,
) -> bytes:
    dtype = DTYPES[plan.dtype]
    try:
        if plan.form == "kohya":
            return write_kohya_lora(weights, metadata, sdxl=plan.sdxl, embeddings=source.embeddings, dtype=dtype)
        return write_lora(weights, metadata, dtype=dtype)
    except ValueError as error:
        raise UserFault(f"{adapter.name} has no place in {plan.form}'s form: {error}; take the other form") from error


def _write_beside(plan: ExportPlan, source: AdapterSource, metadata: Mapping[str, str], out: Path) -> tuple[Path, ...]:
    if plan.form == "kohya":
        return ()
    paths = []
    for place, embedding in enumerate(source.embeddings, 1):
        path = out.with_name(f"{out.stem}-words-{place}.safetensors")  # never by the word, which members choose
        write_file(path, write_diffusers_embedding(embedding, metadata))
        paths.append(path)
    return tuple(paths)


def _export_embedding(plan: ExportPlan, adapter: AdapterFile, out: Path) -> Merged:
    try:
        embedding, own = read_embedding(adapter.path.read_bytes(), adapter.trigger or None)
    except (BadAdapterFile, OSError) as error:
        raise UserFault(f"{adapter.name} can't be exported: {str(error)[:300]}; take another one") from error
    metadata = public_metadata(own if plan.metadata is None else plan.metadata)
    write = write_embedding if plan.form == "kohya" else write_diffusers_embedding
    write_file(out, write(embedding, metadata))
    said = f"{embedding.count} vectors in float32, as they are."
    return Merged(out, "textual_inversion", len(embedding.vectors), error=0.0, sentences=(said,))
