"""The adapters that are in a base: any number resident, the active ones chosen before every forward.

Training and generation share one frozen base. Nothing is fused; activating touches Python attributes alone, so a
picture that is made between two training steps leaves the training as it was, and the other way round.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer

from trainer.adapters.layers import forward_with_adapters
from trainer.adapters.layouts.fitting import fit
from trainer.errors import BadAdapterFile

A, B, MAGNITUDE = "lora_A.weight", "lora_B.weight", "lora_magnitude_vector"  # peft's names for a layer's tensors


class AdapterBank:
    """LoRAs and DoRAs in the parts of one base, by name. ``parts``: unet, text_encoder, text_encoder_2."""

    def __init__(self, parts: Mapping[str, torch.nn.Module]) -> None:
        self._parts = dict(parts)
        self._layers: dict[str, list[tuple[str, LoraLayer]]] = {part: [] for part in parts}
        self._scales: dict[str, float] = {}

    def add_trainable(
        self,
        name: str,
        part: str,
        *,
        rank: int,
        lora_alpha: float,
        target_modules: tuple[str, ...],
        seed: int,
        dora: bool = False,
    ) -> list[torch.nn.Parameter]:
        """Add a fresh LoRA to one part (A random, B zero: Hu et al. 2021, §4.1); its parameters, in float32.

        ``dora`` splits magnitude and direction (Liu et al. 2024, eq. 5).
        """
        config = LoraConfig(r=rank, lora_alpha=lora_alpha, target_modules=list(target_modules), use_dora=dora)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._inject(part, config, name)
        self._scales[name] = lora_alpha / rank
        self.activate({})
        parameters = [parameter for _, parameter in self._parameters(name, part)]
        for parameter in parameters:
            parameter.data = parameter.data.float()  # on a bfloat16 base small Adam steps would vanish
            parameter.requires_grad_(True)
        return parameters

    def add(self, name: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Add an adapter from a file's tensors, ``<part>.<module>.lora_A.weight`` …, of scale 1.

        Raises :class:`BadAdapterFile` when it does not fit this base; then nothing of it stays.
        """
        if name in self._scales:
            return
        try:
            for part in self._parts:
                own = {key.removeprefix(f"{part}."): t for key, t in tensors.items() if key.startswith(f"{part}.")}
                self._add_to(part, name, own)
            self._check_all_used(name, tensors)
        except (ValueError, RuntimeError, KeyError) as error:
            self._take_out(name)
            raise BadAdapterFile(f"the adapter does not fit this base model: {str(error)[:200]}") from error
        self._scales[name] = 1.0
        self.activate({})

    def _add_to(self, part: str, name: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Wrap the modules that the tensors name, each with its own rank, and fill them."""
        ranks = {key.removesuffix(f".{A}"): len(t) for key, t in tensors.items() if key.endswith(f".{A}")}
        if not ranks:
            return
        plain = {module for module in ranks if f"{module}.{MAGNITUDE}" not in tensors}
        for modules, dora in ((plain, False), (ranks.keys() - plain, True)):
            pattern = {f"^{module}$": ranks[module] for module in sorted(modules)}
            if modules:
                config = LoraConfig(
                    target_modules=sorted(modules), rank_pattern=pattern, alpha_pattern=pattern, use_dora=dora
                )
                self._inject(part, config, name)
        with torch.no_grad():
            for key, parameter in self._parameters(name, part):
                parameter.copy_(fit(tensors[key], parameter.shape))
                parameter.requires_grad_(False)

    def _check_all_used(self, name: str, tensors: Mapping[str, torch.Tensor]) -> None:
        unused = tensors.keys() - {key for key, _ in self._named(name)}
        if unused:
            raise KeyError(f"it has no layer {sorted(unused)[0][:120]!r}")

    def _inject(self, part: str, config: LoraConfig, name: str) -> None:
        inject_adapter_in_model(config, self._parts[part], adapter_name=name)
        if hasattr(self._parts[part], "peft_config"):
            del self._parts[part].peft_config  # the bank keeps the books itself
        self._collect(part)
        for _, layer in self._layers[part]:
            layer.forward = partial(forward_with_adapters, layer)
            if name in layer.lora_variant and not isinstance(layer.lora_variant[name], _WeighedVariant):
                layer.lora_variant[name] = _WeighedVariant(layer.lora_variant[name])

    def __contains__(self, name: str) -> bool:
        return name in self._scales

    def _collect(self, part: str) -> None:
        modules = self._parts[part].named_modules()
        self._layers[part] = [(name, module) for name, module in modules if isinstance(module, LoraLayer)]

    def _parameters(self, name: str, part: str) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """The tensors of one adapter in one part, by ``<module>.lora_A.weight`` …"""
        for module, layer in self._layers[part]:
            if name in layer.lora_A:
                yield f"{module}.{A}", layer.lora_A[name].weight
                yield f"{module}.{B}", layer.lora_B[name].weight
                if name in layer.lora_magnitude_vector:
                    yield f"{module}.{MAGNITUDE}", layer.lora_magnitude_vector[name].weight

    def _named(self, name: str) -> Iterator[tuple[str, torch.nn.Parameter]]:
        for part in self._parts:
            for key, parameter in self._parameters(name, part):
                yield f"{part}.{key}", parameter

    def activate(self, weights: Mapping[str, float]) -> None:
        """From the next forward on, exactly these adapters act, each with its weight."""
        names = list(weights)
        for layers in self._layers.values():
            for _, layer in layers:
                layer._disable_adapters = not names
                layer._active_adapter = names
                for name in names:
                    if name in layer.lora_variant:
                        layer.lora_variant[name].weight = weights[name]
                    elif name in layer.scaling:
                        layer.scaling[name] = self._scales[name] * weights[name]

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of one adapter: ``<part>.<module>.lora_A.weight``, ``lora_B.weight``, ``lora_magnitude_vector``.

        The scale (alpha / rank) is folded into B, so that it is 1.
        """
        scale = self._scales[name]
        return {
            key: parameter.detach() * scale if key.endswith(f".{B}") else parameter.detach().clone()
            for key, parameter in self._named(name)
        }

    def fill(self, name: str, weights: Mapping[str, torch.Tensor]) -> None:
        """Give an adapter in training the tensors that :meth:`weights` of another gave.

        Raises :class:`BadAdapterFile` where they are of other layers or another rank.
        """
        own, scale = dict(self._named(name)), self._scales[name]
        shapes = {key: parameter.shape for key, parameter in own.items()}
        if shapes != {key: tensor.shape for key, tensor in weights.items()}:
            raise BadAdapterFile("the adapter has other layers or another rank than this training")
        with torch.no_grad():
            for key, parameter in own.items():
                parameter.copy_(weights[key] / scale if key.endswith(f".{B}") else weights[key])

    def remove(self, name: str) -> None:
        """Take an adapter out; one that is not there is no error."""
        if name in self._scales:
            self._take_out(name)

    def _take_out(self, name: str) -> None:
        self._scales.pop(name, None)
        self.activate({})
        for part, layers in self._layers.items():
            for _, layer in layers:
                if name in layer.lora_A:
                    layer.delete_adapter(name)
            self._collect(part)


def copy_without_adapters(module: torch.nn.Module) -> torch.nn.Module:
    """A copy of one part as it was before any adapter came into it."""
    copied = copy.deepcopy(module)
    for name, layer in [(n, m) for n, m in copied.named_modules() if isinstance(m, LoraLayer)]:
        parent, _, child = name.rpartition(".")
        setattr(copied.get_submodule(parent), child, layer.get_base_layer())
    return copied


def state_without_adapters(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state dict of one part, named as if no adapter had ever come into it."""
    state = module.state_dict()
    return {name.replace(".base_layer.", "."): tensor for name, tensor in state.items() if ".lora_" not in name}


class _WeighedVariant:
    """A DoRA layer with a weight, as A1111 weighs it: the share of its whole change, magnitude and direction.

    peft scales only B·A, so that at weight 0 the magnitude would still act.
    """

    def __init__(self, inner: Any) -> None:
        self._inner, self.weight = inner, 1.0

    def forward(
        self, module: torch.nn.Module, *, active_adapter: str, x: torch.Tensor, result: torch.Tensor, **kwargs: Any
    ) -> torch.Tensor:
        """``result`` with this layer's change."""
        changed = self._inner.forward(module, active_adapter=active_adapter, x=x, result=result, **kwargs)
        return changed if self.weight == 1 else result + self.weight * (changed - result)
