"""Loads a base model: safetensors only, no remote code, nothing from the network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")

from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from trainer.errors import MissingBases, UserFault
from trainer.models.families import FAMILIES, SCHEDULER, TowerLayout
from trainer.models.folders import find_variant
from trainer.models.registry import BaseSpec
from trainer.models.single_file import Encoder, load_file_encoders, load_file_parts
from trainer.models.text import Conditioning, TextTower, Vectors, encode_tokens, tokenize
from trainer.models.tokenizers import load_tokenizer

Parts = tuple[AutoencoderKL | AutoencoderTiny, UNet2DConditionModel, Mapping[str, Encoder]]


@dataclass
class Base:
    """A base model in memory: frozen, in eval mode; training and generation share it."""

    spec: BaseSpec
    towers: tuple[TextTower, ...]
    vae: AutoencoderKL | AutoencoderTiny
    unet: UNet2DConditionModel
    scheduler_config: dict[str, Any]
    device: torch.device
    weight_dtype: torch.dtype
    _vae_forgotten: bool = field(default=False, init=False)

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """Everything that an adapter may act on, by the name of its folder: unet, text_encoder, text_encoder_2.

        Of an encoder with a projection the text model within, so that the modules of both are named alike.
        """
        encoders = {tower.name: tower.text_encoder for tower in self.towers}
        return {"unet": self.unet, **{name: getattr(found, "text_model", found) for name, found in encoders.items()}}

    def make_scheduler(self) -> DDIMScheduler:
        """A scheduler of its own for every picture and training, with the base's prediction type and betas."""
        return DDIMScheduler.from_config(self.scheduler_config)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels a latent covers, per side: 8 for Stable Diffusion, 4 for emoji-64."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1) if self._kl else 2 ** (len(self._tiny_levels) - 1)

    @property
    def _kl(self) -> bool:
        return isinstance(self.vae, AutoencoderKL)

    @property
    def _tiny_levels(self) -> list[int]:
        return list(self.vae.config.decoder_block_out_channels)

    @torch.no_grad()
    def encode_prompts(self, prompts: Sequence[str], inversions: Mapping[str, Vectors] | None = None) -> Conditioning:
        """Conditioning of plain prompts, one chunk each: what is longer than 75 tokens is cut off."""
        return encode_tokens(self.towers, tokenize(self.towers, prompts, inversions), inversions)

    def predict(
        self,
        noisy_latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        time_ids: torch.Tensor | None = None,
        *,
        unet: UNet2DConditionModel | None = None,
    ) -> torch.Tensor:
        """The UNet's prediction (B, C, h, w), in float32, for latents (B, C, h, w) at timesteps (B,) or ().

        ``time_ids`` (B, 6) are SDXL's size conditioning: original height and width, crop top and left, height and
        width (Podell et al. 2023, §2.2); by default those of an uncropped picture. ``unet``: another than the base's.
        """
        added: dict[str, torch.Tensor] | None = None
        if conditioning.pooled is not None:
            if time_ids is None:
                height, width = (side * self.vae_scale_factor for side in noisy_latents.shape[-2:])
                time_ids = size_conditioning((width, height), (0, 0), (width, height)).expand(len(noisy_latents), 6)
            added = {
                "text_embeds": conditioning.pooled.to(self.weight_dtype),
                "time_ids": time_ids.to(self.device, self.weight_dtype),
            }
        model = unet or self.unet
        return model(
            noisy_latents.to(self.weight_dtype), timesteps, conditioning.embeddings.to(self.weight_dtype),
            added_cond_kwargs=added, return_dict=False,
        )[0].float()  # fmt: skip

    def forget_encoders(self, *, text: bool = True) -> None:
        """Free the memory of the VAE and, with ``text``, of the text encoders; whoever needs them reads them anew."""
        if not self._vae_forgotten:
            _empty(self.vae)
            self._vae_forgotten = True
        for tower in self.towers if text else ():
            if tower.recall is None:
                _empty(tower.text_encoder)
                tower.recall = self.recall_encoders

    def recall_encoders(self) -> None:
        """Read what was forgotten from the base's files again."""
        if not self._vae_forgotten and all(tower.recall is None for tower in self.towers):
            return
        if self.spec.file:
            vae, encoders = load_file_encoders(self.spec.file, self.spec.family, self.weight_dtype)
        else:
            vae, encoders = _load_folder_encoders(self.spec, self.weight_dtype)
        if self._vae_forgotten:
            _refill(self.vae, vae, self.device)
            self._vae_forgotten = False
        for tower in self.towers:
            if tower.recall is not None:
                _refill(tower.text_encoder, encoders[tower.name], self.device)
                tower.recall = None

    def _recall_vae(self) -> None:
        if self._vae_forgotten:
            self.recall_encoders()

    @torch.no_grad()
    def encode_moments(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the scaled latents of pixels (B, 3, H, W) in [-1, 1], each (B, C, h, w)."""
        self._recall_vae()
        scale = self.vae.config.scaling_factor
        encoded = self.vae.encode(pixels.to(self.device, torch.float32))
        if self._kl:
            return encoded.latent_dist.mean * scale, encoded.latent_dist.std * scale
        return encoded.latents * scale, torch.zeros_like(encoded.latents)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, H, W) in [-1, 1] of scaled latents (B, C, h, w)."""
        self._recall_vae()
        return self.vae.decode(latents.float() / self.vae.config.scaling_factor).sample.clamp(-1, 1)


def _empty(module: torch.nn.Module) -> None:
    """Let go of a module's weights, but not of those of adapters in it."""
    for name, parameter in module.named_parameters():
        if ".lora_" not in name:
            parameter.data = parameter.data.new_empty(0)


def _refill(module: torch.nn.Module, fresh: torch.nn.Module, device: torch.device) -> None:
    """Give an emptied module the weights of a freshly loaded one."""
    weights = dict(fresh.named_parameters())
    for name, parameter in module.named_parameters():
        if ".lora_" not in name:
            parameter.data = weights[name.replace(".base_layer.", ".")].data.to(device)


def size_conditioning(original: tuple[int, int], crop: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
    """SDXL's time ids (6,): ``original`` and ``size`` are (width, height), ``crop`` is (left, top)."""
    return torch.tensor([original[1], original[0], crop[1], crop[0], size[1], size[0]], dtype=torch.float32)


def choose_device(wanted: str) -> torch.device:
    """``auto`` takes the GPU where there is one. Raises :class:`UserFault` for a GPU that is not there."""
    if wanted == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise UserFault(f"DARKROOM_DEVICE is {wanted}, but torch sees no GPU; install its CUDA build or set cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserFault(
            f"DARKROOM_DEVICE is {wanted}, but this machine has {torch.cuda.device_count()} GPUs, from cuda:0"
        )
    return device


def load_base(spec: BaseSpec, device: str | torch.device = "cpu") -> Base:
    """Load the base that ``spec`` names: float32 on a CPU, bfloat16 on a GPU, the VAE in float32 always.

    Raises :class:`trainer.errors.MissingBases` for weights that are not all there.
    """
    place = choose_device(device) if isinstance(device, str) else device
    dtype = torch.float32 if place.type == "cpu" else torch.bfloat16
    vae, unet, encoders = (
        load_file_parts(spec.file, spec.family, dtype) if spec.file else _load_folder_parts(spec, dtype)
    )
    towers = tuple(
        TextTower(
            layout.name,
            _load_tokenizer(spec, layout, encoder),
            encoder,
            layout.penultimate,
            layout.pooled,
            can_skip=spec.family == "sd1",
        )
        for layout, encoder in zip(FAMILIES[spec.family].towers, encoders.values(), strict=True)
    )
    for module in (vae, unet, *encoders.values()):
        module.requires_grad_(False).eval().to(place)
    if not spec.embedded:  # a seventh of a step of SD1.5 on a CPU, batch 1; for small models it gains nothing
        unet.to(memory_format=torch.channels_last)
    return Base(spec, towers, vae, unet, scheduler_config=_scheduler_config(spec), device=place, weight_dtype=dtype)


def _load_folder_parts(spec: BaseSpec, dtype: torch.dtype) -> Parts:
    """The parts of a diffusers folder, of which no weight may be missing."""

    vae, encoders = _load_folder_encoders(spec, dtype)
    return vae, _load_folder_part(spec, UNet2DConditionModel, "unet", torch_dtype=dtype), encoders


def _load_folder_encoders(
    spec: BaseSpec, dtype: torch.dtype
) -> tuple[AutoencoderKL | AutoencoderTiny, dict[str, Encoder]]:
    tiny = "AutoencoderTiny" in (spec.folder / "model_index.json").read_text()
    vae = _load_folder_part(spec, AutoencoderTiny if tiny else AutoencoderKL, "vae", torch_dtype=torch.float32)
    kinds = {tower.name: CLIPTextModelWithProjection if tower.pooled else CLIPTextModel
             for tower in FAMILIES[spec.family].towers}  # fmt: skip
    return vae, {name: _load_folder_part(spec, kind, name, dtype=dtype) for name, kind in kinds.items()}


def _load_folder_part(spec: BaseSpec, kind: Any, name: str, **options: Any) -> Any:
    module, report = kind.from_pretrained(
        str(spec.folder), subfolder=name, variant=find_variant(spec.folder / name), use_safetensors=True,
        local_files_only=True, output_loading_info=True, **options,
    )  # fmt: skip
    if report["missing_keys"]:
        raise MissingBases(
            f"{spec.name} lacks weights of its {name}, such as {sorted(report['missing_keys'])[0]}; fetch the model"
            " again"
        )
    return module


def _load_tokenizer(spec: BaseSpec, tower: TowerLayout, encoder: Encoder) -> CLIPTokenizer:
    """A folder's own, as it is; for a single file CLIP's, or that of the folder ``tokenizer`` beside it."""
    if spec.file:
        return load_tokenizer(spec.folder / "tokenizer", tower.pad_token, encoder.config.vocab_size)
    name = tower.name.replace("text_encoder", "tokenizer")
    return CLIPTokenizer.from_pretrained(str(spec.folder), subfolder=name, local_files_only=True)


def _scheduler_config(spec: BaseSpec) -> dict[str, Any]:
    """What the folder's scheduler says over what is alike in all families, and what the operator says over both."""
    written: dict[str, Any] = {}
    if not spec.file:
        written = dict(DDIMScheduler.load_config(str(spec.folder), subfolder="scheduler", local_files_only=True))
    stated: dict[str, Any] = {"prediction_type": spec.defaults.prediction_type}
    if spec.defaults.rescale_betas_zero_snr is not None:
        stated["rescale_betas_zero_snr"] = spec.defaults.rescale_betas_zero_snr
        # the last timestep has to be among those that are drawn with (Lin et al. 2024, §3.3)
        stated["timestep_spacing"] = "trailing" if spec.defaults.rescale_betas_zero_snr else "leading"
    return {**SCHEDULER, **written, **{key: value for key, value in stated.items() if value is not None}}
