"""An adapter's file in any layout, read layer by layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch

from trainer.adapters.embedding_files import Embedding, unbundle
from trainer.adapters.layouts.reading import DOWN, MAGNITUDE, UP, Plan
from trainer.contract.adapter_marks import split_bundled
from trainer.errors import BadAdapterFile, UserFault
from trainer.merging.pairs import Pair
from trainer.merging.plans import AdapterFile
from trainer.merging.tensor_file import TensorFile

Layer = tuple[str, str]  # part and module: ("unet", "mid_block.attentions.0.proj_in")


class AdapterSource:
    """A LoRA, or what LyCORIS adds to them, as pairs at scale 1; DoRA's magnitudes apart."""

    def __init__(self, adapter: AdapterFile, file: TensorFile) -> None:
        """Raises :class:`BadAdapterFile`."""
        self.adapter, self._file = adapter, file
        plan = Plan.of({key: entry.shape for key, entry in file.entries.items()})
        by_layer: dict[Layer, list[str]] = defaultdict(list)
        for key, place in plan.places.items():
            by_layer[place.part, place.module].append(key)
        self._plans = {layer: Plan({key: plan.places[key] for key in keys}) for layer, keys in by_layer.items()}
        bundled = [key for key in file.entries if split_bundled(key)]
        self.left_out = tuple(key for key in file.entries if key not in plan.places and key not in bundled)
        self.keys_used = len(file.entries) - len(self.left_out)
        if not self._plans:
            raise BadAdapterFile("it is no LoRA")
        self.embeddings: tuple[Embedding, ...] = unbundle({key: self._read(key) for key in bundled})
        self.magnitudes = {
            (place.part, place.module) for place in plan.places.values() if place.role in ("magnitude", "dora_scale")
        }

    @property
    def layers(self) -> Collection[Layer]:
        """In the order of the file."""
        return self._plans

    @property
    def metadata(self) -> dict[str, str]:
        """Of the file's header."""
        return self._file.metadata

    def read(self, layer: Layer) -> dict[str, torch.Tensor]:
        """The layer's tensors by their ends, :data:`DOWN`, :data:`UP` and perhaps :data:`MAGNITUDE`, in float32."""
        plan = self._plans[layer]
        found = plan.read({key: self._read(key) for key in plan.places}, self._file.metadata)
        return {end: tensor for end in (DOWN, UP, MAGNITUDE) for key, tensor in found.items() if key.endswith(end)}

    def _read(self, key: str) -> torch.Tensor:
        tensor = self._file.read(key).float()
        if not torch.isfinite(tensor).all():
            raise BadAdapterFile(f"the tensor {key[:80]!r} holds a value that is not finite")
        return tensor

    def read_named(self, layer: Layer) -> dict[str, torch.Tensor]:
        """The same. Raises :class:`UserFault` that names the adapter."""
        try:
            return self.read(layer)
        except BadAdapterFile as error:
            raise UserFault(f"{self.adapter.name} can't be used: {error}; take another file of it") from error

    def pair(self, layer: Layer) -> Pair | None:
        """The layer's change; None where the adapter does not change it. Raises :class:`UserFault`."""
        if layer not in self._plans:
            return None
        found = self.read_named(layer)
        return Pair(found[DOWN], found[UP])


@contextmanager
def open_adapters(adapters: Iterable[AdapterFile]) -> Iterator[list[AdapterSource]]:
    """All of them, closed behind it. Raises :class:`UserFault` that names the one that can't be read."""
    with ExitStack() as held:
        sources = []
        for adapter in adapters:
            try:
                sources.append(AdapterSource(adapter, held.enter_context(TensorFile(adapter.path))))
            except (BadAdapterFile, OSError) as error:
                raise UserFault(f"{adapter.name} can't be used: {str(error)[:300]}; take another adapter") from error
        yield sources
