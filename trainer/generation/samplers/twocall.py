"""Samplers that look ahead: two calls a step, the second at a level in between, and on from where the step began.

Heun, DPM2, DPM2 a, DPM++ 2S a, DPM++ SDE; and DPM++ 2S, whose steps take turns. The first call of a step puts the
latents by (``saved``) and its picture into the memory. The last step leads to σ = 0 and takes one call, as in
k-diffusion. So does a first step of Heun, DPM2 and DPM2 a from noise alone (zero terminal SNR, which their classes in
diffusers do not know): along σ/α from 4096 to 10 a slope says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from trainer.generation.samplers.grids import Grid
from trainer.generation.samplers.noise import Level, NoiseSchedule
from trainer.generation.samplers.onestep import ode_step, sde_step
from trainer.generation.samplers.plan import DENOISED, LATENTS, Call, Weights

# from a step's two ends: the level between, how to get there, and on from the beginning
Pair = tuple[Level, Weights, Weights]


def follow_heun(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """Heun (Karras 2022, alg. 1): Euler's step to the end, and again with the mean of the slopes at both ends."""

    def look(level: Level, target: Level) -> Pair:
        half = (target.ratio - level.ratio) / 2
        update = Weights(
            saved=target.sigma / level.sigma,
            denoised=-target.alpha * half / target.ratio,
            memory=(target.alpha * half * (1 / target.ratio - 2 / level.ratio),),
        )
        return target, ode_step(level, target), update

    return _look_ahead(schedule, grid, first, look, ode_step)


def follow_dpm2(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM2 (Karras 2022, alg. 2, without its noise): the slope at the geometric mean of both ends' σ/α."""

    def look(level: Level, target: Level) -> Pair:
        between = schedule.at(math.sqrt(level.ratio * target.ratio))
        return between, ode_step(level, between), _by_slope(level, between, target)

    return _look_ahead(schedule, grid, first, look, ode_step)


def follow_dpm2_ancestral(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM2 a: DPM2 to below where the step leads, and fresh noise from there, as k-diffusion's ancestral samplers."""

    def look(level: Level, target: Level) -> Pair:
        below, noise = _go_below(level, target)
        between = schedule.at(math.sqrt(level.ratio * below.ratio))
        update = _by_slope(level, between, below, target)
        return between, ode_step(level, between), _with_noise(update, noise)

    return _look_ahead(schedule, grid, first, look, sde_step)


def solve_2s_ancestral(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM++ 2S a: DPM-Solver++(2S) (Lu 2022, alg. 1, r = ½) to below where the step leads, and fresh noise from there.

    diffusers has no such class; this is k-diffusion's and A1111's.
    """

    def look(level: Level, target: Level) -> Pair:
        below, noise = _go_below(level, target)
        between = schedule.at(math.sqrt(level.ratio * below.ratio))
        whole = _rescale(ode_step(level, below), below, target)
        update = Weights(saved=whole.x, denoised=whole.denoised, noise=noise)
        return between, ode_step(level, between), update

    return _look_ahead(schedule, grid, first, look)


def solve_sde(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM++ SDE (k-diffusion's, r = ½, η = 1): :func:`sde_step` to the middle of λ, and again from the beginning.

    Both noises are increments of one Brownian path over σ/α. The second covers the first, which is found in the latents
    at hand: n₁ = (x − a·saved − b·x₀ of before)/c.
    """

    def look(level: Level, target: Level) -> Pair:
        between = schedule.at(math.sqrt(level.ratio * target.ratio))
        there, whole = sde_step(level, between), sde_step(level, target)
        share = math.sqrt((level.ratio - between.ratio) / (level.ratio - target.ratio))
        again = whole.noise * share / there.noise
        update = Weights(
            x=again,
            saved=whole.x - again * there.x,
            denoised=whole.denoised,
            memory=(-again * there.denoised,),
            noise=whole.noise * math.sqrt(1 - share * share),
        )
        return between, there, update

    return _look_ahead(schedule, grid, first, look)


def solve_2s(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM++ 2S (Lu 2022, DPM-Solver++, alg. 1) as diffusers counts it: two of the given steps are one of second order.

    The last steps are of the first order; an odd one out is, too.
    """
    calls, count = [], len(grid.levels)
    second = [index % 2 == 1 and index < count - 1 for index in range(count)]
    for index in range(first, count):
        level, target = grid.levels[index], grid.targets[index]
        if not second[index] or index == first:
            calls.append(schedule.call(index - first, level, ode_step(level, target), LATENTS, DENOISED))
            continue
        begun = grid.levels[index - 1]
        whole = ode_step(begun, target)
        span = target.half_log_snr - begun.half_log_snr
        slope = whole.denoised * span / (level.half_log_snr - begun.half_log_snr) / 2
        update = Weights(saved=whole.x, denoised=slope, memory=(whole.denoised - slope,))
        calls.append(schedule.call(index - first, level, update, kept=DENOISED))
    return calls


def _look_ahead(
    schedule: NoiseSchedule,
    grid: Grid,
    first: int,
    look: Callable[[Level, Level], Pair],
    blindly: Callable[[Level, Level], Weights] | None = None,
) -> list[Call]:
    """Two calls a step; one in the last, and one, ``blindly``, in a step that begins at noise alone."""
    calls, last = [], len(grid.levels) - 1
    for index in range(first, last):
        level, target = grid.levels[index], grid.targets[index]
        if blindly and level.blind:
            calls.append(schedule.call(index - first, level, blindly(level, target)))
            continue
        between, there, update = look(level, target)
        calls.append(schedule.call(index - first, level, there, saved=LATENTS, kept=DENOISED))
        calls.append(schedule.call(index - first, between, update))
    calls.append(schedule.call(last - first, grid.levels[last], ode_step(grid.levels[last], grid.targets[last])))
    return calls


def _by_slope(level: Level, between: Level, end: Level, target: Level | None = None) -> Weights:
    """Along the slope of ``between``, from ``level`` to as little noise as at ``end``; scaled as at ``target``."""
    length = (end.ratio - level.ratio) / between.ratio
    update = Weights(
        saved=end.sigma / level.sigma,
        denoised=-end.alpha * length,
        memory=(end.alpha * length * (1 - between.ratio / level.ratio),),
    )
    return update if target is None else _rescale(update, end, target)


def _go_below(level: Level, target: Level) -> tuple[Level, float]:
    """How far an ancestral step (k-diffusion, η = 1) goes without noise, and how much noise brings it to ``target``.

    σ_down = σ'²/σ and σ_up = √(σ'² − σ_down²), all over α.
    """
    below = Level.of_ratio(target.ratio**2 / level.ratio, target.timestep)
    return below, target.sigma * math.sqrt(1 - (target.ratio / level.ratio) ** 2)


def _rescale(update: Weights, end: Level, target: Level) -> Weights:
    """The same latents, once noise has made those of ``end`` those of ``target``: multiplied with the quotient of α."""
    factor = target.alpha / end.alpha
    return Weights(
        update.x * factor,
        update.saved * factor,
        update.denoised * factor,
        tuple(share * factor for share in update.memory),
    )


def _with_noise(update: Weights, noise: float) -> Weights:
    return Weights(update.x, update.saved, update.denoised, update.memory, noise)
