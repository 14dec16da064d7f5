"""What is tried, in this order, when a step does not fit into the GPU's memory. Every rung gives the same gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel


class MemoryLadder:
    """Where a training stands on it; it only ever goes down."""

    def __init__(
        self, unet: UNet2DConditionModel, make_room: Callable[[], None], *, checkpointing: bool = False
    ) -> None:
        """``make_room`` lets go of models that nobody works with.

        ``checkpointing``: whether to begin with it, since an estimate says so (Chen et al. 2016).
        """
        self._unet, self._make_room = unet, make_room
        self._freed = False
        self.parts = 1  # into which a batch is split, one after the other through the graph
        self._checkpointing = False
        if checkpointing:
            self._start_checkpointing()

    def step_down(self, batch: int) -> bool:
        """Go one rung down for a batch of so many samples; False at the bottom."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self._freed:
            self._freed = True
            self._make_room()
        elif self.parts < batch:
            self.parts = min(batch, self.parts * 2)
        elif not self._checkpointing:
            self._start_checkpointing()
        else:
            return False
        return True

    def _start_checkpointing(self) -> None:
        self._checkpointing = True
        self._unet.enable_gradient_checkpointing()

    def close(self) -> None:
        """Leave the UNet as it was found."""
        if self._checkpointing:
            self._unet.disable_gradient_checkpointing()
