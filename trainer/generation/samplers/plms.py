"""PLMS: the pseudo linear multistep method of PNDM (Liu et al. 2022), over what the model says."""

from __future__ import annotations

import math

from trainer.generation.samplers.grids import Grid
from trainer.generation.samplers.noise import Level, NoiseSchedule
from trainer.generation.samplers.plan import LATENTS, Call, Weights

# how much the model's output of now, of before … count (Liu et al. 2022, eq. 12, and its beginning)
ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def follow_plms(schedule: NoiseSchedule, grid: Grid, first: int) -> list[Call]:
    """PLMS without Runge-Kutta steps: the first step is taken twice, again with the mean of both its ends' outputs.

    What is kept is the model's output, so with v_prediction it is v that is carried on, as in diffusers.
    """
    calls, count = [], len(grid.levels)
    for index in range(first, count):
        level, target, done = grid.levels[index], grid.targets[index], index - first
        if done == 1:
            # the output at the end of the first step makes that step better, and is asked for again where it leads
            begun, led = grid.levels[first], grid.targets[first]
            calls.append(schedule.call(0, level, _transfer(schedule, begun, led, level, (1 / 2, 1 / 2), "saved")))
        update = _transfer(schedule, level, target, level, ADAMS_BASHFORTH[min(done, 3)], "x")
        output = _output_of(schedule, level)
        calls.append(schedule.call(done, level, update, saved=LATENTS if done == 0 else None, kept=output))
    return calls


def _output_of(schedule: NoiseSchedule, level: Level) -> Weights:
    """The model's output at a call, from the latents and the picture."""
    c_x, c_out = schedule.denoising(level)
    return Weights(x=-c_x / c_out, denoised=1 / c_out)


def _transfer(
    schedule: NoiseSchedule, level: Level, target: Level, asked: Level, shares: tuple[float, ...], start: str
) -> Weights:
    """From ``level`` to ``target`` (Liu et al. 2022, eq. 11) with a mixture of outputs, the newest one from ``asked``.

    ``start``: whether the step goes on from the latents at hand (x) or from those put by (saved).
    """
    along, towards = _eq_11(level, target)
    if schedule.prediction_type == "v_prediction":  # ε = α·v + σ·x
        along, towards = along + towards * level.sigma, towards * level.alpha
    output = _output_of(schedule, asked)
    x = towards * shares[0] * output.x
    memory = tuple(towards * share for share in shares[1:])
    denoised = towards * shares[0] * output.denoised
    if start == "x":
        return Weights(x=x + along, denoised=denoised, memory=memory)
    return Weights(x=x, saved=along, denoised=denoised, memory=memory)


def _eq_11(level: Level, target: Level) -> tuple[float, float]:
    """What x and ε count."""
    now, then = level.alpha**2, target.alpha**2
    below = now * target.sigma + math.sqrt(now * then) * level.sigma
    return target.alpha / level.alpha, -(then - now) / below
