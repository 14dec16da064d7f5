"""What a prompt may be refused for, and its limits."""

from __future__ import annotations

MAX_PROMPT = 2_000  # characters; a Discord message holds no more, so every prompt can be given back
MAX_WEIGHT = 5.0
MAX_NETWORKS = 8
MAX_EMPHASIS = 100.0  # beyond it pictures are noise, and from 1e38 on no numbers at all


class PromptError(ValueError):
    """A prompt that can't be used; its text names the value and the way out."""


def check_length(prompt: str) -> None:
    """Raises PromptError: an empty prompt, or one that is longer than MAX_PROMPT."""
    if not prompt.strip():
        raise PromptError("the prompt is empty; say what to draw, for example: a fox in a suit")
    if len(prompt) > MAX_PROMPT:
        raise PromptError(f"the prompt has {len(prompt):,} characters; at most {MAX_PROMPT:,}, so shorten it")


def short(text: str, longest: int = 40) -> str:
    """What a message of one sentence has room for."""
    flat = " ".join(text.split()).replace("`", "'")
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
