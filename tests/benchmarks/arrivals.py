"""Time to likeness: how soon ours and the script draw a character that is like its photos."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.bases import load_modules
from tests.benchmarks.measure import Clock, Spread
from tests.benchmarks.ours import OurStepper, emoji_base
from tests.benchmarks.reference import ReferenceLora
from tests.benchmarks.studio import TRIGGER, Studio, Subject
from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Recipe
from trainer.generation.live import generate
from trainer.training.learner import Draw
from trainer.training.loop import Training
from trainer.training.preparing import TrainingJob, prepare_photos
from trainer.training.recipes import MODULES

GOAL = 0.8  # of the way from the bare base's pictures to real ones
FIRST_LOOK, LEAST_GAP = 20, 5  # steps
LONGEST = 1500  # steps: four times as many as our recipe takes for six photos
SCENES = 6
SIDES = ("ours", "script_same_recipe", "script")


class Moment(NamedTuple):
    """How far a training had come."""

    steps: float
    seconds: float
    closure: float


@dataclass(frozen=True)
class Arrival:
    """When the goal was reached; where it was not, how long that was tried, and how far it came."""

    reached: bool
    steps: float
    seconds: float
    closure: float  # when it was measured last


def next_look(steps: int) -> int:
    """After which step to measure next: a tenth further, so that both sides are measured equally finely."""
    return FIRST_LOOK if steps < FIRST_LOOK else steps + max(LEAST_GAP, steps // 10)


def interpolate(before: Moment, after: Moment, goal: float) -> Moment:
    """The moment at which ``goal`` was passed, on a straight line between two measurements."""
    share = (goal - before.closure) / (after.closure - before.closure)
    return Moment(
        before.steps + share * (after.steps - before.steps),
        before.seconds + share * (after.seconds - before.seconds),
        goal,
    )


def arrive(
    step: Callable[[], object],
    measure: Callable[[], float],
    begun: Moment,
    *,
    longest: int = LONGEST,
    clock: Clock = time.process_time,
) -> Arrival:
    """Take steps until ``measure`` finds the goal reached; the clock stands still while it measures.

    ``begun`` is where the first of them starts from: what was spent on preparing, and steps that were taken there.
    """
    last = begun
    while last.steps < longest:
        until = min(next_look(int(last.steps)), longest)
        began = clock()
        for _ in range(until - int(last.steps)):
            step()
        seconds = last.seconds + clock() - began
        now = Moment(until, seconds, measure())
        if now.closure >= GOAL:
            there = interpolate(last, now, GOAL)
            return Arrival(True, there.steps, there.seconds, now.closure)
        last = now
    return Arrival(False, *last)


def our_arrival(studio: Studio, subject: Subject, longest: int = LONGEST) -> Arrival:
    """Ours, by emoji-64's default recipe, without looks of its own: it neither draws nor chooses on its way."""
    began = time.process_time()
    base = studio.fresh_base()
    # it must not end by itself
    job = TrainingJob(TRIGGER, subject.class_word, "subject", Recipe(seed=subject.seed, steps=8 * longest))
    training = Training(base, AdapterBank(base.modules), prepare_photos(job, subject.photos), job)
    stepper = OurStepper(training)
    stepper.step()  # all preparation is before it
    begun = Moment(1, time.process_time() - began, 0.0)
    arrival = arrive(stepper.step, _measure(studio, subject, training.learner.draw), begun, longest=longest)
    stepper.close()
    return arrival


def script_arrival(studio: Studio, subject: Subject, options: dict[str, Any], longest: int = LONGEST) -> Arrival:
    """The script's, from the same photos as files; ``options`` are its options."""
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{number}.png" for number in range(len(subject.photos))]
        for photo, path in zip(subject.photos, paths, strict=True):
            photo.save(path)
        began = time.process_time()
        modules, prompt = load_modules(), f"a photo of {subject.words}"
        stepper = ReferenceLora(modules, paths, instance_prompt=prompt, batch=4, seed=subject.seed, **options)
        begun = Moment(0, time.process_time() - began, 0.0)
        base, bank = emoji_base(modules), AdapterBank({})
        for parameter in stepper.parameters:
            parameter.requires_grad_(True)  # emoji_base froze them, too
        measure = _measure(studio, subject, lambda job, weight=1.0: generate(base, bank, job))
        return arrive(stepper.step, measure, begun, longest=longest)


def _measure(studio: Studio, subject: Subject, draw: Draw) -> Callable[[], float]:
    return lambda: subject.closure(studio.likeness(studio.draw(subject, draw), subject))


def our_options(studio: Studio) -> dict[str, Any]:
    """Our recipe as options of the script, so that the loops alone differ."""
    recipe = studio.base.spec.defaults.recipe
    return {
        "rank": recipe.rank, "lora_alpha": recipe.lora_alpha, "target_modules": MODULES[recipe.layers],
        "learning_rate": recipe.learning_rate,
    }  # fmt: skip


def race(studio: Studio, head: str, seed: int) -> dict[str, Any]:
    """All three on one character and seed; who begins changes with the seed."""
    subject = studio.meet(head, seed, SCENES)
    sides: dict[str, Callable[[], Arrival]] = {
        "ours": lambda: our_arrival(studio, subject),
        "script_same_recipe": lambda: script_arrival(studio, subject, our_options(studio)),
        "script": lambda: script_arrival(studio, subject, {}),
    }
    turn = seed % len(SIDES)
    arrivals = {name: asdict(sides[name]()) for name in (*SIDES[turn:], *SIDES[:turn])}
    return {name: arrivals[name] for name in SIDES}


def compare(ours: dict[str, Any], other: dict[str, Any], key: str) -> float | None:
    """How many times as much of ``key`` (steps, seconds) the other needed; at least so many where it did not arrive.

    0 where ours alone did not arrive, which keeps a median on the safe side, and None where nobody did.
    """
    if not ours["reached"]:
        return 0.0 if other["reached"] else None
    return float(other[key] / ours[key])


def summarise_races(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The ratios with their spread, and what they are made of; one row a character and seed."""
    figures: dict[str, Any] = {"races": len(rows)}
    for other, name in (("script", "likeness"), ("script_same_recipe", "likeness_same_recipe")):
        for key, what in (("seconds", "time"), ("steps", "steps")):
            found = [compare(row["ours"], row[other], key) for row in rows]
            figures |= _ratio_figures(f"{what}_to_{name}_ratio", [ratio for ratio in found if ratio is not None])
    for name in SIDES:
        figures[f"{name}_seconds"] = spread_of([row[name]["seconds"] for row in rows]).rounded(1)
        figures[f"{name}_steps"] = spread_of([row[name]["steps"] for row in rows]).rounded(0)
        figures[f"{name}_not_reached"] = sum(not row[name]["reached"] for row in rows)
    return figures


def _ratio_figures(name: str, ratios: Sequence[float]) -> dict[str, Any]:
    if not ratios:
        return {name: None}
    spread = spread_of(ratios)
    return {
        name: round(spread.median, 2),
        f"{name}_spread": spread.rounded(2) | {"least": round(min(ratios), 2), "most": round(max(ratios), 2)},
    }


def spread_of(values: Sequence[float]) -> Spread:
    """As :meth:`Spread.of`, of a single value as well."""
    return Spread.of(values) if len(values) > 1 else Spread(values[0], values[0], values[0])
