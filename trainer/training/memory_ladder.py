"""What is tried, in this order, when a step does not fit into the GPU's memory. Every rung gives the same gradient."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel


class MemoryLadder:
    """Where a training stands on it; it only ever goes down."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._unet = unet
        self._freed = False
        self.parts = 1  # into which a batch is split, one after the other through the graph
        self._checkpointing = False

    def step_down(self, batch: int) -> bool:
        """Go one rung down for a batch of so many samples; False at the bottom."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self._freed:
            self._freed = True
        elif self.parts < batch:
            self.parts = min(batch, self.parts * 2)
        elif not self._checkpointing:
            self._checkpointing = True
            self._unet.enable_gradient_checkpointing()
        else:
            return False
        return True

    def close(self) -> None:
        """Leave the UNet as it was found."""
        if self._checkpointing:
            self._unet.disable_gradient_checkpointing()
