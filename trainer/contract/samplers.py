"""Samplers and schedulers by AUTOMATIC1111's names, and by what diffusers, ComfyUI and InvokeAI call them. Pure.

The trainer has the maths in ``trainer/generation/samplers``; the bot needs no more than the names.
"""

from __future__ import annotations

import difflib
import re

AUTOMATIC = "Automatic"
DEFAULT_SAMPLER = "DDIM"

# name -> what else it is called; case, spaces, dashes and underscores do not count, and ++ is pp
SAMPLERS: dict[str, tuple[str, ...]] = {
    "Euler": ("k_euler", "EulerDiscreteScheduler"),
    "Euler a": ("k_euler_a", "euler_ancestral", "k_euler_ancestral", "EulerAncestralDiscreteScheduler"),
    "Heun": ("k_heun", "HeunDiscreteScheduler"),
    "LMS": ("k_lms", "LMSDiscreteScheduler"),
    "DPM2": ("dpm_2", "k_dpm_2", "kdpm_2", "KDPM2DiscreteScheduler"),
    "DPM2 a": (
        "dpm_2_ancestral", "k_dpm_2_a", "k_dpm_2_ancestral", "kdpm_2_a", "KDPM2AncestralDiscreteScheduler",
    ),
    "DPM++ 2S": ("dpmpp_2s", "DPMSolverSinglestepScheduler"),
    "DPM++ 2S a": ("dpmpp_2s_ancestral", "k_dpmpp_2s_a", "k_dpmpp_2s_ancestral"),
    "DPM++ 2M": ("dpmpp_2m", "k_dpmpp_2m", "DPMSolverMultistepScheduler"),
    "DPM++ 2M SDE": ("dpmpp_2m_sde", "k_dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
    "DPM++ 3M SDE": ("dpmpp_3m_sde", "k_dpmpp_3m_sde", "dpmpp_3m_sde_gpu"),
    "DPM++ SDE": ("dpmpp_sde", "k_dpmpp_sde", "dpmpp_sde_gpu", "DPMSolverSDEScheduler"),
    "DDIM": ("DDIMScheduler",),
    "DDPM": ("DDPMScheduler",),
    "PLMS": ("pndm", "PNDMScheduler"),
    "UniPC": ("uni_pc", "uni_pc_bh2", "UniPCMultistepScheduler"),
    "LCM": ("k_lcm", "LCMScheduler"),
}  # fmt: skip
SCHEDULERS: dict[str, tuple[str, ...]] = {
    AUTOMATIC: ("auto", "default"),
    "Uniform": ("normal",),
    "Karras": ("ka", "k"),
    "Exponential": ("exp",),
    "SGM Uniform": ("sgm",),
    "Simple": (),
}

# these bring timesteps of their own: a scheduler beside them is ignored, as A1111 ignores it
OWN_TIMESTEPS = frozenset({"DDIM", "DDPM", "PLMS", "LCM"})

# what A1111 (since 1.9) takes where nobody chose a scheduler; Uniform for the rest
AUTOMATIC_SCHEDULERS: dict[str, str] = {
    "DPM2": "Karras",
    "DPM2 a": "Karras",
    "DPM++ 2S a": "Karras",
    "DPM++ 2M": "Karras",
    "DPM++ SDE": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM++ 3M SDE": "Exponential",
}


def find_sampler(written: str, schedule_type: str = "") -> tuple[str, str]:
    """The sampler and the scheduler that somebody wrote, by the names above.

    ``DPM++ 2M Karras``, ``dpmpp_2m + karras`` and the sampler ``DPM++ 2M`` with A1111's "Schedule type" ``Karras`` are
    the same. A scheduler in the sampler's own name goes before ``schedule_type``; without either it is Automatic.
    Raises ValueError with one sentence that names what comes nearest.
    """
    scheduler = find_scheduler(schedule_type) if schedule_type.strip() else AUTOMATIC
    key = _key(written)
    sampler = _SAMPLERS.get(key)
    if sampler is None:
        for ending, named in _ENDINGS:
            stem = key.removesuffix(ending)
            if stem != key and stem in _SAMPLERS:
                sampler, scheduler = _SAMPLERS[stem], named
                break
    if sampler is None:
        raise ValueError(_unknown("sampler", written, [*SAMPLERS, *(f"{name} Karras" for name in _SCHEDULED)]))
    return sampler, AUTOMATIC if sampler in OWN_TIMESTEPS else scheduler


def find_scheduler(written: str) -> str:
    """The scheduler that somebody wrote. Raises ValueError with one sentence that names what comes nearest."""
    found = _SCHEDULERS.get(_key(written))
    if found is None:
        raise ValueError(_unknown("scheduler", written, list(SCHEDULERS)))
    return found


def name_sampler(sampler: str, scheduler: str) -> str:
    """Both as one name, such as ``DPM++ 2M Karras``; :func:`find_sampler` reads it back."""
    return sampler if scheduler == AUTOMATIC else f"{sampler} {scheduler}"


def suggest_samplers(typed: str, limit: int = 25) -> list[str]:
    """Names for an autocompletion: those that contain what was typed, those that begin with it first."""
    names = [*SAMPLERS, *(f"{name} {kind}" for kind in SCHEDULERS if kind != AUTOMATIC for name in _SCHEDULED)]
    key = _key(typed)
    found = [name for name in names if key in _key(name)]
    return sorted(found, key=lambda name: not _key(name).startswith(key))[:limit]


def _key(written: str) -> str:
    return re.sub(r"[^a-z0-9]", "", written.lower().replace("++", "pp"))


def _unknown(kind: str, written: str, names: list[str]) -> str:
    keys = {_key(name): name for name in names}
    near = [keys[key] for key in difflib.get_close_matches(_key(written)[:60], keys, n=3, cutoff=0.5)]
    nearest = near or names[:3]
    shown = written.strip()[:60] or "nothing"
    return f"there is no {kind} called {shown}; the nearest are {', '.join(nearest)}"


_SCHEDULED = tuple(name for name in SAMPLERS if name not in OWN_TIMESTEPS)
_SAMPLERS = {_key(alias): name for name, aliases in SAMPLERS.items() for alias in (name, *aliases)}
_SCHEDULERS = {_key(alias): name for name, aliases in SCHEDULERS.items() for alias in (name, *aliases)}
_ENDINGS = sorted(_SCHEDULERS.items(), key=lambda pair: -len(pair[0]))  # "sgmuniform" before "uniform"
