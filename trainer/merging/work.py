"""From the request of a merge to its file: which models and adapters these are, and what is told of the result."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer import merging, messages
from trainer.adapters.files import TRAINER_VERSION
from trainer.adapters.kohya_metadata import Prediction, Training, describe_for_kohya, describe_model
from trainer.contract.drawings import AdapterUse
from trainer.contract.merges import BakeAdapters, ExportFile, ExtractAdapter, MergeAdapters, MergeModels, Model
from trainer.errors import UserFault
from trainer.merging.plans import AdapterFile, Merged, ModelFile, OnProgress
from trainer.models.registry import BaseSpec
from trainer.models.vaes import VaeSpec


def carry_out(
    command: messages.StartMerging, bases: Sequence[BaseSpec], vaes: Sequence[VaeSpec], on_progress: OnProgress
) -> messages.Merged:
    """Do the work. What ``on_progress(done, of)`` raises ends it. Raises :class:`UserFault`."""
    return _Work(command, {spec.name: spec for spec in bases}, vaes, on_progress).do()


class _Work:
    def __init__(
        self,
        command: messages.StartMerging,
        bases: Mapping[str, BaseSpec],
        vaes: Sequence[VaeSpec],
        on_progress: OnProgress,
    ) -> None:
        self._command, self._request = command, command.request
        self._bases, self._vaes, self._on_progress = bases, vaes, on_progress
        self._out = Path(command.folder) / "merged.safetensors"

    def do(self) -> messages.Merged:
        started = time.monotonic()
        made = self._make()
        path = _zip(made, self._request.name) if made.beside else made.path
        fidelity = made.fidelity
        if fidelity is None and made.error is not None:
            fidelity = max(0.0, 1 - made.error**2)
        return messages.Merged(
            self._request.job_id, messages.Spooled.of(path), made.kind, self._base.hash, TRAINER_VERSION,
            time.monotonic() - started, made.rank or 0, fidelity, " ".join(made.sentences),
        )  # fmt: skip

    def _make(self) -> Merged:
        match self._request.work:
            case MergeAdapters() as work:
                plan = merging.AdapterPlan(
                    work.method, work.rank, work.density, seed=work.seed, trigger=self._request.trigger,
                    metadata=self._describe("lora", work.rank),
                )  # fmt: skip
                return merging.merge_adapters(plan, self._adapters(work.adapters), self._out, self._on_progress)
            case MergeModels() as work:
                models = merging.CheckpointPlan(
                    work.method, work.alpha, work.blocks, metadata=self._describe("checkpoint")
                )  # fmt: skip
                vae = None if work.vae is None else self._vae(work.vae)
                files = [self._model(model) for model in work.models]
                return merging.merge_checkpoints(models, files, self._out, self._on_progress, vae=vae)
            case BakeAdapters() as work:
                baked = merging.BakePlan(metadata=self._describe("checkpoint"))
                adapters = self._adapters(work.adapters)
                return merging.bake(baked, self._model(work.model), adapters, self._out, self._on_progress)
            case ExtractAdapter() as work:
                taken = merging.ExtractionPlan(work.rank, metadata=self._describe("lora", work.rank))
                original, tuned = self._model(work.original), self._model(work.tuned)
                return merging.extract(taken, original, tuned, self._out, self._on_progress)
            case ExportFile() as work:
                return self._export(work)

    def _export(self, work: ExportFile) -> Merged:
        if work.adapter.kind == "checkpoint":
            model = self._model(Model(work.adapter.name, self._request.base, work.adapter.blob))
            plan = merging.BakePlan(work.precision, metadata=self._describe("checkpoint"))
            return merging.bake(plan, model, [], self._out, self._on_progress)
        sdxl = self._base.family == "sdxl"
        exported = merging.ExportPlan(work.form, work.rank, dtype=work.precision, sdxl=sdxl)
        return merging.export_adapter(exported, self._adapters([work.adapter])[0], self._out, self._on_progress)

    @property
    def _base(self) -> BaseSpec:
        return self._spec(self._request.base)

    def _spec(self, name: str) -> BaseSpec:
        if name not in self._bases:
            raise UserFault(f"this worker has no base model {name!r}; it has {', '.join(self._bases)}")
        return self._bases[name]

    def _path(self, blob: str) -> Path:
        return self._command.files[blob].open_path()

    def _adapters(self, uses: Sequence[AdapterUse]) -> list[AdapterFile]:
        return [
            AdapterFile(
                self._path(use.blob), use.name, use.weight, use.te_weight,
                "textual_inversion" if use.kind == "textual_inversion" else "lora", use.trigger,
            )
            for use in uses
        ]  # fmt: skip

    def _model(self, model: Model) -> ModelFile:
        spec = self._spec(model.base)
        path = self._path(model.blob) if model.blob is not None else spec.file or spec.folder
        return ModelFile(path, model.name, spec.defaults.prediction_type)

    def _vae(self, model: Model) -> ModelFile:
        """One that the operator offers, by its name; or that of a base."""
        found = next((vae for vae in self._vaes if vae.name == model.name), None)
        return self._model(model) if found is None or model.base else ModelFile(found.path, found.name)

    def _describe(self, kind: str, rank: int | None = None) -> dict[str, str]:
        """As the metadata of what is trained here, without what only a training has."""
        request, spec = self._request, self._base
        own = {
            "trigger": request.trigger, "class_word": request.class_word, "base": spec.name, "base_hash": spec.hash,
            "trainer": TRAINER_VERSION,
        }  # fmt: skip
        prediction: Prediction = spec.defaults.prediction_type or "epsilon"
        told = Training(
            spec.family, spec.name, request.trigger or request.name, request.class_word, spec.defaults.width,
            spec.defaults.height, prediction, rank,
        )  # fmt: skip
        others = describe_for_kohya(told) if kind == "lora" else describe_model(told, "checkpoint")
        return {f"darkroom.{name}": text for name, text in own.items() if text} | others


def _zip(made: Merged, name: str) -> Path:
    """A file with those that belong beside it, which is not packed: weights do not get smaller."""
    path = made.path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        out.write(made.path, f"{name}.safetensors")
        for beside in made.beside:
            out.write(beside, beside.name)
    return path
