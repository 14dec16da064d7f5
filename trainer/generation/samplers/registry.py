"""From a sampler's name to its plan."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from trainer.contract.samplers import AUTOMATIC, AUTOMATIC_SCHEDULERS, SCHEDULERS
from trainer.generation.samplers.grids import (
    Grid,
    ddim_grid,
    ddpm_grid,
    lcm_grid,
    plms_grid,
    sigma_grid,
    singlestep_grid,
    solver_grid,
)
from trainer.generation.samplers.multistep import integrate_lms, solve_2m, solve_2m_sde, solve_3m_sde
from trainer.generation.samplers.noise import NoiseSchedule
from trainer.generation.samplers.onestep import follow_consistency, follow_ode, follow_sde
from trainer.generation.samplers.plan import Call, Plan
from trainer.generation.samplers.plms import follow_plms
from trainer.generation.samplers.twocall import (
    follow_dpm2,
    follow_dpm2_ancestral,
    follow_heun,
    solve_2s,
    solve_2s_ancestral,
    solve_sde,
)
from trainer.generation.samplers.unipc import follow_unipc

# where a sampler calls the model, and what it makes of the answers
_WAYS: dict[str, tuple[Callable[[NoiseSchedule, str, int], Grid], Callable[[NoiseSchedule, Grid, int], list[Call]]]] = {
    "Euler": (sigma_grid, follow_ode),
    "Euler a": (sigma_grid, follow_sde),
    "Heun": (sigma_grid, follow_heun),
    "LMS": (sigma_grid, integrate_lms),
    "DPM2": (partial(sigma_grid, round_timesteps=True), follow_dpm2),
    "DPM2 a": (partial(sigma_grid, round_timesteps=True), follow_dpm2_ancestral),
    "DPM++ 2S": (singlestep_grid, solve_2s),
    "DPM++ 2S a": (sigma_grid, solve_2s_ancestral),
    "DPM++ 2M": (solver_grid, solve_2m),
    "DPM++ 2M SDE": (solver_grid, solve_2m_sde),
    "DPM++ 3M SDE": (solver_grid, solve_3m_sde),
    "DPM++ SDE": (sigma_grid, solve_sde),
    "DDIM": (ddim_grid, follow_ode),
    "DDPM": (ddpm_grid, follow_sde),
    "PLMS": (plms_grid, follow_plms),
    "UniPC": (solver_grid, follow_unipc),
    "LCM": (lcm_grid, follow_consistency),
}


def make_plan(schedule: NoiseSchedule, sampler: str, scheduler: str, steps: int, first_step: int = 0) -> Plan:
    """The calls of ``sampler`` with ``scheduler``, both by the names of :mod:`trainer.contract.samplers`.

    A plan that begins at ``first_step`` (img2img) begins without a memory, as if that were its first. Raises
    ValueError: no such names, ``steps`` outside 1…T, ``first_step`` outside 0…steps − 1.
    """
    if sampler not in _WAYS:
        raise ValueError(f"there is no sampler called {sampler}; there are {', '.join(_WAYS)}")
    if scheduler not in SCHEDULERS:
        raise ValueError(f"there is no scheduler called {scheduler}; there are {', '.join(SCHEDULERS)}")
    if not 1 <= steps <= schedule.timesteps:
        raise ValueError(f"the steps must be between 1 and {schedule.timesteps}, got {steps}")
    if not 0 <= first_step < steps:
        raise ValueError(f"the first step must be between 0 and {steps - 1}, got {first_step}")
    make_grid, take_steps = _WAYS[sampler]
    grid = make_grid(schedule, resolve_scheduler(schedule, sampler, scheduler), steps)
    return Plan(tuple(take_steps(schedule, grid, first_step)), grid.init_noise_sigma, steps - first_step)


def resolve_scheduler(schedule: NoiseSchedule, sampler: str, scheduler: str) -> str:
    """What Automatic means: the scheduler that A1111 takes for the sampler.

    On a base with zero terminal SNR it is Uniform: the Karras scheduler would spend most of its steps where σ/α is in
    the thousands and there is nothing to see yet.
    """
    if scheduler != AUTOMATIC:
        return scheduler
    return "Uniform" if schedule.zero_terminal_snr else AUTOMATIC_SCHEDULERS.get(sampler, "Uniform")
