"""Fifty requests of twenty members, mixed, through our engine and first come, first served through diffusers."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.bases import load_modules
from tests.benchmarks.drawing import Case, draw_by_pipeline, make_adapter, make_pipeline
from tests.requests import picture_request
from trainer import messages
from trainer.adapters.files import write_lora
from trainer.backend import TorchBackend
from trainer.contract.drawings import AdapterUse
from trainer.contract.requests import Card
from trainer.engine import Engine

CLOCK = time.process_time
CARD = Card(channel_id=1, message_id=2, posted_at=0.0, requester_id=3)
REQUESTS, MEMBERS = 50, 20
BUSY = 1.1  # of the singles' whole time: a queue grows
Figures = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """What one member asks for; ``member`` None: without an adapter."""

    prompt: str
    seed: int
    member: int | None
    weight: float = 1.0
    steps: int = 10
    sampler: str = "DDIM"


@dataclass
class Service:
    """An engine with its real backend, and what it has reported."""

    reports: list[messages.Report] = field(default_factory=list)
    files: dict[int, messages.Spooled] = field(default_factory=dict)  # adapters by member

    def __post_init__(self) -> None:
        backend = TorchBackend(None, "cpu")
        backend.start()
        self.engine = Engine(backend, self.reports.append)
        self._jobs = 0

    def ask(self, wish: Wish) -> str:
        """Take a request in; its job."""
        self._jobs += 1
        uses, files = [], {}
        if wish.member is not None:
            spooled = self.files[wish.member]
            files[spooled.path] = spooled
            uses = [AdapterUse(f"member{wish.member}", spooled.path, wish.weight)]
        request = picture_request(
            CARD, wish.prompt, job_id=str(self._jobs), adapters=uses, seed=wish.seed, sampler=wish.sampler,
            num_inference_steps=wish.steps, guidance_scale=Case(0, 0).guidance,
        )  # fmt: skip
        self.engine.take(messages.StartImagining(request, files))
        return str(self._jobs)

    def turn(self) -> list[messages.Report]:
        """What one turn of the engine reported."""
        told = len(self.reports)
        self.engine.turn()
        return self.reports[told:]

    def draw(self, wish: Wish) -> float:
        """Seconds until a picture is there."""
        job, began = self.ask(wish), CLOCK()
        while not any(is_drawn(report, job) for report in self.turn()):
            pass
        return CLOCK() - began


def is_drawn(report: messages.Report, job: str) -> bool:
    if isinstance(report, messages.Refused):
        raise AssertionError(report)
    return isinstance(report, messages.Drawn) and report.job_id == job


def crowd(requests: int = REQUESTS, members: int = MEMBERS) -> Figures:
    """Requests of many members through our engine, beside the same first come, first served through the pipeline.

    Arrivals are a Poisson stream of one seed, a little faster than the pipeline can serve; time is the processor's, and
    jumps to the next arrival where nobody waits.
    """
    torch.set_num_threads(1)
    rng, modules = random.Random(1), load_modules()
    pipeline, asked = make_pipeline(modules), [_wish(rng, index, members) for index in range(requests)]
    made = [make_adapter(modules.unet, member, (4, 8, 16)[member % 3]) for member in range(members)]
    for member, tensors in enumerate(made):
        pipeline.load_lora_weights(dict(tensors), adapter_name=f"member{member}")
    for wish in asked[:3]:
        _draw_alone(pipeline, wish)
    served = [_draw_alone(pipeline, wish) for wish in asked]
    gap = statistics.mean(served) / BUSY
    arrivals = [0.0]
    while len(arrivals) < requests:
        arrivals.append(arrivals[-1] + rng.expovariate(1 / gap))
    singles, now = [], 0.0
    for arrival, seconds in zip(arrivals, served, strict=True):
        now = max(now, arrival) + seconds
        singles.append(now - arrival)
    with tempfile.TemporaryDirectory() as folder:
        service = Service()
        for member, tensors in enumerate(made):
            path = Path(folder) / f"{member}.safetensors"
            path.write_bytes(write_lora(tensors, {}))
            service.files[member] = messages.Spooled.of(path)
        service.draw(Wish("a fox", 0, None))
        ours, end = _serve(service, asked, arrivals)
    return {
        "crowd_ours": _waiting(ours, end, requests),
        "crowd_singles": _waiting(singles, now, requests),
        "crowd_gap_s": round(gap, 3),
    }


def _wish(rng: random.Random, index: int, members: int) -> Wish:
    """Four of five with an adapter; steps and samplers as they come."""
    member = rng.randrange(members) if rng.random() < 0.8 else None
    sampler = rng.choice(("DDIM", "Euler", "Euler a", "DPM++ 2M"))
    return Wish(
        f"a fox in a suit, {index}", index, member, rng.choice((0.6, 0.8, 1.0)), rng.choice((10, 20, 25)), sampler
    )


def _serve(service: Service, asked: list[Wish], arrivals: list[float]) -> tuple[list[float], float]:
    """Seconds that each request waited for its picture, and when the last one was there."""
    now, due = 0.0, 0
    waited: dict[int, float] = {}
    places: dict[str, int] = {}
    while len(waited) < len(asked):
        if not service.engine.busy:
            now = max(now, arrivals[due])
        while due < len(asked) and arrivals[due] <= now:
            began = CLOCK()
            places[service.ask(asked[due])] = due
            due, now = due + 1, now + CLOCK() - began
        began = CLOCK()
        said = service.turn()
        now += CLOCK() - began
        for job, place in places.items():
            if any(is_drawn(report, job) for report in said):
                waited[place] = now - arrivals[place]
    return [waited[place] for place in range(len(asked))], now


def _draw_alone(pipeline: Any, wish: Wish) -> float:
    """Seconds of one request through the pipeline."""
    began = CLOCK()
    name = None if wish.member is None else f"member{wish.member}"
    if name is None:
        pipeline.disable_lora()
    else:
        pipeline.enable_lora()
    draw_by_pipeline(pipeline, Case(wish.steps, 64, prompt=wish.prompt), [name], wish.weight)
    return CLOCK() - began


def _waiting(waited: list[float], end: float, requests: int) -> dict[str, float]:
    cuts = statistics.quantiles(waited, n=20, method="inclusive")
    return {"p50_s": round(cuts[9], 2), "p95_s": round(cuts[18], 2), "pictures_a_minute": round(60 * requests / end, 1)}
