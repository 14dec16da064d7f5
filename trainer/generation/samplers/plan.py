"""What a sampler is here: a plan, made once, of calls of the model and of what is done with each answer.

All latents are *variance preserving*: x = α·x₀ + σ·ε with α² + σ² = 1, the form the UNet takes. Papers and programs
that count in k-diffusion's form, x₀ + (σ/α)·ε (Karras 2022), differ by the factor α alone. So every sampler has the
same latents, nothing has to be scaled before the UNet, and they stay near 1 where σ/α goes to infinity.
"""

from __future__ import annotations

from dataclasses import dataclass

MEMORY = 3  # earlier entries that a sample keeps; PLMS and LMS of order 4 need no more


@dataclass(frozen=True)
class Weights:
    """A linear combination over what a sample has at a call: one number for each, 0 for what does not matter.

    ``x``: the latents at this call; ``saved``: the latents put by; ``denoised``: the picture that the model now sees in
    them; ``memory``: earlier entries, the newest first; ``noise``: fresh noise of variance 1.
    """

    x: float = 0.0
    saved: float = 0.0
    denoised: float = 0.0
    memory: tuple[float, ...] = ()
    noise: float = 0.0

    @property
    def row(self) -> tuple[float, ...]:
        """x, saved, denoised, memory (MEMORY of them), noise."""
        padded = self.memory + (0.0,) * (MEMORY - len(self.memory))
        return (self.x, self.saved, self.denoised, *padded, self.noise)


DENOISED = Weights(denoised=1.0)
LATENTS = Weights(x=1.0)


@dataclass(frozen=True)
class Call:
    """One evaluation of the model, and what follows from it.

    The model gets the latents as they are, and ``timestep``. ``denoised = c_x·x + c_out·model_output``. Then the next
    latents are the combination ``x``; ``saved`` and ``kept``, where they are there, say what is put by and what enters
    the memory. ``alpha`` and ``sigma`` are those of the latents that the call is given. ``step`` counts the steps that
    the plan takes, from 0; some samplers make two calls a step.
    """

    step: int
    timestep: float
    alpha: float
    sigma: float
    c_x: float
    c_out: float
    x: Weights
    saved: Weights | None = None
    kept: Weights | None = None


@dataclass(frozen=True)
class Plan:
    """All calls of one picture. ``init_noise_sigma``: what noise of variance 1 is multiplied with to begin with.

    ``steps`` is how many the plan takes: fewer than were asked for when it begins in the middle.
    """

    calls: tuple[Call, ...]
    init_noise_sigma: float
    steps: int

    @property
    def looks_ahead(self) -> bool:
        """Whether most steps take two calls: A1111 reads prompts that change over such samplers call by call."""
        return len(self.calls) > 1.4 * self.steps


def noise_to(plan: Plan, index: int = 0) -> tuple[float, float]:
    """(α, σ) with which a clean latent becomes what call ``index`` takes: x = α·latent + σ·noise.

    At ``len(plan.calls)`` nothing is left to do, and the latent stays clean.
    """
    if index == len(plan.calls):
        return 1.0, 0.0
    return plan.calls[index].alpha, plan.calls[index].sigma


def first_step(steps: int, strength: float) -> int:
    """The step at which img2img begins, of ``steps``, with ``strength`` in 0…1, as A1111 counts.

    A1111 takes t_enc = int(min(strength, 0.999)·steps) and then the last t_enc + 1 of the steps, so that one is always
    taken; strength 1 takes all. diffusers takes int(strength·steps), one fewer.
    A1111's DDIM, PLMS and UniPC take t_enc steps; here all samplers take as many.
    """
    return max(steps - int(min(strength, 0.999) * steps) - 1, 0)
