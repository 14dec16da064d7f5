"""UniPC: a predictor, and a corrector that needs no call of its own (Zhao et al. 2023)."""

from __future__ import annotations

import math

import numpy as np

from trainer.generation.samplers.grids import Grid
from trainer.generation.samplers.noise import Level, NoiseSchedule
from trainer.generation.samplers.onestep import ode_step
from trainer.generation.samplers.plan import DENOISED, LATENTS, Call, Weights

ORDER = 2


def follow_unipc(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """UniPC of order 2 with B(h) = e^{−h} − 1 ("bh2") over the picture (Zhao et al. 2023, alg. 5 to 8).

    ``saved`` are the corrected latents of the step before. At a call the picture first corrects the latents at hand,
    from ``saved`` on; then the next are predicted. Both are linear, and so is the one after the other. It is diffusers'
    default; A1111 takes order 3 with "bh1" unless told otherwise.
    """
    calls, count = [], len(grid.levels)
    for index in range(first, count):
        level, target = grid.levels[index], grid.targets[index]
        order = min(ORDER, index - first + 1, count - index)
        behind = [grid.levels[index - back] for back in range(order)]
        shares = _share(behind, target, predict=True)
        step = ode_step(level, target)
        corrected = LATENTS
        if index > first:
            corrected = _correct(grid, index, min(ORDER, index - first, count - index + 1))
        update = Weights(
            x=step.x * corrected.x,
            saved=step.x * corrected.saved,
            denoised=step.x * corrected.denoised + step.denoised * shares[0],
            memory=_add(
                [step.x * share for share in corrected.memory], [step.denoised * share for share in shares[1:]]
            ),
        )
        calls.append(schedule.call(index - first, level, update, saved=corrected, kept=DENOISED))
    return calls


def _correct(grid: Grid, index: int, order: int) -> Weights:
    """UniC: the latents of call ``index`` again from those before, with the picture that is seen at it."""
    behind = [grid.levels[index - 1 - back] for back in range(order)]
    step = ode_step(behind[0], grid.levels[index])
    now, *before = _share(behind, grid.levels[index], predict=False)
    return Weights(saved=step.x, denoised=step.denoised * now, memory=tuple(step.denoised * share for share in before))


def _share(behind: list[Level], target: Level, *, predict: bool) -> list[float]:
    """What the pictures count, in parts of a constant one: at ``target`` (the corrector alone), then at ``behind``."""
    start = behind[0].half_log_snr
    step = target.half_log_snr - start
    places = [(level.half_log_snr - start) / step for level in behind[1:]] + ([] if predict else [1.0])
    if not places:
        return [1.0]
    if len(places) == 1:
        weights = [0.5]  # of the first order, whatever B(h) is (Zhao et al. 2023, app. F)
    else:
        weights = [float(weight) for weight in np.linalg.solve(np.vander(places, increasing=True).T, _moments(step))]
    slopes = [weight / place for weight, place in zip(weights, places, strict=True)]
    constant = 1 - sum(slopes)
    ahead = [] if predict else [slopes.pop()]
    return [*ahead, constant, *slopes]


def _moments(step: float) -> list[float]:
    """b of eq. 11 for two places: k!·φ over B(h), with h negative for a model of the picture."""
    first = math.expm1(-step) / -step - 1
    second = first / -step - 1 / 2
    return [first / math.expm1(-step), 2 * second / math.expm1(-step)]


def _add(one: list[float], other: list[float]) -> tuple[float, ...]:
    length = max(len(one), len(other))
    padded = [row + [0.0] * (length - len(row)) for row in (one, other)]
    return tuple(a + b for a, b in zip(*padded, strict=True))
