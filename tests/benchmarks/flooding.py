"""How long others wait while one member sends 500 jobs, beside what first come, first served does with the same jobs.

Simulated clock and service times through the real books and the real choice: two workers draw pictures that take 8 s
on average (lognormal, so that one in twenty takes more than 20 s), and 40 members send at random times, in one hour,
as much as keeps the workers busy for four fifths of it. ``wait`` is from sending to the picture, ``start`` to its
beginning.
"""

from __future__ import annotations

import random
import statistics

from tests.bot.lanes import Lane

FLOOD, FLOODER = 500, 1
MEMBERS = range(2, 42)
WORKERS = 2
MEAN_S, SPREAD = 8.0, 0.7
HOUR_S = 3600.0
LOAD = 0.8  # at half of that, most begin at once where there is no flood, and a ratio says nothing
SEEDS = range(3)


def measure() -> dict[str, float]:
    """Medians of all seeds' hours, and the ratios with the flood to without."""
    figures: dict[str, float] = {}
    for name, first_come in (("", False), ("_first_come", True)):
        calm, flood = (_waits(flood=flood, first_come=first_come) for flood in (False, True))
        for what, key in enumerate(("wait", "start")):
            before, after = (
                statistics.median(pair[what] for pair in calm),
                statistics.median(pair[what] for pair in flood),
            )
            figures[f"flood_{key}_ratio{name}"] = round(after / before, 2)
            figures |= {f"{key}_calm{name}_s": round(before, 1), f"{key}_flood{name}_s": round(after, 1)}
    return figures


def _waits(*, flood: bool, first_come: bool) -> list[tuple[float, float]]:
    """Of all that the others sent: seconds until it was done, and until it was begun."""
    lanes = [(random.Random(seed), Lane(WORKERS, first_come=first_come)) for seed in SEEDS]
    return [pair for rng, lane in lanes for pair in _hour(rng, lane, flood=flood)]


def _hour(rng: random.Random, lane: Lane, *, flood: bool) -> list[tuple[float, float]]:
    at = 0.0
    while (at := at + rng.expovariate(LOAD * WORKERS / MEAN_S)) < HOUR_S:
        lane.plan(at, rng.choice(MEMBERS), _takes(rng), thought=MEAN_S)
    if flood:
        for _ in range(FLOOD):
            lane.plan(1.0, FLOODER, _takes(rng), thought=MEAN_S)
    lane.run()
    return [(each.waited + each.takes, each.waited) for each in lane.log if each.member != FLOODER]


def _takes(rng: random.Random) -> float:
    return MEAN_S * rng.lognormvariate(-(SPREAD**2) / 2, SPREAD)
