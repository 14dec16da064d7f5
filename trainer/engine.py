"""The GPU child process: one loop that interleaves training steps and denoising steps.

Whoever waits for a picture is served between two training steps; training ages, so that it never starves. Everything
in here runs in one thread; the supervisor keeps the network, the clock and Discord.
"""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from trainer import messages
from trainer.contract.requests import ImagineRequest, TrainRequest
from trainer.errors import BadAdapterFile, UserFault
from trainer.messages import PictureFile, Report

PICTURE_STEPS_A_TRAINING_STEP = 8  # with pictures always waiting, training still gets every ninth step
_PR_SET_PDEATHSIG = 1

Send = Callable[[Report], None]
Steps = Generator[Report | None, None, Report]


class Backend(Protocol):
    """What does the work; its generators yield once a step and return the last report."""

    def start(self) -> messages.Ready:
        """Find the device and the bases. Raises UserFault."""
        ...

    def train(self, command: messages.StartTraining) -> Steps:
        """Train, one step a turn."""
        ...

    def imagine(self, command: messages.StartImagining) -> Steps:
        """Draw, one denoising step a turn."""
        ...


@dataclass
class Engine:
    """Takes commands, gives each job its turns, sends reports. Deterministic: who is next depends on nothing else."""

    backend: Backend
    send: Send

    def __post_init__(self) -> None:
        self._pictures: deque[tuple[str, Steps]] = deque()
        self._trainings: deque[tuple[str, Steps]] = deque()
        self._since_training = 0

    @property
    def busy(self) -> bool:
        """Whether any job is there."""
        return bool(self._pictures or self._trainings)

    def take(self, command: messages.Command) -> None:
        """Accept a command."""
        if isinstance(command, messages.StartImagining):
            self._pictures.append((command.request.job_id, self.backend.imagine(command)))
        elif isinstance(command, messages.StartTraining):
            self._trainings.append((command.request.job_id, self.backend.train(command)))
        else:
            self._cancel(command.job_id)

    def _cancel(self, job_id: str) -> None:
        for lane in (self._pictures, self._trainings):
            for entry in list(lane):
                if entry[0] == job_id:
                    entry[1].close()  # its `finally` takes its adapters out of the base
                    lane.remove(entry)
                    self.send(messages.Stopped(job_id))

    def turn(self) -> None:
        """Let one job take one step: pictures first and in turn, a training when none waits or it has aged."""
        due = self._trainings and self._since_training >= PICTURE_STEPS_A_TRAINING_STEP
        lane = self._trainings if due or not self._pictures else self._pictures
        self._since_training = 0 if lane is self._trainings else self._since_training + 1
        job_id, steps = lane.popleft()
        try:
            report = next(steps)
        except StopIteration as end:
            self.send(end.value)
            return
        except (UserFault, BadAdapterFile) as fault:
            self.send(messages.Refused(job_id, str(fault)))
            return
        except Exception:  # one job's fault is not the next one's
            self.send(messages.Refused(job_id, None, traceback.format_exc()))
            return
        if report is not None:
            self.send(report)
        lane.append((job_id, steps))


class TorchBackend:
    """The real work, on one frozen base at a time a name."""

    def __init__(self, bases: Path | None, device: str) -> None:
        self._folder, self._device = bases, device
        self._loaded: dict[str, tuple[Any, Any]] = {}

    def start(self) -> messages.Ready:
        """Find the device and describe the bases; they are loaded when first asked for."""
        from trainer.contract.events import BaseInfo
        from trainer.models.loading import choose_device
        from trainer.models.registry import find_bases

        self._specs = {spec.name: spec for spec in find_bases(self._folder)}
        infos = tuple(
            BaseInfo(
                name=spec.name, family=spec.family, hash=spec.hash, width=spec.defaults.width,
                height=spec.defaults.height, max_side=spec.defaults.max_side,
                num_inference_steps=spec.defaults.num_inference_steps, guidance_scale=spec.defaults.guidance_scale,
                embedded=spec.embedded, example_prompts=spec.defaults.example_prompts,
            )
            for spec in self._specs.values()
        )  # fmt: skip
        return messages.Ready(str(choose_device(self._device)), infos)

    def _base(self, name: str) -> tuple[Any, Any]:
        import torch

        from trainer.adapters.bank import AdapterBank
        from trainer.models.loading import load_base

        if name not in self._specs:
            raise UserFault(f"this worker has no base model {name!r}; it has {', '.join(self._specs)}")
        if name not in self._loaded:
            base = load_base(self._specs[name], self._device)
            if base.spec.embedded:
                # its operations are so small that two threads mostly wait for each other: docs/performance.md
                torch.set_num_threads(1)
            self._loaded[name] = (base, AdapterBank(base.unet))
        return self._loaded[name]

    def train(self, command: messages.StartTraining) -> Steps:
        """Train the adapter, then draw the base's example prompts with it."""
        from PIL import Image

        from trainer.adapters.files import read_lora
        from trainer.generation.pipeline import GenerationJob, generate
        from trainer.training.lora import IN_TRAINING, TrainingJob, train_lora

        request: TrainRequest = command.request
        base, bank = self._base(request.base)
        photos = [Image.open(io.BytesIO(data), formats=("PNG",)) for data in command.photos]
        subject = f"{request.trigger} {request.class_word}"
        prompts = [*(f"{subject} {words}" for words in base.spec.defaults.example_prompts), subject]
        checkpoints: list[bytes] = []
        job = TrainingJob(request.trigger, request.class_word, request.kind, request.recipe)
        steps = train_lora(
            base, bank, photos, request.captions, job, checkpoint=checkpoints.append, resume=command.resume
        )
        while True:
            try:
                taken = next(steps)
            except StopIteration as end:
                adapter = end.value
                break
            if taken is None:
                yield None
                continue
            if checkpoints:
                yield messages.Checkpointed(request.job_id, checkpoints.pop())
            preview = None
            if taken.step in {taken.steps * quarter // 4 for quarter in (1, 2, 3)}:
                look = GenerationJob(
                    prompts[0], adapters={IN_TRAINING: 1.0}
                )  # the same seed each time: one sees it grow
                preview = _files((yield from _quietly(generate(base, bank, look))))[0].png
            yield messages.Stepped(request.job_id, taken.step, taken.steps, preview)
        name = f"examples-{request.job_id}"
        bank.add(name, read_lora(adapter.data)[0])
        examples: list[PictureFile] = []
        try:
            for prompt in prompts[: len(base.spec.defaults.example_prompts)]:
                pictures = yield from _quietly(generate(base, bank, GenerationJob(prompt, adapters={name: 1.0})))
                examples += _files(pictures)
        finally:
            bank.remove(name)
        return messages.Trained(
            request.job_id, adapter.data, adapter.metadata, adapter.rank, adapter.steps, adapter.final_loss,
            adapter.seconds, tuple(examples),
        )  # fmt: skip

    def imagine(self, command: messages.StartImagining) -> Steps:
        """Draw the pictures; adapters are in the bank only as long."""
        from trainer.adapters.files import read_lora
        from trainer.generation.metadata import write_png
        from trainer.generation.pipeline import GenerationJob, generate, resolve_settings

        request: ImagineRequest = command.request
        base, bank = self._base(request.base)
        began = time.monotonic()
        weights: dict[str, float] = {}
        try:
            for place, (use, data) in enumerate(zip(request.adapters, command.adapters, strict=True)):
                name = f"{request.job_id}-{place}"
                bank.add(name, read_lora(data)[0])
                weights[name] = use.weight
            job = GenerationJob(
                request.prompt, request.negative_prompt, weights, request.seed, request.count,
                request.num_inference_steps, request.guidance_scale, request.width, request.height,
                request.prompt_written,
            )  # fmt: skip
            steps = generate(base, bank, job)
            while True:
                try:
                    taken = next(steps)
                except StopIteration as end:
                    pictures = end.value
                    break
                preview = write_png(taken.preview, "") if taken.preview else None
                yield messages.Stepped(request.job_id, taken.step, taken.steps, preview)
        finally:
            for name in weights:
                bank.remove(name)
        settings = resolve_settings(base, job)
        return messages.Drawn(request.job_id, _files(pictures), settings, time.monotonic() - began)


def _quietly(steps: Generator[Any, None, Any]) -> Generator[None, None, Any]:
    """The same steps without reports."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield None


def _files(pictures: list[Any]) -> tuple[PictureFile, ...]:
    from trainer.generation.metadata import write_png

    return tuple(
        PictureFile(write_png(p.image, p.parameters), p.image.width, p.image.height, p.seed, p.parameters)
        for p in pictures
    )


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies: kill -9 of the worker must not leave a GPU in use."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(connection: Connection, backend: Backend, parent: int) -> None:
    """The child's life: commands in, steps, reports out, until the pipe closes."""
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends this process itself
    engine = Engine(backend, lambda report: connection.send_bytes(messages.encode(report)))
    try:
        engine.send(backend.start())
        while True:
            while not engine.busy or connection.poll():
                engine.take(messages.decode_command(connection.recv_bytes()))
            engine.turn()
    except UserFault as fault:
        engine.send(messages.CannotStart(str(fault)))
    except (EOFError, BrokenPipeError):
        return
