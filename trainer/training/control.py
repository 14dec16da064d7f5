"""What a member may want of a training that runs; the loop looks at it between two steps. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.contract.names import Wish


@dataclass
class Control:
    """The one thing that changes while a training runs: ``wish`` is set from outside.

    ``pause``: the loop raises :class:`Pause` after the step it is at. ``finish``: it goes on as if that had been the
    last step, and makes the adapter from what was learned. ``step`` is how far the training was when that was wished:
    an attempt that begins anew, since its worker was lost, gets there first.
    """

    wish: Wish | None = None
    step: int = 0

    def ends_at(self, step: int) -> bool:
        """Whether the training is to end early after so many steps; without any there is nothing to keep."""
        return self.wish == "finish" and step >= max(1, self.step)


class Pause(Exception):
    """A training was paused after ``step`` of ``steps``; it goes on from the file ``checkpoint``."""

    def __init__(self, step: int, steps: int, checkpoint: Path) -> None:
        super().__init__(f"paused after step {step} of {steps}")
        self.step, self.steps, self.checkpoint = step, steps, checkpoint
