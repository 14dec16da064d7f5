"""The adapters that are in a UNet: any number resident, the active ones chosen before every forward.

Training and generation share one frozen base. Nothing is fused; activating touches Python attributes alone, so a
picture that is made between two training steps leaves the training as it was, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict

from trainer.errors import BadAdapterFile


class AdapterBank:
    """LoRAs in one UNet, by name."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._unet = unet
        self._layers: list[BaseTunerLayer] = []
        self._scales: dict[str, float] = {}

    def add_trainable(
        self, name: str, *, rank: int, lora_alpha: int, target_modules: tuple[str, ...], seed: int
    ) -> list[torch.nn.Parameter]:
        """Add a fresh LoRA (A random, B zero: Hu et al. 2021, §4.1) and return its parameters, in float32."""
        config = LoraConfig(r=rank, lora_alpha=lora_alpha, target_modules=list(target_modules), init_lora_weights=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._unet.add_adapter(config, adapter_name=name)
        self._collect(name, lora_alpha / rank)
        parameters = [parameter for key, parameter in self._unet.named_parameters() if f".{name}." in key]
        for parameter in parameters:
            parameter.data = parameter.data.float()  # on a bfloat16 base small Adam steps would vanish
            parameter.requires_grad_(True)
        return parameters

    def add(self, name: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Add a LoRA from a file's tensors (``unet.<module>.lora_A.weight`` …).

        Raises :class:`BadAdapterFile` when it does not fit this base.
        """
        if name in self._scales:
            return
        try:
            self._unet.load_lora_adapter(dict(tensors), prefix="unet", adapter_name=name)
        except (ValueError, RuntimeError, KeyError) as error:
            raise BadAdapterFile(f"the adapter does not fit this base model: {str(error)[:200]}") from error
        self._collect(name, 1.0)
        for key, parameter in self._unet.named_parameters():
            if f".{name}." in key:
                parameter.requires_grad_(False)

    def __contains__(self, name: str) -> bool:
        return name in self._scales

    def _collect(self, name: str, scale: float) -> None:
        self._layers = [module for module in self._unet.modules() if isinstance(module, BaseTunerLayer)]
        self._scales[name] = scale
        self.activate({})

    def activate(self, weights: Mapping[str, float]) -> None:
        """From the next forward on, exactly these adapters act, each with its weight."""
        names = list(weights)
        for layer in self._layers:
            layer._disable_adapters = not names
            layer._active_adapter = names
            for name in names:
                if name in layer.scaling:
                    layer.scaling[name] = self._scales[name] * weights[name]

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of one adapter, named by module: ``<module>.lora_A.weight``."""
        state = get_peft_model_state_dict(self._unet, adapter_name=name)
        return {key: tensor.detach() for key, tensor in state.items()}

    def remove(self, name: str) -> None:
        """Take an adapter out; one that is not there is no error."""
        if name in self._scales:
            del self._scales[name]
            self._unet.delete_adapters(name)
            self._layers = [module for module in self._unet.modules() if isinstance(module, BaseTunerLayer)]
            self.activate({})
