"""The noise that a base model was trained with, and single levels of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from diffusers import DDIMScheduler
from numpy.typing import NDArray

from trainer.generation.samplers.plan import Call, Weights

Spacing = Literal["linspace", "leading", "trailing"]
LEAST_ALPHA_CUMPROD = 2.0**-24  # diffusers' stand-in for ᾱ = 0, where the logarithm of σ/α is needed


@dataclass(frozen=True)
class Level:
    """How noisy latents are: x = α·x₀ + σ·ε, and the timestep at which the model knows this."""

    timestep: float
    alpha: float
    sigma: float

    @classmethod
    def of_ratio(cls, ratio: float, timestep: float) -> Level:
        """From σ/α, which k-diffusion calls sigma."""
        alpha = 1 / math.sqrt(ratio * ratio + 1)
        return cls(timestep, alpha, ratio * alpha)

    @property
    def ratio(self) -> float:
        """σ/α, k-diffusion's sigma; infinite where nothing of the picture is left."""
        return self.sigma / self.alpha if self.alpha else math.inf

    @property
    def half_log_snr(self) -> float:
        """λ = log(α/σ) of the DPM-Solver papers."""
        if not self.alpha:
            return -math.inf
        return math.log(self.alpha / self.sigma) if self.sigma else math.inf

    @property
    def blind(self) -> bool:
        """Whether nothing of the picture is left, or as good as nothing (zero terminal SNR)."""
        return self.alpha**2 < 2 * LEAST_ALPHA_CUMPROD


CLEAN = Level(0.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """ᾱ of every training timestep, (T,), in float64, and how the base wants timesteps to be spaced.

    ``timestep_spacing`` is for the samplers with timesteps of their own (DDIM, DDPM, PLMS), ``sigma_spacing`` for the
    rest. With zero terminal SNR (Lin et al. 2024, alg. 1) the last ᾱ is 0: DDIM, DDPM and LCM take it as it is, the
    others LEAST_ALPHA_CUMPROD in its place, as diffusers does; and so does every sampler for a model that predicts ε,
    which could not say at ᾱ = 0 what the picture is.
    """

    alphas_cumprod: NDArray[np.float64]
    prediction_type: str = "epsilon"
    timestep_spacing: Spacing = "leading"
    sigma_spacing: Spacing = "linspace"
    steps_offset: int = 0
    set_alpha_to_one: bool = True

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseSchedule:
        """From a base's scheduler config.

        Spacing "leading" is meant for DDIM: with it the sigmas would begin well below the noise that there is. A1111
        and k-diffusion space theirs over all of it, and so do we; "trailing" holds for all samplers.
        """
        scheduler = DDIMScheduler.from_config(config)
        written = scheduler.config
        return cls(
            scheduler.alphas_cumprod.double().numpy(),
            prediction_type=written.prediction_type,
            timestep_spacing=written.timestep_spacing,
            sigma_spacing="trailing" if written.timestep_spacing == "trailing" else "linspace",
            steps_offset=written.steps_offset,
            set_alpha_to_one=written.set_alpha_to_one,
        )

    @property
    def timesteps(self) -> int:
        """T, how many timesteps the model was trained with."""
        return len(self.alphas_cumprod)

    @property
    def zero_terminal_snr(self) -> bool:
        """Whether the last timestep is noise alone."""
        return bool(self.alphas_cumprod[-1] == 0)

    @cached_property
    def ratios(self) -> NDArray[np.float64]:
        """σ/α of every timestep, (T,), all finite."""
        alphas_cumprod = np.maximum(self.alphas_cumprod, LEAST_ALPHA_CUMPROD)
        return np.sqrt((1 - alphas_cumprod) / alphas_cumprod)

    def level(self, timestep: int) -> Level:
        """The level of a training timestep as it is; below 0 the last one that a step leads to."""
        if timestep < 0:
            return CLEAN if self.set_alpha_to_one else self.level(0)
        alpha_cumprod = float(self.alphas_cumprod[timestep])
        if self.prediction_type == "epsilon":
            alpha_cumprod = max(alpha_cumprod, LEAST_ALPHA_CUMPROD)
        return Level(float(timestep), math.sqrt(alpha_cumprod), math.sqrt(1 - alpha_cumprod))

    def at(self, ratio: float) -> Level:
        """The level of σ/α; the timestep in between two by the logarithm, as k-diffusion finds it."""
        return Level.of_ratio(ratio, float(np.interp(math.log(ratio), self._log_ratios, self._all_timesteps)))

    def between(self, timestep: float) -> Level:
        """The level of a timestep that may lie between two: σ/α in a straight line, as diffusers has it."""
        return Level.of_ratio(float(np.interp(timestep, self._all_timesteps, self.ratios)), timestep)

    def log_between(self, timestep: float) -> Level:
        """The same with the logarithm of σ/α in a straight line, as k-diffusion has it."""
        return Level.of_ratio(math.exp(float(np.interp(timestep, self._all_timesteps, self._log_ratios))), timestep)

    def call(
        self, step: int, level: Level, x: Weights, saved: Weights | None = None, kept: Weights | None = None
    ) -> Call:
        """A call at ``level``, with how this model's output becomes the picture.

        ε: x₀ = (x − σ·ε)/α (Ho et al. 2020, eq. 15); v = α·ε − σ·x₀, so x₀ = α·x − σ·v (Salimans & Ho 2022, app. D).
        """
        c_x, c_out = self.denoising(level)
        return Call(step, level.timestep, level.alpha, level.sigma, c_x, c_out, x, saved, kept)

    def denoising(self, level: Level) -> tuple[float, float]:
        """(c_x, c_out) of :class:`Call` at a level."""
        if self.prediction_type == "epsilon":
            return 1 / level.alpha, -level.sigma / level.alpha
        if self.prediction_type == "v_prediction":
            return level.alpha, -level.sigma
        return 0.0, 1.0  # "sample"

    @cached_property
    def _log_ratios(self) -> NDArray[np.float64]:
        return np.log(self.ratios)

    @cached_property
    def _all_timesteps(self) -> NDArray[np.float64]:
        return np.arange(self.timesteps, dtype=np.float64)
