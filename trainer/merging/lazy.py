"""A tensor that is read when it is worked on: renamed, turned and joined before anything of it is in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from trainer.merging.tensor_file import Shape, TensorFile


class LazyTensor:
    """What of a tensor :func:`trainer.adapters.checkpoint_files.original_layout` asks for, and ``read``."""

    def __init__(self, shape: Shape, dtype: torch.dtype, read: Callable[[], torch.Tensor]) -> None:
        self.shape, self.dtype, self.read = torch.Size(shape), dtype, read

    @classmethod
    def of(cls, source: torch.Tensor | LazyTensor) -> LazyTensor:
        """Either as one that is read."""
        if isinstance(source, LazyTensor):
            return source
        return cls(tuple(source.shape), source.dtype, lambda: source)

    @property
    def ndim(self) -> int:
        """How many sides it has."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def T(self) -> LazyTensor:
        """Turned about its diagonal."""
        return self._then(lambda tensor: tensor.T)

    def __getitem__(self, place: Any) -> LazyTensor:
        return self._then(lambda tensor: tensor[place])

    def _then(self, change: Callable[[torch.Tensor], torch.Tensor]) -> LazyTensor:
        shape = change(torch.empty(self.shape, device="meta")).shape
        return LazyTensor(tuple(shape), self.dtype, lambda: change(self.read()))

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is not torch.cat or kwargs:
            return NotImplemented
        [pieces] = args
        first = pieces[0]
        shape = (sum(len(piece) for piece in pieces), *first.shape[1:])
        return cls(shape, first.dtype, lambda: torch.cat([piece.read() for piece in pieces]))


def lazy_tensors(file: TensorFile) -> dict[str, LazyTensor]:
    """All tensors of a file."""
    return {
        name: LazyTensor(entry.shape, entry.dtype, lambda name=name: file.read(name))  # type: ignore[misc]
        for name, entry in file.entries.items()
    }
