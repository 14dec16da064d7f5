"""Every sampler against diffusers' scheduler of the same name, on the same noise: the greatest difference at any step.

The model is a stand-in that sees a picture of its own in any latents, so that trajectories stay as large as real ones.
Two of diffusers' classes want packages that nothing else here needs; what they take of them is stood in for.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
import math
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any
from unittest import mock

import diffusers
import numpy as np
import torch

from trainer.contract.samplers import OWN_TIMESTEPS
from trainer.generation.samplers import NoiseSchedule, advance, begin, denoised, make_plan

SHAPE = (4, 8, 8)
STEPS = (1, 2, 5, 20, 50)
BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "LMS": ("LMSDiscreteScheduler", {}),
    "DPM2": ("KDPM2DiscreteScheduler", {}),
    "DPM2 a": ("KDPM2AncestralDiscreteScheduler", {}),
    "DPM++ 2S": ("DPMSolverSinglestepScheduler", {"lower_order_final": True}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 3M SDE": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}),
    "DPM++ SDE": ("DPMSolverSDEScheduler", {}),
    "DDIM": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "DDPM": ("DDPMScheduler", {"clip_sample": False}),
    "PLMS": ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False}),
    "UniPC": ("UniPCMultistepScheduler", {}),
    "LCM": ("LCMScheduler", {}),
}
SPREADS = {"Karras": "use_karras_sigmas", "Exponential": "use_exponential_sigmas"}
# their classes take no rescale_betas_zero_snr
WITHOUT_ZERO_SNR = {"Heun", "LMS", "DPM2", "DPM2 a", "DPM++ 2S", "DPM++ SDE", "PLMS"}

SOLVERS = {"DPM++ 2S", "DPM++ 2M", "DPM++ 2M SDE", "DPM++ 3M SDE", "UniPC", "LCM"}  # begin at the noise in any case
ILL_CONDITIONED = {"Heun", "DPM2 a"}  # at two steps
BLIND_AT_FIRST = {"Heun", "DPM2", "DPM2 a"}  # with zero terminal SNR ours begin otherwise, for theirs draw nonsense


@dataclass(frozen=True)
class Case:
    """What is compared."""

    sampler: str
    scheduler: str = "Uniform"
    prediction_type: str = "epsilon"
    spacing: str = "linspace"
    zero_snr: bool = False
    steps: int = 20

    @property
    def config(self) -> dict[str, Any]:
        """As a base's scheduler config has it."""
        return {
            **BETAS,
            "prediction_type": self.prediction_type,
            "timestep_spacing": self.spacing,
            "steps_offset": 1,
            "rescale_betas_zero_snr": self.zero_snr,
            "set_alpha_to_one": False,
            "clip_sample": False,
        }

    @property
    def schedule(self) -> NoiseSchedule:
        """Ours, spaced for every sampler as diffusers would."""
        return replace(NoiseSchedule.from_config(self.config), sigma_spacing=self.spacing)  # type: ignore[arg-type]


def compare(case: Case) -> float:
    """The greatest absolute difference of what the model is given at any call, and of what comes out at last.

    Raises AssertionError when both do not make the same calls.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # they make tensors arrays as numpy 1 would have it
        theirs = make_reference(case)
    model = make_model(case)
    plan = make_plan(case.schedule, case.sampler, case.scheduler, case.steps)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    state, own = begin(plan, noise), torch.Generator().manual_seed(2)
    sample = noise[None].double() * theirs.init_noise_sigma
    given = share_noise(theirs, torch.Generator().manual_seed(2))
    assert len(theirs.timesteps) == len(plan.calls)
    error = 0.0
    for call, timestep in zip(plan.calls, theirs.timesteps, strict=True):
        latents = theirs.scale_model_input(sample, timestep)
        error = max(error, float((state.x - latents[0]).abs().max()))
        assert abs(call.timestep - float(timestep)) < 1e-2, f"timestep {call.timestep}, not {float(timestep)}"
        with in_double(theirs):
            sample = theirs.step(model(latents, float(timestep)), timestep, sample, **given).prev_sample
        pictures = denoised(state.x[None], model(state.x[None], call.timestep), [call])
        (state,) = advance([state], [call], pictures, [own])
    return max(error, float((state.x - sample[0]).abs().max()))


@contextlib.contextmanager
def in_double(scheduler: Any) -> Iterator[None]:
    """Let diffusers' own code compute in float64, where it would cast to float32, with noise drawn in float32.

    Where σ/α falls far in one step (two steps, zero terminal SNR) its own rounding would exceed the bound.
    """
    module = sys.modules[type(scheduler).__module__]
    changes: dict[str, Any] = {
        name: types.SimpleNamespace(**{**vars(library), "float32": library.float64})
        for name, library in (("torch", torch), ("np", np))
        if hasattr(module, name)
    }
    if hasattr(module, "randn_tensor"):
        changes["randn_tensor"] = lambda shape, generator, **_: torch.randn(shape, generator=generator).double()
    with mock.patch.multiple(module, **changes):
        yield


def make_model(case: Case) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """A model that answers as if x₀ were a smooth function of the latents and the timestep, in the case's terms."""
    kernel = torch.randn((4, 4, 3, 3), generator=torch.Generator().manual_seed(3)).double() / 6
    ratios = case.schedule.ratios

    def model(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        ratio = float(np.interp(timestep, np.arange(len(ratios)), ratios))
        alpha = 1 / math.sqrt(ratio * ratio + 1)
        picture = torch.tanh(
            torch.nn.functional.conv2d(latents, kernel.to(latents.dtype), padding=1) + math.sin(timestep / 100)
        )
        if case.prediction_type == "epsilon":
            return (latents - alpha * picture) / (ratio * alpha)
        return (alpha * latents - picture) / (ratio * alpha)

    return model


def make_reference(case: Case) -> Any:
    """diffusers' scheduler of the same name, its timesteps set."""
    name, options = CLASSES[case.sampler]
    config = {**case.config, **options}
    if case.zero_snr and case.sampler in WITHOUT_ZERO_SNR:
        config["trained_betas"] = nearly_zero_snr_betas()
    ancestral = case.scheduler in SPREADS and case.sampler == "Euler a"
    if case.scheduler in SPREADS and not ancestral:
        config[SPREADS[case.scheduler]] = True
    scheduler = set_steps(construct(name, **config), case.steps)
    if ancestral:  # its class has no such schedulers; those of Euler's are put in
        euler = construct("EulerDiscreteScheduler", **config, **{SPREADS[case.scheduler]: True})
        set_steps(euler, case.steps)
        scheduler.sigmas, scheduler.timesteps = euler.sigmas, euler.timesteps
    if case.scheduler == "Exponential" and not scheduler.timesteps.is_floating_point():
        scheduler.timesteps[0] = 999  # which a rounding error in its logarithm makes 998.9999, and that is cut to 998
    return scheduler


def construct(name: str, **config: Any) -> Any:
    """A scheduler of its own, of those settings that its class has."""
    return copy.deepcopy(construct_once(name, **config))


@cache
def construct_once(name: str, **config: Any) -> Any:
    """Some classes take half a second to construct."""
    made = find_class(name)
    known = inspect.signature(made.__init__).parameters
    return made(**{key: value for key, value in config.items() if key in known})


def set_steps(scheduler: Any, steps: int) -> Any:
    """The scheduler with its tables in float64."""
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    with in_double(scheduler):
        scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):  # two steps may round to the same timestep
        scheduler.set_begin_index(0)
    return scheduler


def find_class(name: str) -> Any:
    """A scheduler's class, also where diffusers hides it because a package is not there."""
    module: Any
    if name == "DPMSolverSDEScheduler":
        with mock.patch.dict(sys.modules, {"torchsde": types.ModuleType("torchsde")}):
            module = importlib.import_module("diffusers.schedulers.scheduling_dpmsolver_sde")
        sys.modules[module.__name__] = module  # which the patch takes out again
        return module.DPMSolverSDEScheduler
    if name == "LMSDiscreteScheduler":
        module = importlib.import_module("diffusers.schedulers.scheduling_lms_discrete")
        module.integrate = types.SimpleNamespace(quad=integrate)
        return module.LMSDiscreteScheduler
    return getattr(diffusers, name)


def share_noise(scheduler: Any, generator: torch.Generator) -> dict[str, Any]:
    """Let the scheduler draw from ``generator``; what its step has to be given for it."""
    if type(scheduler).__name__ != "DPMSolverSDEScheduler":
        drawing = "generator" in inspect.signature(scheduler.step).parameters
        return {"generator": generator} if drawing else {}
    scheduler.noise_sampler = BrownianPath(generator)
    return {}


class BrownianPath:
    """Noise of one Brownian path over σ/α, drawn as it is asked for: first down to the midpoint, then all the way."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.start: float | None = None
        self.increment = torch.zeros(1, *SHAPE)
        self.covered = 0.0

    def __call__(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        fresh = torch.randn((1, *SHAPE), generator=self.generator)
        if self.start is None or abs(self.start - float(start)) > 1e-6 * self.start:
            self.start, self.increment, self.covered = float(start), torch.zeros(1, *SHAPE), 0.0
        length = float(start) - float(end)
        self.increment = self.increment + fresh * math.sqrt(length - self.covered)
        self.covered = length
        return self.increment / math.sqrt(length)


def nearly_zero_snr_betas() -> tuple[float, ...]:
    """Betas whose last ᾱ is 2⁻²⁴, for the classes that do not put that in the place of 0 themselves."""
    scheduler = diffusers.DDIMScheduler(**BETAS, rescale_betas_zero_snr=True)
    betas = scheduler.betas.double()
    betas[-1] = 1 - 2.0**-24 / float(scheduler.alphas_cumprod[-2])
    return tuple(float(beta) for beta in betas)


def integrate(function: Callable[[float], Any], start: Any, end: Any, epsrel: float) -> tuple[float, float]:
    """∫ of a polynomial of a low degree, by 20 Gauss nodes, which is exact."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half, middle = (float(end) - float(start)) / 2, (float(end) + float(start)) / 2
    return half * sum(w * float(function(half * n + middle)) for n, w in zip(nodes, weights, strict=True)), 0.0


def cases() -> Iterator[Case]:
    """Every sampler, scheduler, prediction and number of steps that diffusers can be compared at.

    Left out: one step of those that diffusers would begin where nearly nothing is to do (ours begins at the noise), and
    two steps of Heun and DPM2 a. Those reach from one end to the other, where their formula multiplies the rounding of
    the model's own output some hundred times.
    """
    for sampler, steps in product(CLASSES, STEPS):
        own = sampler in OWN_TIMESTEPS
        kinds = [
            ("epsilon", "leading" if own else "linspace", False),
            ("v_prediction", "leading", False),
            ("v_prediction", "trailing", sampler not in BLIND_AT_FIRST),
        ]
        for (prediction, spacing, zero_snr), scheduler in product(kinds, ("Uniform", *({} if own else SPREADS))):
            whole = spacing == "trailing" or sampler in SOLVERS
            if (steps == 1 and not whole) or (steps == 2 and sampler in ILL_CONDITIONED):
                continue
            yield Case(sampler, scheduler, prediction, spacing, zero_snr, steps)


def sampler_max_error() -> float:
    """The figure: the greatest difference over all cases."""
    return max(compare(case) for case in cases())
