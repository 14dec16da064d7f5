"""``python -m tests.benchmarks.generation --json``: our drawing beside diffusers' pipelines, in turn in one run.

Ratios are how many times as fast ours is, medians of seven pairs with their quartiles; one thread computes and the
processor's time is taken. ``--only`` runs some of the parts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.benchmarks import crowd
from tests.benchmarks.bases import load_modules, sd15_shape
from tests.benchmarks.drawing import (
    Case,
    asked,
    draw_by_pipeline,
    draw_together,
    fit,
    make_adapter,
    make_base,
    make_pipeline,
)
from tests.benchmarks.measure import PAIRS, Pairs, Spread, time_call, time_in_turn
from tests.benchmarks.samplers import sampler_max_error
from tests.requests import picture_request
from trainer import messages
from trainer.backend import TorchBackend
from trainer.contract.requests import Card, Recipe, TrainRequest
from trainer.engine import Engine
from trainer.generation.easel import Easel
from trainer.generation.painting import paint
from trainer.generation.studio import Sample, _predict

CLOCK = time.process_time
EMOJI, SD15 = Case(steps=10, size=64), Case(steps=2, size=256)
BATCH = 8
RESIDENT = 64
CARD = Card(channel_id=1, message_id=2, posted_at=0.0, requester_id=3)
Figures = dict[str, Any]


def mixed_batch() -> Figures:
    """Eight requests with eight adapters, in one batch and one after another."""
    return compare_mixed("mixed_batch8_ratio", EMOJI, PAIRS)


def mixed_batch_sd15() -> Figures:
    """The same on SD1.5's true shape; three pairs, for each takes minutes."""
    return compare_mixed("mixed_batch8_ratio_sd15_shape", SD15, 3)


def compare_mixed(name: str, case: Case, pairs: int) -> Figures:
    """Throughput, and how far forwards and pictures are from those drawn alone."""
    torch.set_num_threads(1)
    modules = [sd15_shape(case.size) if case is SD15 else load_modules() for _ in range(2)]
    easel, pipeline = Easel(make_base(modules[0], case.size)), make_pipeline(modules[1])
    tensors = [make_adapter(modules[0].unet, seed, case.rank) for seed in range(BATCH)]
    fitted = [fit(easel, str(seed), each) for seed, each in enumerate(tensors)]
    for seed, each in enumerate(tensors):
        pipeline.load_lora_weights(dict(each), adapter_name=f"a{seed}")
    requests, names = asked(case, fitted), [f"a{seed}" for seed in range(BATCH)]
    rounds = count()

    def draw_anew() -> None:
        """With words and weights of this round alone, so that nothing is drawn from what is remembered."""
        number = next(rounds)
        here = replace(case, prompt=f"{case.prompt}, {number}")
        draw_together(easel, asked(here, fitted, 0.8 + number / 1000))

    figures = time_in_turn(
        draw_anew, lambda: draw_by_pipeline(pipeline, case, names), pairs=pairs, warm_up=1, clock=CLOCK
    ).figures(name)
    together, alone = draw_together(easel, requests), draw_by_pipeline(pipeline, case, names)
    figures[f"{name}_picture_difference"] = max(difference(*pair) for pair in zip(together, alone, strict=True))
    if case is EMOJI:
        figures["mixed_batch_max_error"] = mixed_error(easel, requests)
    return figures


@torch.no_grad()
def mixed_error(easel: Easel, requests: Sequence[Any]) -> float:
    """The largest difference of a forward in the mixed batch from the same alone, from equal inputs."""
    samples: list[Sample] = [next(paint(easel, *request)) for request in requests]
    latents = torch.stack([sample.state.x for sample in samples])
    together = _predict(samples, latents)
    alone = torch.stack([_predict([sample], latents[i : i + 1])[0] for i, sample in enumerate(samples)])
    return float((together - alone).abs().max())


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest, of 255."""
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


def adapter_load() -> Figures:
    """Taking a new adapter into service, from its tensors to the next forward, on SD1.5's shape: 128 modules."""
    torch.set_num_threads(1)
    modules = [sd15_shape(256), sd15_shape(256)]
    easel, pipeline = Easel(make_base(modules[0], 256)), make_pipeline(modules[1])
    counter = iter(range(10**6))

    def serve() -> None:
        seed = next(counter)
        fitted = fit(easel, f"new {seed}", tensors)
        easel.slots.activate([((fitted.parts["unet"], 0.8),)])

    def load() -> None:
        name = f"new{next(counter)}"
        pipeline.load_lora_weights(dict(tensors), adapter_name=name)
        pipeline.set_adapters([name], [0.8])

    tensors = make_adapter(modules[0].unet, 0, 16)
    figures = time_in_turn(serve, load, warm_up=1, clock=CLOCK).figures("adapter_load_ratio")
    few = [time_call(serve, clock=CLOCK) for _ in range(PAIRS)]
    for seed in range(RESIDENT):
        fit(easel, f"resident {seed}", tensors)
    many = [time_call(serve, clock=CLOCK) for _ in range(PAIRS)]
    growth = Spread.of(many).median / Spread.of(few).median
    return figures | {"adapter_load_growth": round(growth, 3)}


def recompilations() -> Figures:
    """Graphs that torch.compile makes anew when a compiled UNet goes on with other adapters in its slots.

    Counted by a backend that compiles nothing: whether Dynamo traces again does not depend on what is made of it.
    """
    base = make_base(load_modules(), 64)
    easel, graphs = Easel(base), count()
    adapters = [fit(easel, str(seed), make_adapter(base.unet, seed, 8)) for seed in range(BATCH)]

    def trace(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        next(graphs)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(base.unet, backend=trace, dynamic=False)
    latents, words, seen = torch.randn(2, 12, 16, 16), torch.randn(2, 77, 160), []
    with torch.no_grad():
        for first in range(0, BATCH, 2):
            mixes = [((each.parts["unet"], 0.5 + first),) for each in adapters[first : first + 2]]
            easel.slots.activate(mixes)
            compiled(latents, torch.tensor([5.0, 7.0]), words)
            seen.append(next(graphs) - len(seen))  # this count takes one itself
    easel.slots.activate([])
    torch._dynamo.reset()
    return {"recompilations": seen[-1] - seen[0], "recompilations_first_graphs": seen[0]}


def interleaving() -> Figures:
    """A picture during a training, through the engine with its real backend.

    ``picture_during_training_ratio``: (its seconds - one training step) / its seconds on an idle engine.
    ``training_overhead``: what a training with a picture in between takes beside both of them alone.
    """
    torch.set_num_threads(1)
    backend = TorchBackend(None, "cpu")
    backend.start()
    idle, busy, overhead = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(PAIRS + 1):
            seconds, step = _train_with_pictures(backend, Path(folder), pictures=0)
            alone = _draw_alone(backend)
            with_picture, _ = _train_with_pictures(backend, Path(folder), pictures=1)
            idle.append(alone)
            busy.append(_picture_in_training(backend, Path(folder)) - step)
            overhead.append((with_picture - alone) / seconds - 1)
    ratio = [during / alone for during, alone in zip(busy[1:], idle[1:], strict=True)]
    return {
        "picture_during_training_ratio": round(Spread.of(ratio).median, 3),
        "picture_during_training_ratio_spread": Spread.of(ratio).rounded(3),
        "training_overhead": round(Spread.of(overhead[1:]).median, 4),
        "training_overhead_spread": Spread.of(overhead[1:]).rounded(4),
    }


def _picture(prompt: str = "a fox in a suit") -> messages.StartImagining:
    request = picture_request(CARD, prompt, job_id="p", num_inference_steps=25)
    return messages.StartImagining(request, {})


def _draw_alone(backend: TorchBackend, prompt: str = "a fox in a suit") -> float:
    engine = Engine(backend, lambda report: None)
    began = CLOCK()
    engine.take(_picture(prompt))
    while engine.busy:
        engine.turn()
    return CLOCK() - began


def _training(backend: TorchBackend, folder: Path) -> tuple[Engine, list[tuple[float, messages.Report]]]:
    """An engine whose training has begun to learn, and what it said with the time of it."""
    said: list[tuple[float, messages.Report]] = []
    engine = Engine(backend, lambda report: said.append((CLOCK(), report)))
    photos = []
    for index in range(4):
        path = folder / f"{index}.png"
        Image.effect_noise((64, 64), 60).convert("RGB").save(path)
        photos.append(messages.Spooled.of(path))
    recipe = Recipe(steps=1000, seed=1, preview_every=0, early_stop=False)
    request = TrainRequest(
        job_id="t", attempt=1, base="emoji-64", adapter_id="a", name="thnos", trigger="thnos", class_word="monster",
        kind="subject", photos=("a", "b", "c", "d"), captions=(None,) * 4, recipe=recipe, card=CARD,
    )  # fmt: skip
    engine.take(messages.StartTraining(request, tuple(photos), str(folder)))
    while sum(isinstance(report, messages.Stepped) for _, report in said) < 3:
        engine.turn()
    return engine, said


def _train_with_pictures(backend: TorchBackend, folder: Path, *, pictures: int, steps: int = 40) -> tuple[float, float]:
    """Seconds of so many training turns, with a picture in between or without; and of one training turn."""
    engine, said = _training(backend, folder)
    before = sum(isinstance(report, messages.Stepped) and report.job_id == "t" for _, report in said)
    began = CLOCK()
    for _ in range(pictures):
        engine.take(_picture())
    while sum(isinstance(report, messages.Stepped) and report.job_id == "t" for _, report in said) - before < steps:
        engine.turn()
    seconds = CLOCK() - began
    engine.take(messages.Cancel("t"))
    return seconds, seconds / steps


def _picture_in_training(backend: TorchBackend, folder: Path) -> float:
    """Seconds from the request to the picture, while a training learns; its own steps between are not counted off."""
    engine, said = _training(backend, folder)
    began = CLOCK()
    engine.take(_picture())
    while not any(isinstance(report, messages.Drawn) for _, report in said):
        engine.turn()
    seconds = CLOCK() - began
    engine.take(messages.Cancel("t"))
    return seconds


def overhead() -> Figures:
    """One request without adapters through our engine, beside a bare pipeline's call; the same picture."""
    torch.set_num_threads(1)
    backend = TorchBackend(None, "cpu")
    backend.start()
    pipeline = make_pipeline(load_modules())
    case = Case(steps=25, size=64)
    rounds = count()
    pairs: Pairs = time_in_turn(
        lambda: _draw_alone(backend, f"a fox in a suit, {next(rounds)}"),
        lambda: draw_by_pipeline(pipeline, case, [None]), times=2, clock=CLOCK,
    )  # fmt: skip
    return {
        "engine_overhead": round(1 / pairs.ratio.median - 1, 4),
        **{
            key: value
            for key, value in pairs.figures("engine_overhead_ratio").items()
            if key != "engine_overhead_ratio"
        },
    }


def errors() -> Figures:
    """Samplers against diffusers' schedulers, conditioning against A1111's rules written plainly."""
    from tests.benchmarks.wording import conditioning_max_error

    return {"sampler_max_error": sampler_max_error(), "conditioning_max_error": conditioning_max_error()}


PARTS: dict[str, Callable[[], Figures]] = {
    "errors": errors,
    "recompilations": recompilations,
    "mixed": mixed_batch,
    "overhead": overhead,
    "interleaving": interleaving,
    "load": adapter_load,
    "crowd": crowd.crowd,
    "mixed_sd15": mixed_batch_sd15,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object alone")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    wanted = parser.parse_args()
    figures: Figures = {}
    for name in wanted.only:
        began = time.perf_counter()
        figures |= PARTS[name]()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps(figures, indent=None if wanted.json else 2))


if __name__ == "__main__":
    main()
