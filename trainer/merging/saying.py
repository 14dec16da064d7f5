"""What a merge cost, in sentences for the card."""

from __future__ import annotations

from trainer.merging.pairs import Losses

_TOLD = 1e-3  # from which share on it is worth saying where


def say_losses(losses: Losses, rank: int, left_out: int = 0, why: str = "") -> list[str]:
    """How far the file is from what was asked for, ``why``, and what found no use."""
    share, layer = losses.worst
    worst = f", at most {say_share(share)} ({layer})" if layer and share >= _TOLD else ""
    said = [f"Rank {rank}; the effective weights are {say_share(losses.error)} off{worst}{why if worst else ''}."]
    if left_out:
        said.append(f"{left_out} keys of the files are of no use and left out.")
    return said


def say_share(share: float) -> str:
    """In per cent, with two digits that mean something."""
    if share < 1e-6:
        return "less than 0.0001 %"
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
