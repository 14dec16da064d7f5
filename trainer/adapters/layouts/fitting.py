"""An adapter's tensor in the shape that its layer has in this base."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def fit(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """A linear layer's as a 1 × 1 convolution's or the other way round, and as it is where it is so already.

    SD1's ``proj_in`` is a convolution and SD2's is not, and files have either for either. ``ValueError`` for one of
    other sides: nothing is ever repeated to fit.
    """
    if [side for side in tensor.shape if side != 1] != [side for side in shape if side != 1]:
        raise ValueError(f"it has {tuple(tensor.shape)} where this base has {tuple(shape)}")
    return tensor.reshape(tuple(shape))
