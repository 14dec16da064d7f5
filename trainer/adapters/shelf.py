"""The adapters that were used lately, read and fitted to one base: the next picture with one of them finds it here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from trainer.adapters.embedding_files import Embedding
from trainer.adapters.slots import PartDelta, SlotBank
from trainer.adapters.uses import ReadAdapter
from trainer.errors import BadAdapterFile


@dataclass(frozen=True, eq=False)
class FittedAdapter:
    """What an adapter does to a base: changes by part (unet, text_encoder …), and vectors for words."""

    parts: Mapping[str, PartDelta]
    embeddings: tuple[Embedding, ...] = ()
    digest: str = ""  # of its file, see :class:`trainer.adapters.uses.ReadAdapter`
    metadata: Mapping[str, str] = field(default_factory=dict)  # of its header

    @property
    def size_bytes(self) -> int:
        """In memory."""
        layers = sum(layer.size_bytes for part in self.parts.values() for layer in part.layers.values())
        return layers + sum(each.nbytes for words in self.embeddings for each in words.vectors.values())


class Shelf:
    """Adapters by a key that names what they hold; those used longest ago leave first."""

    def __init__(self, banks: Mapping[str, SlotBank], limit_bytes: int) -> None:
        """``banks`` by part. What does not fit into ``limit_bytes`` is read at each use."""
        self._banks, self._limit_bytes = banks, limit_bytes
        self._adapters: OrderedDict[str, FittedAdapter] = OrderedDict()
        self.size_bytes = 0

    def __contains__(self, key: str) -> bool:
        return key in self._adapters

    def take(self, key: str, read: Callable[[], ReadAdapter]) -> FittedAdapter:
        """The adapter, from here or by ``read``.

        Raises :class:`BadAdapterFile`, what ``read`` raises among them.
        """
        if key in self._adapters:
            self._adapters.move_to_end(key)
            return self._adapters[key]
        fitted = self._fit(read())
        self._adapters[key] = fitted
        self.size_bytes += fitted.size_bytes
        while self.size_bytes > self._limit_bytes:
            _, gone = self._adapters.popitem(last=False)
            self.size_bytes -= gone.size_bytes
        return fitted

    def _fit(self, adapter: ReadAdapter) -> FittedAdapter:
        by_part: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in adapter.tensors.items():
            part, _, name = key.partition(".")
            if part not in self._banks:
                raise BadAdapterFile(f"the adapter does not fit this base model: it has no {part[:40]}")
            by_part.setdefault(part, {})[name] = tensor
        parts = {part: self._banks[part].fit(found) for part, found in by_part.items()}
        return FittedAdapter(
            parts, tuple(self._place(each) for each in adapter.embeddings), adapter.digest, adapter.metadata
        )

    def _place(self, embedding: Embedding) -> Embedding:
        """On the base's device."""
        vectors = {part: rows.to(self._banks[part].device) for part, rows in embedding.vectors.items()}
        return Embedding(embedding.trigger, vectors)
