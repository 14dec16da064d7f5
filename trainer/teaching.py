"""From a training request to a finished adapter: train, look at what was learned, choose, write, draw examples."""

from __future__ import annotations

import io
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from trainer import messages
from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import TRAINER_VERSION
from trainer.contract.requests import TrainRequest
from trainer.generation.metadata import write_png
from trainer.generation.pipeline import GenerationJob, Picture
from trainer.models.loading import Base
from trainer.training.captions import name_subject
from trainer.training.continuing import read_source
from trainer.training.control import Control, Pause
from trainer.training.dreambooth import DreamBoothLearner
from trainer.training.loop import Hooks, Learned, Training, TrainingJob, TrainStep, prepare_photos

Steps = Generator[messages.Report | None, None, messages.Report]


@dataclass(frozen=True)
class Room:
    """What a training works with on this machine."""

    base: Base
    bank: AdapterBank
    class_latents: Path | None = None  # the folder where those of all trainings are kept


def teach(room: Room, command: messages.StartTraining, control: Control) -> Steps:
    """Train the adapter that is asked for, one step a turn; its last report is Trained, or Paused."""
    request = command.request
    job = TrainingJob(request.trigger, request.class_word, request.kind, request.recipe)
    checkpoints: list[bytes] = []
    source = None
    if command.source is not None:
        source = read_source(room.base, command.source, request.recipe.method, request.trigger)
    hooks = Hooks(control, checkpoints.append, command.resume, room.class_latents, source)
    images = [Image.open(io.BytesIO(data), formats=("PNG",)) for data in command.photos]
    photos = prepare_photos(job, images, request.captions, request.focuses)
    training = Training(room.base, room.bank, photos, job, hooks)
    previews = {training.recipe.steps * quarter // 4 for quarter in (1, 2, 3)}
    steps = training.run()
    while True:
        try:
            taken = next(steps)
        except StopIteration as end:
            learned: Learned = end.value
            break
        except Pause as pause:
            return messages.Paused(request.job_id, pause.step, pause.steps, pause.checkpoint)
        if checkpoints:
            yield messages.Checkpointed(request.job_id, checkpoints.pop())
        yield (yield from _report(training, request, taken, previews)) if taken else None
    try:
        return (yield from _finish(room, request, learned))
    finally:
        learned.learner.close()


def _report(
    training: Training, request: TrainRequest, taken: TrainStep, previews: set[int]
) -> Generator[None, None, messages.Stepped]:
    """What the card shows; now and then with a preview, of the same prompt and seed each time: one sees it grow."""
    preview = None
    if taken.step in previews:
        look = GenerationJob(_prompts(training.base, request)[0])
        [picture] = yield from quietly(training.learner.draw(look))
        preview = write_png(picture.image, picture.parameters)
    return messages.Stepped(request.job_id, taken.step, taken.steps, preview)


def _prompts(base: Base, request: TrainRequest) -> list[str]:
    """The base's example prompts, about what is learned."""
    subject = name_subject(request.trigger, request.class_word, "subject", request.recipe.method)
    return [f"{subject} {words}" for words in base.spec.defaults.example_prompts] or [subject]


def _finish(room: Room, request: TrainRequest, learned: Learned) -> Generator[None, None, messages.Trained]:
    """Write the adapter's file and draw with it."""
    learner, chosen = learned.learner, learned.snapshots[-1]
    metadata = describe(room.base, request, learned, chosen.step)
    examples: list[messages.PictureFile] = []
    for prompt in _prompts(room.base, request)[:3]:
        pictures = yield from quietly(learner.draw(GenerationJob(prompt), chosen.weights))
        examples += picture_files(pictures)
    fidelity = None
    if isinstance(learner, DreamBoothLearner) and learner.extraction is not None:
        fidelity = learner.extraction.fidelity
    return messages.Trained(
        request.job_id, learner.write(chosen.weights, metadata), metadata, learned.recipe.rank, chosen.step,
        learned.final_loss, learned.seconds, tuple(examples), learner.kind, report=" ".join(learned.notes),
        fidelity=fidelity,
    )  # fmt: skip


def describe(base: Base, request: TrainRequest, learned: Learned, steps: int) -> dict[str, str]:
    """The metadata header; texts alone, as safetensors wants them. No captions, no paths, no names of people."""
    return {
        "darkroom.trigger": request.trigger,
        "darkroom.class_word": request.class_word,
        "darkroom.kind": request.kind,
        "darkroom.method": learned.recipe.method,
        "darkroom.base": base.spec.name,
        "darkroom.base_hash": base.spec.hash,
        "darkroom.rank": str(learned.recipe.rank),
        "darkroom.steps": str(steps),
        "darkroom.photos": str(len(request.photos)),
        "darkroom.trainer": TRAINER_VERSION,
    }


def quietly(steps: Generator[Any, None, Any]) -> Generator[None, None, Any]:
    """The same steps without reports."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield None


def picture_files(pictures: list[Picture]) -> tuple[messages.PictureFile, ...]:
    """Pictures as they are sent."""
    return tuple(
        messages.PictureFile(write_png(p.image, p.parameters), p.image.width, p.image.height, p.seed, p.parameters)
        for p in pictures
    )
