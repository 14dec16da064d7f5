"""A backend without torch, for the child processes of the tests: it does what the class word or the prompt says."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable

from PIL import Image

from tests.trainer.spooled import spool
from trainer import messages
from trainer.contract.events import BaseInfo
from trainer.engine import Steps
from trainer.errors import UserFault
from trainer.training.control import Control

BASE = "emoji-64"
MISFIT = "a and b are for different models; merge adapters of one model"
REFUSAL = "no fox fits into 64 × 64 pixels; ask for a smaller one"


def base_info(name: str = BASE) -> BaseInfo:
    return BaseInfo(
        name=name, family="sd1", hash="00", width=64, height=64, max_side=128, num_inference_steps=2,
        guidance_scale=3.0, embedded=True,
    )  # fmt: skip


def png(seed: int, side: int = 64) -> bytes:
    """A picture that tells its seed."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (seed % 256, 100, 200)).save(buffer, "PNG")
    return buffer.getvalue()


class LightBackend:
    """Serves ``bases``; ``start_fault`` refuses to start.

    Prompts: ``die`` kills the child at its second step, ``refuse`` and ``break`` fail there, ``endless`` draws until
    it is cancelled, ``stubborn`` hears nothing any more; anything else is drawn. Class words: ``quick`` is learned in
    four steps with a checkpoint after the second, ``slow`` stays there until it is resumed, ``prepares`` never takes a
    step; anything else is trained until it is cancelled, paused or finished. Merges are called ``ab``, or by what
    becomes of them: ``die``, ``refuse``, ``break``, ``endless``, ``stubborn``, ``greedy``.
    """

    def __init__(self, start_fault: str | None = None, bases: tuple[str, ...] = (BASE,)) -> None:
        self.start_fault, self.bases = start_fault, bases

    def start(self) -> messages.Ready:
        if self.start_fault:
            raise UserFault(self.start_fault)
        return messages.Ready("light", tuple(base_info(name) for name in self.bases))

    def train(self, command: messages.StartTraining, control: Control) -> Steps:
        request = command.request
        began_at = int(command.resume.read()) if command.resume else 0
        yield messages.Planned(request.job_id, began_at, 4)
        while request.class_word == "prepares":
            yield _moment()
        step = began_at
        while request.class_word not in ("quick", "slow") and not control.ends_at(step):
            step += 1
            yield messages.Stepped(request.job_id, step, step + 1)
            if control.wish == "pause":
                return messages.Paused(request.job_id, step, step + 1, spool(command.folder, str(step).encode()))
        learned, first = step, began_at + 1
        for step in range(first, 5):
            yield messages.Stepped(request.job_id, step, 4)
            if step == 2:
                yield messages.Checkpointed(request.job_id, spool(command.folder, b"2"), 2, 4)
                while request.class_word == "slow":
                    yield _moment()
        metadata = {"darkroom.base_hash": "00", "darkroom.trainer": "0.1.0"}
        data = b"adapter from step %d of %d photos" % (first, len(command.photos))
        if command.source is not None:
            data += b" on top of " + command.source.read()
        examples = tuple(_picture(seed) for seed in (1, 2, 3))
        return messages.Trained(
            request.job_id, spool(command.folder, data), metadata, 16, max(4, learned), 0.1, 100.0, examples
        )

    def merge(self, command: messages.StartMerging, on_progress: Callable[[int, int], None]) -> messages.Merged:
        request = command.request
        on_progress(1, 2)
        match request.name:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "refuse":
                raise UserFault(MISFIT)
            case "break":
                raise ValueError("a fault of ours")
            case "greedy":
                bytearray(2**50)
        while request.name == "endless":
            _moment()
            on_progress(1, 2)
        while request.name == "stubborn":
            _moment()
        data = b" and ".join(file.read() for file in command.files.values())
        return messages.Merged(
            request.job_id, spool(command.folder, data), "lora", "00", "0.1.0", 2.0, 8, 0.9, "It keeps 90 % of both."
        )

    def imagine(self, command: messages.StartImagining) -> Steps:
        request = command.request
        seed, prompt = request.drawings[0].seed, request.drawings[0].prompt
        yield messages.Stepped(request.job_id, 1, 2, png(seed, 8))
        if prompt == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "refuse":
            raise UserFault(REFUSAL)
        if prompt == "break":
            raise ZeroDivisionError("a secret of ours")
        while prompt == "endless":
            yield _moment()
        while prompt == "stubborn":
            signal.pause()
        pictures = tuple(_picture(drawing.seed) for drawing in request.drawings)
        settings = {
            "Steps": 2,
            "CFG scale": 3.0,
            "Seed": seed,
            "Size": "64x64",
            "Model": request.base,
        }
        return messages.Drawn(request.job_id, pictures, settings, 2.0)


def _moment() -> None:
    time.sleep(0.001)  # so that a job that goes on for ever leaves the processor to the test


def _picture(seed: int) -> messages.PictureFile:
    return messages.PictureFile(png(seed), 64, 64, seed, f"a fox\nSteps: 2, Seed: {seed}")
