"""A whole file's tensors as pairs at scale 1, one a layer, and the keys that nothing became of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from trainer.adapters.layouts.factors import PAIRS, Pair
from trainer.adapters.layouts.scales import PeftScales
from trainer.contract.adapter_keys import other_algorithm
from trainer.contract.adapter_places import Place, find_places
from trainer.contract.adapter_shapes import Misshapen, check_layer
from trainer.errors import BadAdapterFile

DOWN, UP, MAGNITUDE = "lora_A.weight", "lora_B.weight", "lora_magnitude_vector"
MAX_TOTAL = 2**30  # numbers in all pairs together: 4 GB in float32
_THREE_BY_THREE = ("conv1", "conv2", "samplers.0.conv", "conv_in", "conv_out")


@dataclass(frozen=True)
class Plan:
    """What a header promises: the place of every key that can be used."""

    places: Mapping[str, Place]

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Plan:
        """Raises :class:`BadAdapterFile` for a kind of adapter that no pairs can hold."""
        for key in shapes:
            if kind := other_algorithm(key):
                raise BadAdapterFile(
                    f"an adapter of the kind {kind}, whose change depends on the weights it was trained on; ask its "
                    "maker for a LoRA, or merge it into its base model and extract one with kohya's tools"
                )
        places = find_places(shapes)
        # biases and norms: no pair of matrices moves them
        return cls({key: place for key, place in places.items() if place.algorithm != "Norm" and not (
            place.role == "diff" and len(shapes[key]) == 1)})  # fmt: skip

    def read(self, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> dict[str, torch.Tensor]:
        """The weights as :mod:`trainer.adapters.lora_files` names them. Raises :class:`BadAdapterFile`."""
        layers: dict[tuple[str, str], dict[str, torch.Tensor]] = defaultdict(dict)
        algorithms: dict[tuple[str, str], set[str]] = defaultdict(set)
        for key, place in self.places.items():
            layer = place.part, place.module
            algorithms[layer] |= {place.algorithm} - {""}
            if place.role in layers[layer] or len(algorithms[layer]) > 1:
                raise BadAdapterFile(f"the module {place.part}.{place.module[:80]} is given twice")
            layers[layer][place.role] = tensors[key]
        scales = PeftScales(metadata)
        weights: dict[str, torch.Tensor] = {}
        total = 0
        for (part, module), found in layers.items():
            algorithm = next(iter(algorithms[part, module]), "LoRA")
            with _naming(f"{part}.{module}"):
                check_layer(algorithm, {role: tuple(tensor.shape) for role, tensor in found.items()})
                weights |= _normalise(part, module, found, PAIRS[algorithm], scales)
            total += sum(weights[f"{part}.{module}.{kind}"].numel() for kind in (DOWN, UP))
            if total > MAX_TOTAL:
                raise BadAdapterFile("its layers need more than 4 GB as pairs; ask its maker for one of a lower rank")
        return weights


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """What is wrong within gets the module's name in front."""
    try:
        yield
    except (BadAdapterFile, Misshapen) as error:
        raise BadAdapterFile(f"the module {name[:80]} {error}") from error


def _normalise(
    part: str,
    module: str,
    found: Mapping[str, torch.Tensor],
    make: Callable[[Mapping[str, torch.Tensor]], tuple[Pair, int]],
    scales: PeftScales,
) -> dict[str, torch.Tensor]:
    """One layer's tensors as the house names them, its scale folded into B."""
    (down, up), rank = make(found)
    down, up = _shape(module, down, up)
    alpha = _number(found, "alpha")
    scale = scales.scale(part, module, rank) if alpha is None else alpha / rank if rank else 1.0
    scalar = _number(found, "scalar")
    up = up * (scale * (1.0 if scalar is None else scalar))
    if not (torch.isfinite(up).all() and torch.isfinite(down).all()):
        raise BadAdapterFile(f"with its scale of {scale:g} holds what is not finite")
    name = f"{part}.{module}"
    result = {f"{name}.{DOWN}": down, f"{name}.{UP}": up}
    magnitude = found.get("magnitude", found.get("dora_scale"))
    if magnitude is not None:
        # as peft shapes them
        result[f"{name}.{MAGNITUDE}"] = magnitude.reshape(1, -1, 1, 1) if down.ndim == 4 else magnitude.reshape(-1)
    return result


def _shape(module: str, down: torch.Tensor, up: torch.Tensor) -> Pair:
    """A and B of a convolution with four sides; LyCORIS writes some with two, their kernel rolled out."""
    if down.ndim == 2 and module.endswith(_THREE_BY_THREE):
        if down.shape[1] % 9:
            raise BadAdapterFile(f"is a convolution of 3 × 3, and changes {down.shape[1]:,} inputs")
        down = down.reshape(len(down), -1, 3, 3)
    if down.ndim == 2 and module.endswith("conv_shortcut"):
        down = down[:, :, None, None]
    return down, up[:, :, None, None] if down.ndim == 4 else up


def _number(found: Mapping[str, torch.Tensor], role: str) -> float | None:
    return float(found[role].item()) if role in found else None
