"""Composition: ``a cat AND a dog :0.7`` is drawn by several prompts at once, each with a weight.

Composable diffusion: Liu et al., "Compositional Visual Generation with Composable Diffusion Models" (2022), equation
11, as A1111's ``get_multicond_prompt_list`` writes it: denoised = uncond + Σ weight · guidance · (cond − uncond).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainer.contract.prompt.errors import MAX_EMPHASIS, PromptError, short

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*:\s*(?P<weight>[-+]?(?:\d+\.?|\d*\.\d+))$")


@dataclass(frozen=True)
class Subprompt:
    """One of the prompts that a picture is composed of; it may be edited by steps."""

    text: str
    weight: float = 1.0


def compose(text: str) -> tuple[Subprompt, ...]:
    """A text without tags by its ``AND``. Raises :class:`PromptError`: a weight of more than MAX_EMPHASIS.

    A number behind a colon at a part's end is its weight, in a prompt without AND, too: ``at 10:30`` is ``at 10``
    thirty times. A1111 reads negative prompts as they are, without this.
    """
    return tuple(_read_part(part) for part in _AND.split(text))


def _read_part(part: str) -> Subprompt:
    part = part.rstrip()
    match = _WEIGHT.search(part)
    if match is None:
        return Subprompt(part)
    weight = float(match["weight"])
    if not abs(weight) <= MAX_EMPHASIS:
        raise PromptError(
            f"`{short(part)}` has the weight {weight:,.4g}; at most {MAX_EMPHASIS:g}, for example"
            f" `{short(part[: match.start()])} :0.7`"
        )
    return Subprompt(part[: match.start()], weight)
