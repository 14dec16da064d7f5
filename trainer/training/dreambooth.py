"""DreamBooth: the whole UNet, with the text encoders where that is asked for, on the subject (Ruiz et al. 2022)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel

from trainer.adapters.bank import AdapterBank, copy_without_adapters, state_without_adapters
from trainer.adapters.checkpoint_files import write_checkpoint
from trainer.adapters.extraction import extract_lora
from trainer.adapters.files import write_lora
from trainer.adapters.safetensors_file import write_tensors
from trainer.contract.drawings import AdapterKind
from trainer.errors import UserFault
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base
from trainer.models.text import Conditioning
from trainer.training.learner import CaptionCache, Draw, Drawing, Weights, encode_live
from trainer.training.lora import draw_named, in_bank
from trainer.training.recipes import ResolvedRecipe


class DreamBoothLearner:
    """Trains a copy of the model in float32; the base stays as it was, to compare with and for others."""

    def __init__(self, base: Base, bank: AdapterBank, recipe: ResolvedRecipe) -> None:
        self._frozen, self._bank, self._recipe = base, bank, recipe
        bank.activate({})
        self._text_learns = recipe.text_encoder_learning_rate > 0
        self.tuned = _copy_to_train(base, with_text=self._text_learns)
        self._cache = CaptionCache(self.tuned)
        self.groups: list[dict[str, Any]] = [{"params": list(self.tuned.unet.parameters()), "lr": recipe.learning_rate}]
        if self._text_learns:
            # of SDXL's second tower not the projection, which no LoRA and no reader of ours knows
            text = [p for part, m in self.tuned.modules.items() if part != "unet" for p in m.parameters()]
            self.groups.append({"params": text, "lr": recipe.text_encoder_learning_rate})
        self.fidelity: float | None = None  # of the LoRA: the share of the change that it keeps

    @property
    def kind(self) -> AdapterKind:
        """A whole checkpoint, or the LoRA extracted from it."""
        return "checkpoint" if self._recipe.output == "checkpoint" else "lora"

    @property
    def unet(self) -> UNet2DConditionModel:
        """The copy's."""
        return self.tuned.unet

    def condition(self, captions: Sequence[str], step: int) -> Conditioning:
        """Live as long as the text encoders learn."""
        if self._text_learns and step < self._recipe.text_encoder_steps:
            self._cache.clear()
            return encode_live(self.tuned, captions)
        return self._cache.condition(captions)

    def predict(
        self, noisy_latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning, time_ids: torch.Tensor,
        step: int,
    ) -> torch.Tensor:  # fmt: skip
        """The copy's; on a GPU it computes in bfloat16 and keeps its weights in float32."""
        device = self.tuned.device.type
        with torch.autocast(device, self._frozen.weight_dtype, enabled=device != "cpu"):
            return self.tuned.predict(noisy_latents, timesteps, conditioning, time_ids)

    def weights(self) -> dict[str, torch.Tensor]:
        """The LoRA of what has changed, or every tensor of the copy in float16."""
        tuned = _state(self.tuned)
        if self._recipe.output == "checkpoint":
            return {name: tensor.half().cpu() for name, tensor in tuned.items()}
        original = {name: tensor for name, tensor in _state(self._frozen).items() if name in tuned}
        extraction = extract_lora(original, tuned, self._recipe.extracted_rank, seed=self._recipe.seed)
        self.fidelity = extraction.fidelity
        return {name: tensor.half().cpu() for name, tensor in extraction.weights.items()}

    def load(self, weights: Weights) -> None:
        """A whole model starts from the base alone."""
        raise UserFault("a whole model can't go on from an adapter: choose the method lora")

    def draw(self, job: GenerationJob, weight: float = 1.0) -> Drawing:
        """With the copy as it is now, or with the base: there is nothing in between."""
        self._bank.activate({})
        return generate(self.tuned if weight else self._frozen, AdapterBank({}), job)

    @contextmanager
    def hold(self, weights: Weights) -> Iterator[Draw]:
        """The LoRA that was extracted is in the bank meanwhile; a checkpoint is the copy itself."""
        if self.kind == "checkpoint":
            yield self.draw
            return
        with in_bank(self._bank, weights) as name:
            yield partial(draw_named, self._frozen, self._bank, name)

    def write(self, weights: Weights, metadata: Mapping[str, str], out: BinaryIO) -> None:
        """A LoRA in the diffusers format, or a checkpoint in the original layout where that has a place for it."""
        if self.kind == "lora":
            out.write(write_lora(weights, metadata))
            return
        parts: dict[str, dict[str, torch.Tensor]] = {"vae": dict(self._frozen.vae.state_dict())}
        for tower in self._frozen.towers:
            parts[tower.name] = state_without_adapters(tower.text_encoder)
        for name, tensor in weights.items():
            part, _, key = name.partition(".")
            own = parts.setdefault(part, {})
            own[f"text_model.{key}" if f"text_model.{key}" in own else key] = tensor
        if isinstance(self._frozen.vae, AutoencoderTiny):  # which the original layout has no place for
            named = {f"{part}.{key}": tensor.half() for part, state in parts.items() for key, tensor in state.items()}
            write_tensors(named, metadata, out)
            return
        v_prediction = self._frozen.scheduler_config.get("prediction_type") == "v_prediction"
        write_checkpoint(parts, self._frozen.spec.family, metadata, out, v_prediction=v_prediction)

    def close(self) -> None:
        """The copy's memory goes with it."""
        self.groups = []
        self._cache.clear()
        self.tuned = self._frozen


def _copy_to_train(base: Base, *, with_text: bool) -> Base:
    """The same base with a UNet, and perhaps text encoders, of its own: in float32, learning."""
    unet = _learning(base.unet)
    towers = base.towers
    if with_text:
        towers = tuple(dataclasses.replace(tower, text_encoder=_learning(tower.text_encoder)) for tower in base.towers)
    return dataclasses.replace(base, unet=unet, towers=towers, weight_dtype=torch.float32)


def _learning(module: torch.nn.Module) -> Any:
    return copy_without_adapters(module).float().requires_grad_(True)


def _state(base: Base) -> dict[str, torch.Tensor]:
    """Every tensor of the UNet and the text encoders, with the part in front."""
    return {
        f"{part}.{name}": tensor
        for part, module in base.modules.items()
        for name, tensor in state_without_adapters(module).items()
    }
