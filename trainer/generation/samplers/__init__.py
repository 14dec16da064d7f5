"""Samplers as pure functions: from a base's noise schedule to a plan of calls, and all rows moved on in one batch.

``make_plan(schedule, "Euler a", "Automatic", steps=20)`` -> ``Plan``; then for every call: the model on ``state.x`` and
``call.timestep``, :func:`denoised`, :func:`advance`.
"""

from trainer.generation.samplers.batch import State, advance, begin, begin_from, denoised
from trainer.generation.samplers.guidance import compose, guide
from trainer.generation.samplers.noise import NoiseSchedule
from trainer.generation.samplers.plan import Call, Plan, Weights, first_step, noise_to
from trainer.generation.samplers.registry import make_plan

__all__ = [
    "Call",
    "NoiseSchedule",
    "Plan",
    "State",
    "Weights",
    "advance",
    "begin",
    "begin_from",
    "compose",
    "denoised",
    "first_step",
    "guide",
    "make_plan",
    "noise_to",
]
