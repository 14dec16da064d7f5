"""Samplers that make one call a step and use the answers before: DPM++ 2M, 2M SDE, 3M SDE, LMS."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from trainer.generation.samplers.grids import Grid
from trainer.generation.samplers.noise import Level, NoiseSchedule
from trainer.generation.samplers.onestep import epsilon_at, ode_step, sde_step
from trainer.generation.samplers.plan import DENOISED, Call, Weights

FEW_STEPS = 15  # below it diffusers ends with lower orders, for stability
LMS_ORDER = 4


def solve_2m(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM++ 2M (Lu 2022, DPM-Solver++, alg. 2): Euler's step with the picture carried on in λ.

    x' = (σ'/σ)·x − α'(e^{−h} − 1)·D, D = (1 + 1/(2r))·x₀ − 1/(2r)·x₀ of the call before, r = h of before / h.
    """
    return _solve(schedule, grid, first, ode_step, order=2)


def solve_2m_sde(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM++ 2M SDE (Lu 2022, DPM-Solver++, app. A, eq. 19), midpoint: the same over :func:`sde_step`."""
    return _solve(schedule, grid, first, sde_step, order=2)


def solve_3m_sde(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """DPM++ 3M SDE, the third order of the above as diffusers has it: x₀ carried on by a parabola in λ."""
    return _solve(schedule, grid, first, sde_step, order=3)


def integrate_lms(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """LMS: Adams and Bashforth's method of order 4 over the derivatives dx/d(σ/α) = ε (Karras 2022, eq. 1).

    Each ε counts by the integral of its Lagrange polynomial over the step; the polynomials are of degree 3, so that two
    Gauss nodes integrate them exactly.
    """
    calls = []
    for index in range(first, len(grid.levels)):
        level, target = grid.levels[index], grid.targets[index]
        points = [grid.levels[earlier].ratio for earlier in range(index, max(index - LMS_ORDER, first - 1), -1)]
        now, *before = (target.alpha * share for share in _adams_bashforth(points, target))
        update = Weights(
            x=target.alpha / level.alpha + now / level.sigma,
            denoised=-now * level.alpha / level.sigma,
            memory=tuple(before),
        )
        calls.append(schedule.call(index - first, level, update, kept=epsilon_at(level)))
    return calls


def _adams_bashforth(points: list[float], target: Level) -> list[float]:
    start, end = points[0], target.sigma / target.alpha
    nodes, shares = np.polynomial.legendre.leggauss(2)
    places = (end - start) / 2 * nodes + (end + start) / 2
    found = []
    for own in points:
        values = np.ones_like(places)
        for other in points:
            if other != own:
                values = values * (places - other) / (own - other)
        found.append(float((end - start) / 2 * (shares * values).sum()))
    return found


def _solve(
    schedule: NoiseSchedule, grid: Grid, first: int, step: Callable[[Level, Level], Weights], order: int
) -> list[Call]:
    """Steps of the highest order that the memory allows; the last of the first order, for it leads to σ = 0."""
    calls, count = [], len(grid.levels)
    for index in range(first, count):
        known = min(order, index - first + 1)
        if index == count - 1:
            known = 1
        elif index == count - 2 and count < FEW_STEPS:
            known = min(known, 2)
        levels = [grid.levels[index - back] for back in range(known)]
        base = step(levels[0], grid.targets[index])
        shares = _carry_on(levels, grid.targets[index], base)
        update = replace(base, denoised=shares[0], memory=tuple(shares[1:]))
        calls.append(schedule.call(index - first, levels[0], update, kept=DENOISED))
    return calls


def _carry_on(levels: list[Level], target: Level, base: Weights) -> list[float]:
    """What the pictures at ``levels`` (now, before, …) count, where a constant picture would count base.denoised."""
    times = [level.half_log_snr for level in levels]
    step = target.half_log_snr - times[0]
    if len(levels) == 1:
        return [base.denoised]
    near = (times[0] - times[1]) / step  # r₀; the slope is (D₀ − D₁)/r₀
    if len(levels) == 2:
        slope = base.denoised / 2 / near
        return [base.denoised + slope, -slope]
    far = (times[1] - times[2]) / step
    # ∫ of e^{−2(h − τ)}·τ/h and of its square: what slope and bend count (Lu 2022, eq. 18, to the third order)
    decayed = -math.expm1(-2 * step)
    slope = target.alpha * (1 - decayed / (2 * step))
    bend = target.alpha * ((decayed - 2 * step) / (2 * step) ** 2 - 0.5)
    # D¹ = d₀ + r₀/(r₀+r₁)·(d₀ − d₁) and D² = (d₀ − d₁)/(r₀+r₁), with d₀ = (D₀ − D₁)/r₀ and d₁ = (D₁ − D₂)/r₁
    now = slope * (1 + near / (near + far)) + bend / (near + far)
    before = -slope * near / (near + far) - bend / (near + far)
    return [base.denoised + now / near, before / far - now / near, -before / far]
