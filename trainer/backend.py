"""The engine's real work: training and drawing with torch, each job a generator that yields once a step.

torch and what stands on it are imported in here only when they are needed, in the child: whoever merely names the
backend (the supervisor's process) stays small.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer import messages
from trainer.contract.drawings import AdapterUse, Drawing
from trainer.contract.requests import ImagineRequest
from trainer.engine import Steps
from trainer.errors import UserFault
from trainer.training.control import Control


class TorchBackend:
    """The real work. A base stays loaded once it was asked for, as long as the memory holds all of them."""

    def __init__(
        self,
        bases: Path | None,
        device: str,
        class_latents: Path | None = None,
        *,
        hub_ids: tuple[str, ...] = (),
        judges: Path | None = None,
        captioner: Path | None = None,
        hashes: Path | None = None,
        lean: bool = False,
    ) -> None:
        """``class_latents``: the folder where those of prior preservation are kept for all trainings.

        ``judges``: the folder of the models that score checkpoints, see :mod:`trainer.choosing`; ``captioner``: that of
        the model that captions photos, see :mod:`trainer.training.blip`. ``hashes``: the file in which those of the
        bases are written down, for the engine that is started next. ``lean``: nobody draws here, so that trainings may
        let go of a base's encoders once their work is done.
        """
        self._folder, self._device, self._class_latents, self._judges = bases, device, class_latents, judges
        self._hub_ids, self._captioner, self._hashes, self._lean = hub_ids, captioner, hashes, lean
        self._loaded: dict[str, tuple[Any, Any]] = {}
        self._tuned: tuple[tuple[str, str], Any, Any] | None = None  # (base, blob), and what was loaded from it
        self._at_work: Counter[str] = Counter()  # jobs by base

    def start(self) -> messages.Ready:
        """Find the device and describe the bases; they are loaded when first asked for."""
        from diffusers.utils import logging as diffusers_logging
        from transformers.utils import logging as transformers_logging

        from trainer.contract.events import BaseInfo
        from trainer.models import hashes, memory
        from trainer.models.loading import choose_device
        from trainer.models.registry import look_for_bases

        diffusers_logging.set_verbosity_error()  # hints for who writes programs, not for who runs this one
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        if self._judges is not None:
            from trainer.choosing.folder_judge import check_judges

            check_judges(self._judges)
        if self._captioner is not None:
            from trainer.training.blip import check_captioner

            check_captioner(self._captioner)
        found = look_for_bases(self._folder, self._hub_ids)
        self._specs = {spec.name: spec for spec in found.bases}
        device = choose_device(self._device)
        if self._hashes is not None:
            hashes.recall(self._hashes)
        free, gpu = memory.free_bytes(device), device.type != "cpu"
        limits = {spec.name: memory.find_limits(spec, free, gpu=gpu) for spec in found.bases}
        infos = tuple(
            BaseInfo(
                name=spec.name, family=spec.family, hash=spec.hash, width=spec.defaults.width,
                height=spec.defaults.height, max_side=spec.defaults.max_side,
                num_inference_steps=spec.defaults.num_inference_steps, guidance_scale=spec.defaults.guidance_scale,
                embedded=spec.embedded, example_prompts=spec.defaults.example_prompts,
                unavailable=limits[spec.name].unavailable, most_resolution=limits[spec.name].most_resolution,
                bucket_step=spec.defaults.bucket_step, resolutions=spec.defaults.resolutions,
                has_captioner=self._captioner is not None, context_width=spec.context_width,
            )
            for spec in self._specs.values()
        )  # fmt: skip
        if self._hashes is not None:
            hashes.write_down(self._hashes)
        return messages.Ready(str(device), infos, found.refused)

    def _base(self, name: str) -> tuple[Any, Any]:
        import torch

        from trainer.adapters.bank import AdapterBank
        from trainer.models.loading import load_base

        if name not in self._specs:
            raise UserFault(f"this worker has no base model {name!r}; it has {', '.join(self._specs)}")
        if name not in self._loaded:
            try:
                base = load_base(self._specs[name], self._device)
            except torch.OutOfMemoryError:
                self._make_room()
                base = load_base(self._specs[name], self._device)
            if base.spec.embedded:
                # its operations are so small that two threads mostly wait for each other: docs/performance.md
                torch.set_num_threads(1)
            self._loaded[name] = (base, AdapterBank(base.modules))
        return self._loaded[name]

    def _make_room(self) -> None:
        """Let go of what nobody works with: idle bases, and the whole model that was drawn with last."""
        import torch

        self._tuned = None
        for idle in [name for name in self._loaded if not self._at_work[name]]:
            del self._loaded[idle]
        gc.collect()  # a base and what is wrapped around it hold each other
        torch.cuda.empty_cache()

    def _tuned_base(self, base: Any, use: AdapterUse, file: messages.Spooled) -> tuple[Any, Any]:
        """The base as that checkpoint has it; the last one stays loaded, and is then not read again."""
        from trainer.adapters.bank import AdapterBank
        from trainer.models.tuned import load_tuned

        if self._tuned is None or self._tuned[0] != (base.spec.name, use.blob):
            self._tuned = None  # before the next takes its place in memory
            tuned = load_tuned(base, file.open_path())
            self._tuned = (base.spec.name, use.blob), tuned, AdapterBank(tuned.modules)
        return self._tuned[1:]

    def train(self, command: messages.StartTraining, control: Control) -> Steps:
        """Train the adapter, then draw the base's example prompts with it; or pause."""
        return self._within_memory(command.request.base, self._train(command, control))

    def imagine(self, command: messages.StartImagining) -> Steps:
        """Draw the pictures; adapters are in the bank only as long."""
        return self._within_memory(command.request.base, self._imagine(command))

    def _within_memory(self, base: str, steps: Steps) -> Steps:
        """The same steps; what does not fit into the GPU's memory is told in words."""
        import torch

        self._at_work[base] += 1
        try:
            return (yield from steps)
        except torch.OutOfMemoryError as error:
            self._make_room()  # for whoever tries again
            raise UserFault(
                "this does not fit into the GPU's memory at the moment; try fewer or smaller pictures, or again later"
            ) from error
        finally:
            self._at_work[base] -= 1

    def _train(self, command: messages.StartTraining, control: Control) -> Steps:
        from trainer.choosing.judges import open_judge
        from trainer.teaching import Room, teach
        from trainer.training.captioner import open_captioner

        base, bank = self._base(command.request.base)
        captioner = open_captioner(self._captioner, base.device)
        judge = open_judge(base, self._judges)
        room = Room(base, bank, judge, self._class_latents, captioner, self._lean, self._make_room)
        return (yield from teach(room, command, control))

    def _imagine(self, command: messages.StartImagining) -> Steps:
        from trainer.adapters.uses import read_adapter
        from trainer.generation.metadata import write_png
        from trainer.generation.pipeline import generate, resolve_settings
        from trainer.teaching import picture_files

        request: ImagineRequest = command.request
        base, bank = self._base(request.base)
        began = time.monotonic()
        widths = {tower.name: tower.width for tower in base.towers}
        wholes = [use for use in request.adapters if use.kind == "checkpoint"]
        if len(wholes) > 1:
            raise UserFault("two whole models can't draw one picture: leave one out")
        if wholes:
            base, bank = self._tuned_base(base, wholes[0], command.files[wholes[0].blob])
        adapters = [use for use in request.adapters if use.kind != "checkpoint"]
        files = {use.blob: command.files[use.blob].read() for use in adapters}
        in_bank: dict[str, str] = {}  # by blob
        vectors: dict[str, dict[str, Any]] = {}  # by blob: by trigger
        try:
            for place, use in enumerate(adapters):
                tensors, embeddings = read_adapter(use, files[use.blob], widths)
                if tensors:
                    in_bank[use.blob] = f"{request.job_id}-{place}"
                    bank.add(in_bank[use.blob], tensors)
                vectors[use.blob] = {
                    each.trigger: {tower: rows.to(base.device) for tower, rows in each.vectors.items()}
                    for each in embeddings
                }
            jobs = [_generation_job(each, files, in_bank, vectors) for each in request.drawings]
            pictures: list[Any] = []
            for job in jobs:
                steps = generate(base, bank, job)
                while True:
                    try:
                        taken = next(steps)
                    except StopIteration as end:
                        pictures += end.value
                        break
                    step, all_steps = len(pictures) * taken.steps + taken.step, len(jobs) * taken.steps
                    preview = write_png(taken.preview, "") if taken.preview else None
                    yield messages.Stepped(request.job_id, step, all_steps, preview)
        finally:
            for name in in_bank.values():
                bank.remove(name)
        settings = resolve_settings(base, jobs[0])
        return messages.Drawn(request.job_id, picture_files(pictures), settings, time.monotonic() - began)


def _generation_job(
    drawing: Drawing, files: Mapping[str, bytes], in_bank: Mapping[str, str], vectors: Mapping[str, Mapping[str, Any]]
) -> Any:
    """One drawing with its adapters by their names in the bank; the first inversion of a word wins."""
    from trainer.adapters.uses import adapter_hashes
    from trainer.generation.pipeline import GenerationJob

    inversions: dict[str, Any] = {}
    for use in reversed(drawing.adapters):
        inversions |= vectors.get(use.blob, {})
    return GenerationJob(
        drawing.prompt, drawing.negative_prompt, seed=drawing.seed, inversions=inversions,
        adapters={in_bank[use.blob]: use.weight for use in drawing.adapters if use.blob in in_bank},
        num_inference_steps=drawing.settings.num_inference_steps, guidance_scale=drawing.settings.guidance_scale,
        width=drawing.settings.width, height=drawing.settings.height, prompt_written=drawing.prompt_written,
        hashes=adapter_hashes((use, files[use.blob]) for use in drawing.adapters if use.blob in files),
    )  # fmt: skip
