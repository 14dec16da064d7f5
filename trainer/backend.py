"""The engine's real work: training and drawing with torch, each job a generator that yields once a step.

torch and what stands on it are imported in here only when they are needed, in the child: whoever merely names the
backend (the supervisor's process) stays small.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from trainer import messages
from trainer.contract.drawings import AdapterUse
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
        tunings: Path | None = None,
        lean: bool = False,
    ) -> None:
        """``class_latents``: the folder where those of prior preservation are kept for all trainings.

        ``judges``: the folder of the models that score checkpoints, see :mod:`trainer.choosing`; ``captioner``: that of
        the model that captions photos, see :mod:`trainer.training.blip`. ``hashes``: the file in which those of the
        bases are written down, for the engine that is started next, and ``tunings`` that of how they are fastest here.
        ``lean``: nobody draws here, so that trainings may let go of a base's encoders once their work is done.
        """
        self._folder, self._device, self._class_latents, self._judges = bases, device, class_latents, judges
        self._hub_ids, self._captioner, self._hashes, self._lean = hub_ids, captioner, hashes, lean
        self._tunings_book = tunings
        self._tunings: Any = None
        self._loaded: dict[str, tuple[Any, Any]] = {}
        self._easels: dict[str, Any] = {}  # by base: what draws with it
        self._tuned: tuple[tuple[str, str], Any] | None = None  # (base, blob), and what draws with it
        self._wardrobe: Any = None  # the VAEs that may take the place of a base's own
        self._studio: Any = None
        self._at_work: Counter[str] = Counter()  # jobs by base

    def start(self) -> messages.Ready:
        """Find the device and describe the bases; they are loaded when first asked for."""
        from diffusers.utils import logging as diffusers_logging
        from transformers.utils import logging as transformers_logging

        from trainer.contract.events import BaseInfo
        from trainer.models import hashes, memory
        from trainer.models.loading import choose_device
        from trainer.models.registry import look_for_bases
        from trainer.models.vae_loading import Wardrobe
        from trainer.models.vaes import look_for_vaes

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
        vaes = look_for_vaes(self._folder)
        self._wardrobe = Wardrobe(vaes.vaes)
        device = choose_device(self._device)
        if self._hashes is not None:
            hashes.recall(self._hashes)
        free, gpu = memory.free_bytes(device), device.type != "cpu"
        limits = {spec.name: memory.find_limits(spec, free, gpu=gpu) for spec in found.bases}
        infos = tuple(
            BaseInfo(
                name=spec.name, family=spec.family, hash=spec.hash, width=spec.defaults.width,
                height=spec.defaults.height, max_side=spec.defaults.max_side,
                max_high_res_side=spec.defaults.high_res_side,
                num_inference_steps=spec.defaults.num_inference_steps, guidance_scale=spec.defaults.guidance_scale,
                sampler=spec.defaults.sampler,
                embedded=spec.embedded, example_prompts=spec.defaults.example_prompts,
                unavailable=limits[spec.name].unavailable, most_resolution=limits[spec.name].most_resolution,
                bucket_step=spec.defaults.bucket_step, resolutions=spec.defaults.resolutions,
                has_captioner=self._captioner is not None, context_width=spec.context_width,
                tuning=self._words_of_tuning(device, spec.hash), lengths=spec.defaults.recipe.lengths,
                memory_bytes=memory.estimate_methods(spec, free, gpu=gpu),
                vaes=tuple(vae.name for vae in vaes.vaes if vae.fits(spec)),
            )
            for spec in self._specs.values()
        )  # fmt: skip
        if self._hashes is not None:
            hashes.write_down(self._hashes)
        return messages.Ready(str(device), infos, (*found.refused, *vaes.refused))

    def _base(self, name: str) -> tuple[Any, Any]:
        import torch

        from trainer.adapters.bank import AdapterBank
        from trainer.generation.easel import Easel
        from trainer.models.loading import load_base

        if name not in self._specs:
            raise UserFault(f"this worker has no base model {name!r}; it has {', '.join(self._specs)}")
        if name not in self._loaded:
            try:
                base = load_base(self._specs[name], self._device)
            except torch.OutOfMemoryError:
                self._make_room()
                base = load_base(self._specs[name], self._device)
            self._tune(base)
            if base.spec.embedded:
                # its operations are so small that two threads mostly wait for each other: docs/performance.md
                torch.set_num_threads(1)
            # before any training puts layers of its own around those of the base
            bank = AdapterBank(base.modules)
            self._easels[name] = Easel(base, bank, wardrobe=self._wardrobe)
            self._loaded[name] = (base, bank)
        return self._loaded[name]

    def _tune(self, base: Any) -> None:
        """Lay out a base as it is fastest here. On a CPU a measurement takes longer than it gains."""
        if base.device.type != "cpu":
            self._known_tunings(base.device).tune(base)

    def _known_tunings(self, device: Any) -> Any:
        from trainer.models.tuning import Tunings

        self._tunings = self._tunings or Tunings(str(device), self._tunings_book)
        return self._tunings

    def _words_of_tuning(self, device: Any, base_hash: str) -> str:
        found = self._known_tunings(device).of(base_hash)
        return found.words if found is not None else ""

    def _make_room(self) -> None:
        """Let go of what nobody works with: idle bases, the whole model that was drawn with last, other VAEs."""
        import torch

        self._tuned = None
        self._wardrobe.forget()
        for idle in [name for name in self._loaded if not self._at_work[name]]:
            del self._loaded[idle], self._easels[idle]
        gc.collect()  # a base and what is wrapped around it hold each other
        torch.cuda.empty_cache()

    def _easel(self, name: str, whole: AdapterUse | None, files: Mapping[str, messages.Spooled]) -> Any:
        """What draws with a base, or with the whole model that a member made of it.

        The last whole model stays loaded, and is then not read again.
        """
        from trainer.generation.easel import Easel
        from trainer.models.tuned import load_tuned

        base, _ = self._base(name)
        if whole is None:
            return self._easels[name]
        if self._tuned is None or self._tuned[0] != (name, whole.blob):
            self._tuned = None  # before the next takes its place in memory
            tuned = load_tuned(base, files[whole.blob].open_path())
            self._tuned = (name, whole.blob), Easel(tuned, wardrobe=self._wardrobe)
        return self._tuned[1]

    def train(self, command: messages.StartTraining, control: Control) -> Steps:
        """Train the adapter, then draw the base's example prompts with it; or pause."""
        return self._within_memory(command.request.base, self._train(command, control))

    def imagine(self, command: messages.StartImagining) -> Steps:
        """Draw the pictures; adapters are in the bank only as long."""
        return self._within_memory(command.request.base, self._imagine(command))

    def merge(self, command: messages.StartMerging, on_progress: Callable[[int, int], None]) -> messages.Merged:
        """Merge on the processor, in a child of its own: no base is loaded, and the GPU is left alone."""
        from trainer.merging.work import carry_out
        from trainer.models import hashes
        from trainer.models.registry import look_for_bases
        from trainer.models.vaes import look_for_vaes

        if self._hashes is not None:
            hashes.recall(self._hashes)
        bases, vaes = look_for_bases(self._folder, self._hub_ids), look_for_vaes(self._folder)
        return carry_out(command, bases.bases, vaes.vaes, on_progress)

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
        from trainer.generation.commission import carry_out
        from trainer.generation.studio import Studio

        self._studio = self._studio or Studio()
        find_easel = partial(self._easel, command.request.base, files=command.files)
        return (yield from carry_out(self._studio, command, find_easel))
