"""A backend without torch for the engine's child: it draws the settings it was given, and learns at once."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import msgspec
from PIL import Image

from tests.trainer.spooled import spool
from trainer import messages
from trainer.contract import infotext, lengths
from trainer.contract.drawings import AdapterKind, Drawing
from trainer.contract.events import BaseInfo
from trainer.contract.merges import BakeAdapters, ExportFile, MergeModels
from trainer.engine import Steps
from trainer.errors import UserFault
from trainer.training.control import Control

BASE, OTHER_BASE = "emoji-64", "sketch-64"
EXAMPLES = ("in a suit at a fancy dinner", "wearing a crown at the beach", "as an astronaut in space")
ENDLESS = "endless"  # in a prompt or as a class word: goes on until it is cancelled
UNAVAILABLE = "The model sketch-64 can't be learned whole, for it takes 24 GB of memory here: choose the method lora."
CHOOSY = "choosy"  # as a class word: three versions come out of it, the second is chosen
MISFIT = "misfit"  # as the name of a merge: it is refused
REFUSED = "no fox"  # in a prompt: the engine refuses it


def base_info(name: str = BASE) -> BaseInfo:
    """What a worker says of a base."""
    return BaseInfo(
        name=name, family="sd1", hash="00", width=64, height=64, max_side=128, num_inference_steps=2,
        guidance_scale=3.0, embedded=True, vaes=("ft-mse",), example_prompts=EXAMPLES, resolutions=(64, 128),
        lengths=lengths.Lengths(*[lengths.Steps(1, 4, 40)] * 3, 1, ("face",)),
        memory_bytes={"lora": (900_000_000, 1_200_000_000)},
        unavailable={"dreambooth": UNAVAILABLE} if name == OTHER_BASE else {},
    )  # fmt: skip


class SketchBackend:
    """Serves ``bases``. What a picture shows is of no account; its settings are exact."""

    def __init__(self, bases: tuple[str, ...] = (BASE,)) -> None:
        self.bases = bases

    def start(self) -> messages.Ready:
        """Two bases may be there."""
        return messages.Ready("cpu", tuple(base_info(name) for name in self.bases))

    def train(self, command: messages.StartTraining, control: Control) -> Steps:
        """Four steps, or as many as until somebody stops it; a checkpoint is the number of its step."""
        request, first = command.request, int(command.resume.read()) if command.resume else 0
        step, steps = first, 10**9 if command.request.class_word == ENDLESS else 4
        yield messages.Planned(request.job_id, step, steps, 2**30)
        while step < steps and not control.ends_at(step):
            step += 1
            yield messages.Stepped(request.job_id, step, steps)
            if control.wish == "pause":
                return messages.Paused(request.job_id, step, steps, spool(command.folder, str(step).encode()))
            _moment()
        metadata = {"darkroom.base_hash": "00", "darkroom.trainer": "0.1.0"}
        data = b"%s learned from %d photos" % (request.name.encode(), len(command.photos))
        if command.source is not None:
            data += b" on top of " + command.source.read()
        if command.resume is not None:
            data += b" on top of step %d" % first
        examples = tuple(_picture(seed, 64, 64, request.name) for seed in (1, 2, 3))
        kind: AdapterKind = "textual_inversion" if request.recipe.method == "textual_inversion" else "lora"
        rank = 16 if kind == "lora" else 0
        file = spool(command.folder, data)
        trained = messages.Trained(request.job_id, file, metadata, rank, step, 0.1, 100.0, examples, kind)
        return _with_choices(trained, command.folder) if request.class_word == CHOOSY else trained

    def imagine(self, command: messages.StartImagining) -> Steps:
        """Two steps, or as many as until somebody stops it."""
        request = command.request
        first = request.drawings[0]
        yield messages.Stepped(request.job_id, 1, 2)
        if REFUSED in first.prompt:
            raise UserFault("no fox fits into 64 × 64 pixels; ask for a smaller one")
        while ENDLESS in first.prompt:
            _moment()
            yield None
        pictures = tuple(_drawn(request.base, drawing) for drawing in request.drawings)
        return messages.Drawn(request.job_id, pictures, _settings(request.base, first), 2.0)

    def merge(self, command: messages.StartMerging, on_progress: Callable[[int, int], None]) -> messages.Merged:
        """At once, or when somebody stops it."""
        request = command.request
        on_progress(1, 2)
        while request.name == ENDLESS:
            _moment()
            on_progress(1, 2)
        if request.name == MISFIT:
            raise UserFault("a and b differ in the shape of their layers; merge adapters of one model")
        data = b" with ".join(file.read() for file in command.files.values()) or b"models"
        models = isinstance(request.work, MergeModels | BakeAdapters)
        kind: AdapterKind = "checkpoint" if models else "lora"
        size = 2**21 if isinstance(request.work, ExportFile) and request.work.precision == "float32" else 0
        return messages.Merged(
            request.job_id, spool(command.folder, data + b" " * size), kind, "00", "0.1.0", 2.0, 0 if models else 8,
            0.9, "It keeps 90 % of them.",
        )  # fmt: skip


def _with_choices(trained: messages.Trained, folder: str) -> messages.Trained:
    data = trained.file.read()
    candidates = tuple(
        messages.CandidateFile(
            step, spool(folder, b"%s, version of step %d" % (data, step)), weight, 0.8 + step / 100, 0.9
        )
        for step, weight in ((2, 0.9), (3, 0.8), (4, 0.7))
    )
    return msgspec.structs.replace(
        trained, file=candidates[1].file, steps=3, candidates=candidates, chosen=1, weights=(0.5, 0.8, 1.1),
        grid=_picture(9, 96, 64, "").png, report="It is very much like the photos and does what it is told.",
    )  # fmt: skip


def _drawn(base: str, drawing: Drawing) -> messages.PictureFile:
    text = infotext.write(drawing.prompt, drawing.negative_prompt, _settings(base, drawing))
    return _picture(drawing.seed, drawing.settings.width or 64, drawing.settings.height or 64, text)


def _settings(base: str, drawing: Drawing) -> dict[str, str | int | float]:
    chosen = drawing.settings
    settings: dict[str, str | int | float] = {
        "Steps": chosen.num_inference_steps or 2,
        "CFG scale": chosen.guidance_scale or 3.0,
        "Seed": drawing.seed,
        "Size": f"{chosen.width or 64}x{chosen.height or 64}",
        "Model": base,
    }
    if chosen.sampler:
        settings |= {"Sampler": chosen.sampler, "Schedule type": chosen.scheduler or "Automatic"}
    if chosen.variation_strength:
        settings |= {"Variation seed": chosen.variation_seed or 0, "Variation seed strength": chosen.variation_strength}
    if drawing.adapters:
        settings["Adapters"] = " and ".join(
            f"{use.name} for {use.trigger}" if use.kind == "textual_inversion" else f"{use.name} at {use.weight:g}"
            for use in drawing.adapters
        )
    return settings


def _moment() -> None:
    time.sleep(0.001)  # leaves the processor to the test


def _picture(seed: int, width: int, height: int, parameters: str) -> messages.PictureFile:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (seed % 256, 100, 200)).save(buffer, "PNG")
    return messages.PictureFile(buffer.getvalue(), width, height, seed, parameters)
