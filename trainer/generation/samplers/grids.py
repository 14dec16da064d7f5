"""At which levels of noise a sampler calls the model: schedulers, as A1111 says.

A grid is where the calls are made, (steps) levels, and where each step leads: to the next level, at last to the clean
picture. Schedulers follow diffusers where it has them. It differs from A1111 in three things: σ/α between two timesteps
lies on a straight line, not on a logarithmic one; the Karras and exponential schedulers of Euler, Heun, LMS and DPM2
reach from the first to the last of the spaced timesteps, not over all there are; and DPM++ 2M, 2M SDE, 3M SDE and UniPC
space one timestep more than they take, in whole numbers. A1111's option that leaves out the last sigma but one (DPM2,
DPM++ 3M SDE) is not taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.generation.samplers.noise import CLEAN, Level, NoiseSchedule, Spacing

Floats = NDArray[np.floating[Any]]
RHO = 7.0  # Karras 2022, table 1
LCM_STEPS = 50  # of the teacher (Luo 2023, §5.1): the timesteps a distilled model knows


@dataclass(frozen=True)
class Grid:
    """``levels[i]`` is where step i begins, ``targets[i]`` where it leads."""

    levels: tuple[Level, ...]
    targets: tuple[Level, ...]
    init_noise_sigma: float = 1.0


def sigma_grid(schedule: NoiseSchedule, scheduler: str, steps: int, *, round_timesteps: bool = False) -> Grid:
    """For the samplers of k-diffusion (Euler, Heun, LMS, DPM2, DPM++ SDE …).

    ``round_timesteps``: DPM2 in diffusers rounds those of the Karras scheduler.
    """
    levels = [schedule.between(timestep) for timestep in _space(schedule, schedule.sigma_spacing, steps)]
    if scheduler in _SPREADS:
        ratios = _SPREADS[scheduler](levels[0].ratio, levels[-1].ratio, steps)
        levels = [schedule.at(ratio) for ratio in ratios]
        if round_timesteps and scheduler == "Karras":
            levels = [Level(float(np.round(level.timestep)), level.alpha, level.sigma) for level in levels]
    elif scheduler in _TABLED:
        levels = _TABLED[scheduler](schedule, steps)
    first = 1.0 if schedule.sigma_spacing == "leading" else levels[0].sigma
    return _chain(levels, first)


def solver_grid(schedule: NoiseSchedule, scheduler: str, steps: int) -> Grid:
    """For DPM++ 2M, 2M SDE, 3M SDE and UniPC: whole timesteps, as their classes in diffusers have them."""
    if scheduler in _SPREADS:
        ratios = _SPREADS[scheduler](schedule.ratios[-1], schedule.ratios[0], steps)
        whole = np.round if scheduler == "Karras" else np.floor
        found = [schedule.at(ratio) for ratio in ratios]
        return _chain([Level(float(whole(level.timestep)), level.alpha, level.sigma) for level in found])
    if scheduler in _TABLED:
        return _chain(_TABLED[scheduler](schedule, steps))
    total = schedule.timesteps
    timesteps: Floats
    if schedule.sigma_spacing == "linspace":
        timesteps = np.linspace(0, total - 1, steps + 1).round()[:0:-1]
    elif schedule.sigma_spacing == "leading":
        timesteps = (np.arange(steps + 1) * (total // (steps + 1)))[:0:-1] + float(schedule.steps_offset)
    else:
        timesteps = _trail(total, steps)
    return _chain([schedule.between(float(timestep)) for timestep in timesteps])


def singlestep_grid(schedule: NoiseSchedule, scheduler: str, steps: int) -> Grid:
    """For DPM++ 2S: as :func:`solver_grid`, but its class in diffusers knows no other spacing than linspace."""
    if scheduler in _SPREADS or scheduler in _TABLED:
        return solver_grid(schedule, scheduler, steps)
    timesteps = np.linspace(0, schedule.timesteps - 1, steps + 1).round()[:0:-1]
    return _chain([schedule.between(float(timestep)) for timestep in timesteps])


def ddim_grid(schedule: NoiseSchedule, scheduler: str, steps: int) -> Grid:
    """For DDIM: a step leads T//steps timesteps down, which need not be where the next begins."""
    timesteps = _whole(schedule, steps)
    stride = schedule.timesteps // steps
    return Grid(
        tuple(schedule.level(timestep) for timestep in timesteps),
        tuple(schedule.level(timestep - stride) for timestep in timesteps),
    )


def ddpm_grid(schedule: NoiseSchedule, scheduler: str, steps: int) -> Grid:
    """For DDPM: the timesteps of DDIM, each leading to the next."""
    return _chain([schedule.level(timestep) for timestep in _whole(schedule, steps)])


def plms_grid(schedule: NoiseSchedule, scheduler: str, steps: int) -> Grid:
    """For PLMS: as DDIM; ᾱ = 0 it cannot take, for it divides by it."""
    timesteps = _whole(schedule, steps)
    stride = schedule.timesteps // steps
    last = CLEAN if schedule.set_alpha_to_one else schedule.between(0.0)
    below = [timestep - stride for timestep in timesteps]
    return Grid(
        tuple(schedule.between(float(timestep)) for timestep in timesteps),
        tuple(schedule.between(float(timestep)) if timestep >= 0 else last for timestep in below),
    )


def lcm_grid(schedule: NoiseSchedule, scheduler: str, steps: int) -> Grid:
    """For LCM: ``steps`` of the 50 timesteps that its teacher took; of all of them when more are asked for."""
    total = schedule.timesteps
    taught = LCM_STEPS if steps <= LCM_STEPS else total
    origin = (np.arange(1, taught + 1) * (total // taught) - 1)[::-1]
    chosen = origin[np.floor(np.linspace(0, taught, num=steps, endpoint=False)).astype(int)]
    return _chain([schedule.level(int(timestep)) for timestep in chosen])


def _chain(levels: list[Level], init_noise_sigma: float = 1.0) -> Grid:
    return Grid(tuple(levels), (*levels[1:], CLEAN), init_noise_sigma)


def _space(schedule: NoiseSchedule, spacing: Spacing, steps: int) -> list[float]:
    """Timesteps, the noisiest first. One step alone begins at the noise, where diffusers would begin at its end."""
    total = schedule.timesteps
    if steps == 1:
        return [total - 1.0]
    timesteps: Floats
    if spacing == "linspace":
        timesteps = np.linspace(0, total - 1, steps)[::-1]
    elif spacing == "leading":
        timesteps = (np.arange(steps) * (total // steps))[::-1] + float(schedule.steps_offset)
    else:
        timesteps = _trail(total, steps)
    return [float(timestep) for timestep in timesteps]


def _trail(total: int, steps: int) -> Floats:
    return (np.arange(total, 0, -total / steps).round() - 1.0)[:steps]


def _whole(schedule: NoiseSchedule, steps: int) -> list[int]:
    return [int(np.round(timestep)) for timestep in _space(schedule, schedule.timestep_spacing, steps)]


def _karras(highest: float, lowest: float, steps: int) -> Floats:
    """Karras 2022, eq. 5, with ρ = 7."""
    ramp = np.linspace(0, 1, steps)
    return (highest ** (1 / RHO) + ramp * (lowest ** (1 / RHO) - highest ** (1 / RHO))) ** RHO


def _exponential(highest: float, lowest: float, steps: int) -> Floats:
    return np.exp(np.linspace(np.log(highest), np.log(lowest), steps))


def _sgm_uniform(schedule: NoiseSchedule, steps: int) -> list[Level]:
    """A1111's: one timestep more than is taken, in equal distances, the last left out; what Lightning needs."""
    return [schedule.log_between(float(at)) for at in np.linspace(schedule.timesteps - 1, 0, steps + 1)[:-1]]


def _simple(schedule: NoiseSchedule, steps: int) -> list[Level]:
    """A1111's: every (T/steps)-th of the timesteps, counted from the end."""
    total = schedule.timesteps
    return [schedule.between(float(total - 1 - int(index * total / steps))) for index in range(steps)]


_SPREADS: dict[str, Callable[[float, float, int], Floats]] = {"Karras": _karras, "Exponential": _exponential}
_TABLED: dict[str, Callable[[NoiseSchedule, int], list[Level]]] = {"SGM Uniform": _sgm_uniform, "Simple": _simple}
