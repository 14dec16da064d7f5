"""What a training may be given from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from trainer.training.continuing import Source
from trainer.training.control import Control
from trainer.training.learner import Learner

Look = Callable[[Learner], Generator[None, None, list[float]]]


@dataclass(frozen=True)
class Hooks:
    """What a training may be given from outside; all of it optional."""

    control: Control = field(default_factory=Control)
    folder: Path | None = None  # where checkpoints are written; without it there are none, and no pause
    checkpoint: Callable[[Path], None] = lambda path: None  # is told of each, every CHECKPOINT_EVERY steps
    resume: Path | None = None  # a checkpoint
    class_latents: Path | None = None  # the folder where those are kept
    source: Source | None = None  # a finished adapter to go on from
    checkpointing: bool = False  # gradient checkpointing: a third slower, in less than half the memory
    lean: bool = False  # whether the base's encoders leave the memory while they are not needed
    make_room: Callable[[], None] = lambda: None  # lets go of models that nobody works with
    look: Look | None = None  # scores what is being learned
    is_enough: Callable[[list[list[float]]], bool] = lambda scores: False  # whether the scores have stopped rising
    clock: Callable[[], float] = time.monotonic
