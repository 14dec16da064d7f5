"""From a training request to a finished adapter: train, look at what was learned, choose, write, draw examples."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import astuple, dataclass
from pathlib import Path

from PIL import Image

from trainer import messages
from trainer.adapters.bank import AdapterBank
from trainer.adapters.describing import describe
from trainer.choosing.choose import Checkpoint, Choice, Verdict, choose, shortlist
from trainer.choosing.judges import Judge
from trainer.choosing.scores import (
    Scores,
    Yardstick,
    has_stopped_improving,
    judge_checkpoint,
    make_yardstick,
    plan_look,
)
from trainer.contract.lengths import step_work
from trainer.errors import UserFault
from trainer.generation.live import GenerationJob, generate
from trainer.generation.metadata import picture_files, write_png
from trainer.messages import Spooled
from trainer.models.loading import Base
from trainer.training.captioner import Captioner, describe_photos
from trainer.training.captions import name_subject
from trainer.training.checkpoints import step_of
from trainer.training.continuing import read_source
from trainer.training.control import Control, Pause
from trainer.training.dreambooth import DreamBoothLearner
from trainer.training.estimating import estimate
from trainer.training.hooks import Hooks
from trainer.training.learner import Drawing, Learner
from trainer.training.loop import Learned, Snapshot, Training, TrainStep
from trainer.training.preparing import TrainingJob, prepare_photos, resolve

PATIENCE = 2  # looks without anything better, after which it is enough
EXAMPLES = 3
Steps = Generator[messages.Report | None, None, messages.Report]


@dataclass(frozen=True)
class Room:
    """What a training works with on this machine."""

    base: Base
    bank: AdapterBank
    judge: Judge | None = None
    class_latents: Path | None = None  # the folder where those of all trainings are kept
    captioner: Captioner | None = None
    lean: bool = False  # whether nothing but trainings needs the base's encoders
    make_room: Callable[[], None] = lambda: None  # lets go of models that nobody works with


class Lesson:
    """One request under way."""

    def __init__(self, room: Room, command: messages.StartTraining, control: Control) -> None:
        self._room, self._request = room, command.request
        request, recipe = command.request, command.request.recipe
        self._job = TrainingJob(request.trigger, request.class_word, request.kind, recipe)
        self._images = [Image.open(io.BytesIO(photo.read()), formats=("PNG",)) for photo in command.photos]
        self._folder = Path(command.folder)
        self._checkpoints: list[Path] = []
        self._yardstick: Yardstick | None = None
        resume = None if command.resume is None else command.resume.open_path()
        self._began_at = 0 if resume is None else step_of(resume)
        source = None
        if command.source is not None:
            source = read_source(room.base, command.source.read(), recipe.method, request.trigger)
        self._recipe = resolve(room.base, self._job, len(self._images), source)
        self._memory_bytes, checkpointing = estimate(room.base, self._recipe, source)
        self._hooks = Hooks(
            control, self._folder, self._checkpoints.append, resume, room.class_latents, source,
            checkpointing=checkpointing, lean=room.lean, make_room=room.make_room,
            look=None if room.judge is None else self._look, is_enough=self._is_enough,
        )  # fmt: skip

    def _step_work(self) -> float:
        recipe, defaults = self._training.recipe, self._room.base.spec.defaults
        return step_work(
            recipe.batch, beside_class=recipe.prior_weight > 0, resolution=recipe.resolution,
            own_resolution=min(defaults.width, defaults.height),
        )  # fmt: skip

    def run(self) -> Steps:
        """One step a turn; its last report is Trained, or Paused."""
        room, request = self._room, self._request
        captions = yield from describe_photos(room.captioner, self._job, self._images, request.captions)
        photos = prepare_photos(self._job, self._images, captions, request.focuses)
        self._training = Training(room.base, room.bank, photos, self._job, self._hooks, self._recipe)
        job_id, planned = self._request.job_id, self._training.recipe.steps
        yield messages.Planned(job_id, self._began_at, planned, self._memory_bytes, self._step_work())
        previews = preview_steps(request.recipe.preview_every, planned)
        with closing(self._training.run()) as steps:  # cancelled in here, it takes its adapter out of the base
            while True:
                try:
                    taken = next(steps)
                except StopIteration as end:
                    learned: Learned = end.value
                    break
                except Pause as pause:
                    return messages.Paused(job_id, pause.step, pause.steps, Spooled.of(pause.checkpoint))
                if self._checkpoints:
                    checkpoint = self._checkpoints.pop()
                    yield messages.Checkpointed(job_id, Spooled.of(checkpoint), step_of(checkpoint), planned)
                yield (yield from self._report(taken, previews)) if taken else None
        try:
            finish = self._finish_whole if learned.learner.kind == "checkpoint" else self._finish
            return (yield from finish(learned))
        finally:
            learned.learner.close()

    def forget(self) -> None:
        """Let go of photos, learner and optimizer: hooks and lesson hold each other, and a GPU can't wait for that."""
        del self._hooks, self._images, self._yardstick
        self.__dict__.pop("_training", None)

    def _report(self, taken: TrainStep, previews: set[int]) -> Generator[None, None, messages.Stepped]:
        """What the card shows; now and then a preview, of the same prompt and seed each time: one sees it grow."""
        preview = None
        if taken.step in previews:
            look = GenerationJob(self._prompts()[0])
            [picture] = yield from self._training.learner.draw(look)
            preview = write_png(picture.image, picture.parameters)
        return messages.Stepped(self._request.job_id, taken.step, taken.steps, preview)

    def _prompts(self) -> list[str]:
        """The base's example prompts, about what is learned."""
        request = self._request
        subject = name_subject(request.trigger, request.class_word, "subject", request.recipe.method)
        words = self._room.base.spec.defaults.example_prompts
        return [f"{subject} {each}" for each in words[:EXAMPLES]] or [subject]

    # -- looking while it learns --------------------------------------------------------------------------------------

    def _look(self, learner: Learner) -> Generator[None, None, list[float]]:
        """The scores of what is being learned."""
        yardstick = yield from self._measure()
        scores = yield from judge_checkpoint(yardstick, learner.draw)
        return [] if scores is None else list(astuple(scores))

    def _measure(self) -> Generator[None, None, Yardstick]:
        """What pictures are measured against, made once."""
        if self._yardstick is None:
            request, defaults = self._request, self._room.base.spec.defaults
            look = plan_look(defaults, request.trigger, request.class_word, request.kind, request.recipe.method)
            self._yardstick = yield from make_yardstick(look, self._images, self._draw_bare, self._room.judge)
        return self._yardstick

    def _draw_bare(self, job: GenerationJob, weight: float = 0.0) -> Drawing:
        return generate(self._room.base, self._room.bank, job)

    def _is_enough(self, scores: list[list[float]]) -> bool:
        return has_stopped_improving([Scores(*each) for each in scores], PATIENCE)

    # -- at the end ---------------------------------------------------------------------------------------------------

    def _finish_whole(self, learned: Learned) -> Generator[None, None, messages.Trained]:
        """Write the checkpoint and draw with it: there is nothing to choose, for a whole model has no weight."""
        learner, [*_, last] = learned.learner, learned.snapshots
        examples: list[messages.PictureFile] = []
        for prompt in self._prompts():
            examples += picture_files((yield from learner.draw(GenerationJob(prompt))))
        metadata = describe(self._room.base, self._request, learned, last.step)
        return messages.Trained(
            self._request.job_id, self._write(learner, last, metadata), metadata, 0, last.step, learned.final_loss,
            learned.seconds, tuple(examples), learner.kind, weights=(1.0, 1.0, 1.0), report=" ".join(learned.notes),
        )  # fmt: skip

    def _finish(self, learned: Learned) -> Generator[None, None, messages.Trained]:
        """Choose, write the files and draw with the best."""
        scores = [Scores(*each) for each in learned.scores]
        places = shortlist([*scores, *[None] * (len(learned.snapshots) - len(scores))])  # some may not be looked at
        snapshots = [learned.snapshots[place] for place in places]
        learner, request = learned.learner, self._request
        with ExitStack() as held:
            draws = [held.enter_context(learner.hold(snapshot.weights)) for snapshot in snapshots]
            yardstick = yield from self._measure()
            checkpoints = [Checkpoint(snapshot.step, draw) for snapshot, draw in zip(snapshots, draws, strict=True)]
            choice: Choice = yield from choose(yardstick, checkpoints)
            best = choice.weights[1]
            examples: list[messages.PictureFile] = []
            for prompt in self._prompts():
                pictures = yield from draws[choice.index](GenerationJob(prompt), best)
                examples += picture_files(pictures)
        candidates = tuple(
            self._candidate(learned, snapshot, verdict)
            for snapshot, verdict in zip(snapshots, choice.verdicts, strict=True)
        )
        chosen = snapshots[choice.index].step
        fidelity, notes = None, list(learned.notes)
        if isinstance(learner, DreamBoothLearner) and learner.fidelity is not None:
            fidelity = learner.fidelity
            notes.append(f"The LoRA keeps {fidelity:.0%} of what the whole model has learned.")
        return messages.Trained(
            request.job_id, candidates[choice.index].file, describe(self._room.base, request, learned, chosen),
            learned.recipe.written_rank, chosen, learned.final_loss, learned.seconds, tuple(examples), learner.kind,
            candidates=candidates if len(candidates) > 1 else (), chosen=choice.index if len(candidates) > 1 else 0,
            weights=choice.weights, grid=choice.grid, report=" ".join([choice.report, *notes]),
            fidelity=fidelity,
        )  # fmt: skip

    def _candidate(self, learned: Learned, snapshot: Snapshot, verdict: Verdict) -> messages.CandidateFile:
        metadata = describe(self._room.base, self._request, learned, snapshot.step)
        scores, file = verdict.scores, self._write(learned.learner, snapshot, metadata)
        if scores is None:
            return messages.CandidateFile(snapshot.step, file, verdict.weight)
        return messages.CandidateFile(snapshot.step, file, verdict.weight, scores.identity, scores.obedience)

    def _write(self, learner: Learner, snapshot: Snapshot, metadata: dict[str, str]) -> Spooled:
        """The file of what had been learned by a step."""
        path = self._folder / f"step-{snapshot.step}.safetensors"
        try:
            with path.open("wb") as out:
                learner.write(snapshot.weights, metadata, out)
        except OSError as error:
            raise UserFault(
                f"the worker's disk does not take the adapter's file ({error.strerror}): tell whoever runs this bot,"
                " and train again"
            ) from error
        return Spooled.of(path)


def preview_steps(every: int | None, steps: int) -> set[int]:
    """After which steps the card gets a preview: ``every`` so many, never where that is 0, and thrice unless said."""
    if every is None:
        return {steps * quarter // 4 for quarter in (1, 2, 3)}
    return set(range(every, steps, every)) if every else set()


def teach(room: Room, command: messages.StartTraining, control: Control) -> Steps:
    """Train the adapter that is asked for, one step a turn; its last report is Trained, or Paused."""
    lesson = Lesson(room, command, control)
    try:
        return (yield from lesson.run())
    finally:
        lesson.forget()
