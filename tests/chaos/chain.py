"""A backend whose every step can be counted and whose result tells whether any was left out or done on a wrong state.

A training's state is a chain of hashes over its steps. Resumed from the right checkpoint it ends as one that was never
interrupted, to the last bit; resumed from any other, or with a step too many, it does not. Every step is written down
in a file that all workers share, with the attempt that took it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.discord.backend import base_info
from tests.trainer.spooled import spool
from trainer import messages
from trainer.engine import Steps
from trainer.training.control import Control

CHECKPOINT_EVERY = 10  # steps
PICTURE_STEPS = 6


@dataclass(frozen=True)
class ChainBackend:
    """``diary``: where steps are written down; ``step_s``: what one takes."""

    diary: Path
    step_s: float

    def start(self) -> messages.Ready:
        """One base, at once."""
        return messages.Ready("cpu", (base_info(),))

    def train(self, command: messages.StartTraining, control: Control) -> Steps:
        """As many steps as the recipe says, with a checkpoint after every tenth."""
        request, steps = command.request, command.request.recipe.steps or 40
        step, state = 0, _seed(request.name)
        if command.resume is not None:
            kept = json.loads(command.resume.read())
            step, state = kept["step"], bytes.fromhex(kept["state"])
        yield messages.Planned(request.job_id, step, steps)
        while step < steps and not control.ends_at(step):
            step += 1
            state = hashlib.sha256(state + step.to_bytes(4, "big")).digest()
            self._write_down(request.job_id, request.attempt, step)
            if step % CHECKPOINT_EVERY == 0 and step < steps:
                kept = json.dumps({"step": step, "state": state.hex()}).encode()
                file = spool(command.folder, kept, f"checkpoint-{step}")
                yield messages.Checkpointed(request.job_id, file, step, steps)
            yield messages.Stepped(request.job_id, step, steps)
        metadata = {"darkroom.base_hash": "00", "darkroom.trainer": "0.1.0"}
        file = spool(command.folder, state)
        return messages.Trained(request.job_id, file, metadata, 4, step, 0.1, 1.0, (_picture(1),))

    def imagine(self, command: messages.StartImagining) -> Steps:
        """A few steps, then pictures of the seeds."""
        request = command.request
        for step in range(1, PICTURE_STEPS + 1):
            self._write_down(request.job_id, request.attempt, step)
            yield messages.Stepped(request.job_id, step, PICTURE_STEPS)
        pictures = tuple(_picture(drawing.seed) for drawing in request.drawings)
        settings = {"Steps": PICTURE_STEPS, "CFG scale": 3.0, "Seed": pictures[0].seed, "Size": "64x64"}
        return messages.Drawn(request.job_id, pictures, settings, 1.0)

    def merge(self, command: messages.StartMerging, on_progress: Callable[[int, int], None]) -> messages.Merged:
        """Nobody asks for it here."""
        raise NotImplementedError

    def _write_down(self, job_id: str, attempt: int, step: int) -> None:
        time.sleep(self.step_s)  # the work itself
        diary = os.open(self.diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(diary, f"{job_id} {attempt} {step}\n".encode())  # one write of few bytes is whole or not there
        finally:
            os.close(diary)


def expected(name: str, steps: int) -> bytes:
    """The adapter that a training of this name makes if each of its steps was taken once, in order."""
    state = _seed(name)
    for step in range(1, steps + 1):
        state = hashlib.sha256(state + step.to_bytes(4, "big")).digest()
    return state


def read_diary(diary: Path) -> Counter[tuple[str, int]]:
    """How often each step of each job was taken."""
    return Counter((job, step) for job, _, step in _entries(diary))


def read_attempts(diary: Path) -> Counter[tuple[str, int]]:
    """How many steps each attempt at each job has taken."""
    return Counter((job, attempt) for job, attempt, _ in _entries(diary))


def _entries(diary: Path) -> Iterator[tuple[str, int, int]]:
    """Job, attempt and step of each line."""
    for line in diary.read_text().splitlines() if diary.exists() else ():
        job, attempt, step = line.split()
        yield job, int(attempt), int(step)


def _seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _picture(seed: int) -> messages.PictureFile:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (seed % 256, 100, 200)).save(buffer, "PNG")
    return messages.PictureFile(buffer.getvalue(), 64, 64, seed, f"a picture\nSteps: {PICTURE_STEPS}, Seed: {seed}")
