"""One step of the scripts on any family: the folder read, the prompts encoded and the sizes told as they do it.

SD1.x and SD2.x as ``train_dreambooth_lora.py`` and ``textual_inversion.py`` have it; SDXL as
``train_dreambooth_lora_sdxl.py``, its advanced sister (both towers' vectors) and ``train_text_to_image_sdxl.py`` (sizes
and crops told for each picture). Written from reading them. Two things are mended, since neither can be what is meant:
where a text ends (:func:`tests.benchmarks.faults.end_of_text`), and class pictures are told their own sizes, to which
the script gives those of the photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.benchmarks.faults import end_of_text

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Tower:
    """A tokenizer and its text encoder."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel | CLIPTextModelWithProjection


@dataclass(frozen=True)
class FamilyModules:
    """A base in memory without its VAE, in float32: one tower, or SDXL's two."""

    towers: tuple[Tower, ...]
    unet: UNet2DConditionModel
    noise_scheduler: DDPMScheduler

    @property
    def parts(self) -> dict[str, torch.nn.Module]:
        """The UNet and the text encoders, by the names of their folders."""
        names = ("text_encoder", "text_encoder_2")
        return {"unet": self.unet} | dict(zip(names, (tower.text_encoder for tower in self.towers), strict=False))


def load_family(folder: Path) -> FamilyModules:
    """Read a diffusers folder; with a second text encoder it is SDXL's."""
    options = {"local_files_only": True, "use_safetensors": True}
    towers = []
    for suffix, kind in (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection)):
        if (folder / f"text_encoder{suffix}").exists():
            tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder=f"tokenizer{suffix}", local_files_only=True)
            towers.append(Tower(tokenizer, kind.from_pretrained(folder, subfolder=f"text_encoder{suffix}", **options)))
    modules = FamilyModules(
        tuple(towers),
        UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **options),
        DDPMScheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True),
    )
    for module in modules.parts.values():
        module.requires_grad_(False)
    return modules


def encode_prompts(modules: FamilyModules, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Embeddings (B, 77, D), and SDXL's pooled embedding (B, P).

    SDXL reads the last but one layers of both towers side by side, and what the second projects of the text's end.
    """
    ids = [
        tower.tokenizer(list(prompts), padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        for tower in modules.towers
    ]
    if len(modules.towers) == 1:
        return modules.towers[0].text_encoder(ids[0].input_ids)[0], None
    outs = [
        tower.text_encoder(own.input_ids, output_hidden_states=True)
        for tower, own in zip(modules.towers, ids, strict=True)
    ]
    second = modules.towers[1]
    end = end_of_text(ids[1].input_ids, second.tokenizer.eos_token_id, "mended")
    pooled = second.text_encoder.text_projection(outs[1].last_hidden_state[torch.arange(len(end)), end])
    return torch.cat([out.hidden_states[-2] for out in outs], dim=-1), pooled


def time_ids(original: Size, target: Size) -> torch.Tensor:
    """SDXL's six numbers (6,) for a photo that is scaled to cover ``target`` and cropped to its middle.

    (height, width) as it was, (top, left) of the crop, (height, width) as it is. The script knows squares alone.
    """
    scale = max(target[0] / original[0], target[1] / original[1])
    width, height = round(original[0] * scale), round(original[1] * scale)
    top = max(0, round((height - target[1]) / 2))
    left = max(0, round((width - target[0]) / 2))
    return torch.tensor([original[1], original[0], top, left, target[1], target[0]], dtype=torch.float32)
