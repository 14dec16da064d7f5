"""Samplers that make one call a step and remember nothing: Euler, Euler a, DDIM, DDPM, LCM.

Written over x = α·x₀ + σ·ε, Euler and DDIM are the same update, and so are Euler a, DDPM and the first order of
SDE-DPM-Solver++; what tells them apart is where they call the model.
"""

from __future__ import annotations

import math

from trainer.generation.samplers.grids import Grid
from trainer.generation.samplers.noise import Level, NoiseSchedule
from trainer.generation.samplers.plan import Call, Weights

LCM_SIGMA_DATA = 0.5  # Karras 2022, table 1
LCM_TIMESTEP_SCALING = 10.0  # as the published LCMs were distilled


def ode_step(level: Level, target: Level) -> Weights:
    """From one level to another along the probability flow, the picture taken as constant.

    x' = α'·x₀ + σ'·ε with ε = (x − α·x₀)/σ: DDIM (Song 2021, eq. 12 with its σ = 0), Euler's step of Karras 2022,
    alg. 1, and DPM-Solver-1 (Lu 2022, eq. 4.1) alike.
    """
    shrink = target.sigma / level.sigma
    return Weights(x=shrink, denoised=target.alpha - level.alpha * shrink)


def sde_step(level: Level, target: Level) -> Weights:
    """The same along the reverse SDE: x' = (σ'/σ)e^{−h}·x + α'(1 − e^{−2h})·x₀ + σ'√(1 − e^{−2h})·noise.

    SDE-DPM-Solver++-1 (Lu 2022, DPM-Solver++, app. A, eq. 18), h = λ' − λ. It is the posterior of DDPM (Ho et al. 2020,
    eq. 6 and 7), and Euler a of k-diffusion with η = 1: e^{−h} is the quotient of both σ/α.
    """
    decay = math.exp(level.half_log_snr - target.half_log_snr)
    renewed = 1 - decay * decay
    return Weights(
        x=target.sigma / level.sigma * decay,
        denoised=target.alpha * renewed,
        noise=target.sigma * math.sqrt(renewed),
    )


def epsilon_at(level: Level) -> Weights:
    """The noise ε = (x − α·x₀)/σ in latents, by what their picture is."""
    return Weights(x=1 / level.sigma, denoised=-level.alpha / level.sigma)


def follow_ode(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """Euler and DDIM: :func:`ode_step` from level to level."""
    return [
        schedule.call(index - first, grid.levels[index], ode_step(grid.levels[index], grid.targets[index]))
        for index in range(first, len(grid.levels))
    ]


def follow_sde(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """Euler a and DDPM: :func:`sde_step` from level to level."""
    return [
        schedule.call(index - first, grid.levels[index], sde_step(grid.levels[index], grid.targets[index]))
        for index in range(first, len(grid.levels))
    ]


def follow_consistency(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """LCM: the model says the picture at once, which is noised again to the next level (Luo 2023, alg. 3).

    The picture is c_skip(t)·x + c_out(t)·x₀ (eq. 9), with the scalings of Song 2023, app. C, over ten times t.
    """
    calls = []
    for index in range(first, len(grid.levels)):
        level, target = grid.levels[index], grid.targets[index]
        scaled = level.timestep * LCM_TIMESTEP_SCALING
        skip = LCM_SIGMA_DATA**2 / (scaled**2 + LCM_SIGMA_DATA**2)
        out = scaled / math.sqrt(scaled**2 + LCM_SIGMA_DATA**2)
        update = Weights(x=target.alpha * skip, denoised=target.alpha * out, noise=target.sigma)
        calls.append(schedule.call(index - first, level, update))
    return calls
