"""Which block of the UNet a tensor is of, by the original names or by diffusers'."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from trainer.contract.ldm_names import UNetShape, unet_to_ldm
from trainer.contract.merge_blocks import check_sides, expand_blocks
from trainer.contract.merges import BlockWeights
from trainer.errors import UserFault
from trainer.merging.models import Model
from trainer.models.header import UNET

_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.|(middle)_block\.")
_FIRST = ("time_embed.", "label_emb.")  # they come before all blocks, and count as IN00
_LAST = "out."  # it comes behind all blocks, and counts as the last OUT


def multipliers(model: Model, weights: BlockWeights | None, multiplier: float) -> Callable[[str], float]:
    """The multiplier of each tensor by its name. Raises :class:`UserFault` for weights that fit no UNet of this kind.

    What is no block of the UNet (text encoders, VAE) has the base's: ``multiplier``, or the first of the weights where
    they are one more than there are blocks.
    """
    if weights is None:
        return lambda name: multiplier
    places = _places(model)
    sides = [len({place[1] for place in places.values() if place[0] == way}) for way in ("input", "output")]
    try:
        check_sides(sides)
        base, values = expand_blocks(weights, sum(sides) + 1)
    except ValueError as error:
        raise UserFault(f"{model.name}: {error}") from error
    offsets = {"input": 0, "middle": sides[0], "output": sides[0] + 1}
    ends = {"first": 0, "last": len(values) - 1}
    found = {name: values[ends[way] if way in ends else offsets[way] + index] for name, (way, index) in places.items()}
    rest = multiplier if base is None else base
    return lambda name: found.get(name, rest)


def _places(model: Model) -> dict[str, tuple[str, int]]:
    """Of each of the UNet's tensors: on which way it lies, and the how manieth block there."""
    places = {}
    for name, original in _original_names(model):
        if found := _BLOCK.match(original):
            places[name] = (found[1] or found[3], int(found[2] or 0))
        elif original.startswith(_FIRST):
            places[name] = ("first", 0)
        elif original.startswith(_LAST):
            places[name] = ("last", 0)
    return places


def _original_names(model: Model) -> Iterable[tuple[str, str]]:
    if model.family:
        return [(name, name.removeprefix(UNET)) for name in model.tensors if name.startswith(UNET)]
    own = {name: name.removeprefix("unet.") for name in model.tensors if name.startswith("unet.")}
    shape = UNetShape.of(own.values())
    modules = {name: unet_to_ldm(own[name].rpartition(".")[0], shape) for name in own}
    return [(name, f"{module}.") for name, module in modules.items() if module]
