"""How figures are taken: seconds of steps in alternating pairs, seconds of a step's parts, memory of a process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
PAIRS = 7

Clock = Callable[[], float]
"""``time.perf_counter`` for the seconds that people wait; ``time.process_time`` for the processor's, which a busy
machine changes little, as long as one thread computes."""


class Stepper(Protocol):
    """Whatever takes training steps: the reference's, and ours."""

    def step(self) -> float:
        """One whole step; its loss."""
        ...


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)

    def rounded(self, digits: int = 4) -> dict[str, float]:
        return {name: round(getattr(self, name), digits) for name in ("median", "low", "high")}


@dataclass(frozen=True)
class Pairs:
    """Seconds of ours and of the reference, and how many times as fast ours was, pair by pair."""

    ours_s: Spread
    reference_s: Spread
    ratio: Spread

    def figures(self, name: str) -> dict[str, Any]:
        """As they stand in the JSON: ``name`` is the ratio's median, the rest stands beside it."""
        return {
            name: round(self.ratio.median, 3),
            f"{name}_spread": self.ratio.rounded(3),
            f"{name}_ours_s": self.ours_s.rounded(),
            f"{name}_reference_s": self.reference_s.rounded(),
        }


def time_call(work: Callable[[], object], times: int = 1, clock: Clock = time.perf_counter) -> float:
    """Seconds of one call, as the mean of ``times`` in a row."""
    began = clock()
    for _ in range(times):
        work()
    return (clock() - began) / times


def time_in_turn(
    ours: Callable[[], object],
    reference: Callable[[], object],
    *,
    pairs: int = PAIRS,
    times: int = 1,
    warm_up: int = 2,
    clock: Clock = time.perf_counter,
) -> Pairs:
    """Call both in turn, ``times`` each, ``pairs`` times; who goes first changes from pair to pair.

    A machine that slows down for a while slows both: the ratio is taken within each pair.
    """
    for _ in range(warm_up):
        ours()
        reference()
    mine, theirs = [], []
    for index in range(pairs):
        first, second = ((ours, mine), (reference, theirs))[:: 1 if index % 2 else -1]
        for work, seconds in (first, second):
            seconds.append(time_call(work, times, clock))
    ratios = [reference_s / ours_s for ours_s, reference_s in zip(mine, theirs, strict=True)]
    return Pairs(Spread.of(mine), Spread.of(theirs), Spread.of(ratios))


class Stopwatch:
    """The watch that steppers are given: seconds of each part, step by step."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        began = self.clock()
        yield
        self.seconds[part].append(self.clock() - began)

    def clear(self) -> None:
        """Forget what was measured, as after warming up."""
        self.seconds.clear()


def time_parts(stepper: Stepper, watch: Stopwatch, *, steps: int, warm_up: int = 2) -> dict[str, Spread]:
    """Seconds of each part of a step, and of the whole as ``step``; ``watch`` is the one that the stepper was given."""
    for _ in range(warm_up):
        stepper.step()
    watch.clear()
    whole = [time_call(stepper.step, clock=watch.clock) for _ in range(steps)]
    return {"step": Spread.of(whole)} | {part: Spread.of(values) for part, values in watch.seconds.items()}


@dataclass(frozen=True)
class Memory:
    """What one process took, in MiB: at its highest ever, at its highest while it trained, and before it trained.

    ``seconds`` is the processor time of its steps.
    """

    peak_mib: float
    training_peak_mib: float
    before_mib: float
    seconds: float
    losses: list[float]


def measure_memory(which: str, case: str, *, steps: int = 2, threads: int = 1, folder: Path | None = None) -> Memory:
    """Train a case in a process of its own and read its peak memory.

    ``folder`` holds the base where the case's own is not made on the spot.
    """
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--which", which, "--case", case, "--steps", str(steps)]
    if folder is not None:
        command += ["--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that measures {which} on {case} ended with {done.returncode}:\n{done.stderr}")
    return Memory(**json.loads(done.stdout.splitlines()[-1]))


def read_status(field: str) -> float:
    """A figure of this process in MiB, such as VmHWM, its highest resident memory, or RssAnon."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(f"/proc/self/status has no {field}; peak memory is measured on Linux alone")


def forget_peak() -> None:
    """Let VmHWM begin anew at what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")
