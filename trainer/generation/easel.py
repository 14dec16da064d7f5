"""What it takes to draw with a base, and the adapters of one drawing upon it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from trainer.adapters.bank import AdapterBank
from trainer.adapters.shelf import FittedAdapter, Shelf
from trainer.adapters.slots import Mix, SlotBank
from trainer.adapters.uses import list_hashes
from trainer.contract.drawings import AdapterUse
from trainer.generation.distilled import Distillation, find_distillation
from trainer.generation.previews import Previewer
from trainer.generation.samplers import NoiseSchedule
from trainer.generation.script import PromptEncoder
from trainer.models.loading import Base
from trainer.models.text import Vectors
from trainer.models.vae_loading import Wardrobe

SHELF_BYTES = 2**30


class Easel:
    """A base with what it takes to draw with it: slots for adapters, those used lately, and what was encoded."""

    def __init__(
        self,
        base: Base,
        trainings: AdapterBank | None = None,
        shelf_bytes: int = SHELF_BYTES,
        wardrobe: Wardrobe | None = None,
        parts: Mapping[str, torch.nn.Module] | None = None,
    ) -> None:
        """``trainings``: the adapters that learn in the same base, and keep still while it is drawn.

        ``wardrobe``: the VAEs that may take the place of its own; ``parts``: those that get slots, all unless said.
        """
        self.base, self._trainings, self.wardrobe = base, trainings, wardrobe or Wardrobe(())
        self.banks = {part: SlotBank(module) for part, module in (base.modules if parts is None else parts).items()}
        self.shelf = Shelf(self.banks, shelf_bytes)
        text_banks = {part: bank for part, bank in self.banks.items() if part != "unet"}
        self.encoder = PromptEncoder(base, text_banks, self.silence_trainings)
        self.previewer = Previewer(base)
        self.noise = NoiseSchedule.from_config(base.scheduler_config)

    def silence_trainings(self) -> None:
        """From the next forward on none of them acts; a training lets its own act again at its next step."""
        if self._trainings is not None:
            self._trainings.activate({})

    def activate(self, mixes: Sequence[Mix]) -> None:
        """At the UNet's next forward sample i of the batch uses ``mixes[i]``; none: the base is alone."""
        self.silence_trainings()
        self.slots.activate(mixes)

    def release(self) -> None:
        """From the next forward on no slot acts."""
        self.slots.activate([])

    @property
    def slots(self) -> SlotBank:
        """Of the UNet."""
        return self.banks["unet"]


@dataclass(frozen=True)
class Company:
    """The adapters of one drawing, fitted."""

    uses: tuple[tuple[AdapterUse, FittedAdapter], ...]
    others: Mapping[str, Vectors] = field(default_factory=dict)  # vectors of no file, by the word they stand for

    def mix(self, part: str) -> Mix:
        """Those that act in a part, with their weights there."""
        return tuple(
            (fitted.parts[part], use.weight if part == "unet" or use.te_weight is None else use.te_weight)
            for use, fitted in self.uses
            if part in fitted.parts
        )

    def inversions(self) -> dict[str, Vectors]:
        """Vectors by the word that they stand for; of two the first one named."""
        found: dict[str, Vectors] = dict(self.others)
        for _, fitted in self.uses:
            for embedding in fitted.embeddings:
                found.setdefault(embedding.trigger, embedding.vectors)
        return found

    def hashes(self) -> dict[str, str]:
        """Those of their files, for the settings."""
        return list_hashes((use, fitted.digest) for use, fitted in self.uses)

    def distillations(self) -> list[Distillation | None]:
        """What those that make the base draw in a few steps need."""
        return [find_distillation(use.name, fitted.metadata) for use, fitted in self.uses if use.weight]
