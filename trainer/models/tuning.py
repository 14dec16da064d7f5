"""In which order a base's numbers lie in memory: measured on this device, once for each base.

Convolutions are faster in ``channels_last`` on some devices and for some widths, and slower on others. torch's scaled
dot-product attention is diffusers' own default, and precision follows the device (:func:`load_base`). torch.compile is
left out: adapters change between two calls, and each change would compile anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
import torch

from trainer.models.loading import Base
from trainer.models.text import Conditioning

MemoryFormat = Literal["contiguous", "channels_last"]
FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
REPEATS = 3


class Tuning(msgspec.Struct, frozen=True):
    """What was chosen, and the seconds that one call of the UNet took in each way."""

    memory_format: MemoryFormat
    seconds: dict[MemoryFormat, float]

    @property
    def gain(self) -> float:
        """How many times as fast as the slowest way."""
        return max(self.seconds.values()) / self.seconds[self.memory_format]

    @property
    def words(self) -> str:
        """For the operator."""
        return f"{self.memory_format}, {self.gain:.2f} times as fast as the other way"


Book = dict[str, Tuning]  # by device and base


class Tunings:
    """Those of one device; ``book`` is the file in which they are kept for the engine that is started next."""

    def __init__(self, device: str, book: Path | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._device, self._path, self._clock = device, book, clock
        self._known: Book = {}
        if book is not None:
            with suppress(OSError, msgspec.DecodeError):  # one that can't be read is as none
                self._known = msgspec.json.decode(book.read_bytes(), type=Book)

    def of(self, base_hash: str) -> Tuning | None:
        """What was measured of a base; None: nothing yet."""
        return self._known.get(self._key(base_hash))

    def tune(self, base: Base) -> Tuning:
        """Lay out the base's UNet as it is fastest; measured where that is not known yet."""
        key = self._key(base.spec.hash)
        if key not in self._known:
            seconds = {name: measure(base, name, self._clock) for name in FORMATS}
            self._known[key] = Tuning(min(seconds, key=seconds.__getitem__), seconds)
            self._write()
        chosen = self._known[key]
        base.unet.to(memory_format=FORMATS[chosen.memory_format])
        return chosen

    def _key(self, base_hash: str) -> str:
        return f"{self._device} {base_hash}"

    def _write(self) -> None:
        """A full disk costs a measurement at the next start, and no picture."""
        if self._path is not None:
            with suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_bytes(msgspec.json.encode(self._known))


@torch.no_grad()
def measure(base: Base, name: MemoryFormat, clock: Callable[[], float]) -> float:
    """Seconds of one call of the UNet for two rows of the base's size, the best of some after one to warm up."""
    base.unet.to(memory_format=FORMATS[name])
    scale, defaults = base.vae_scale_factor, base.spec.defaults
    latents = torch.randn(2, base.unet.config.in_channels, defaults.height // scale, defaults.width // scale)
    conditioning = _some_conditioning(base)
    best = float("inf")
    for repeat in range(REPEATS + 1):
        began = clock()
        base.predict(latents.to(base.device), torch.tensor(500, device=base.device), conditioning)
        if base.device.type == "cuda":
            torch.cuda.synchronize(base.device)
        took = clock() - began
        best = min(best, took) if repeat else best
    return best


def _some_conditioning(base: Base) -> Conditioning:
    width = int(base.unet.config.cross_attention_dim)
    length = base.towers[0].length
    embeddings = torch.randn(2, length, width).to(base.device)
    if not any(tower.pooled for tower in base.towers):
        return Conditioning(embeddings)
    ids, extra = (
        6 * int(base.unet.config.addition_time_embed_dim),
        base.unet.config.projection_class_embeddings_input_dim,
    )
    return Conditioning(embeddings, torch.randn(2, int(extra) - ids).to(base.device))
