"""The judge of real base models: DINOv2 for likeness and CLIP for obedience, from a folder of the operator's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from transformers import CLIPModel, CLIPTokenizer, Dinov2Model

from trainer.errors import MissingJudges
from trainer.training.dataset import on_white

_NEEDED = {
    "dinov2": ("config.json", "model.safetensors", "preprocessor_config.json"),
    "clip": ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer_config.json"),
}
_SOURCES = {"dinov2": "facebook/dinov2-small", "clip": "openai/clip-vit-base-patch32"}
_BATCH = 8  # pictures; DINOv2 small and CLIP B/32 together stay below a GB


def check_judges(folder: Path) -> None:
    """Raise :class:`MissingJudges`, naming the file that is not there and the model that has it."""
    for name, files in _NEEDED.items():
        for file in files:
            if not (folder / name / file).is_file():
                raise MissingJudges(
                    f"DARKROOM_JUDGES is {folder}, but {folder / name / file} is not there; put the files of "
                    f"{_SOURCES[name]} into {folder / name} (weights as safetensors), or unset DARKROOM_JUDGES"
                )


class FolderJudge:
    """DINOv2 (Oquab et al. 2023) says who is shown, faces and things alike; CLIP (Radford et al. 2021) what else is."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        check_judges(folder)
        self._device = device
        try:
            self._dinov2 = _load(Dinov2Model, folder / "dinov2", device)
            self._clip = _load(CLIPModel, folder / "clip", device)
            self._tokenizer = CLIPTokenizer.from_pretrained(folder / "clip", local_files_only=True)
            self._dinov2_eyes = read_eyes(folder / "dinov2" / "preprocessor_config.json")
            self._clip_eyes = read_eyes(folder / "clip" / "preprocessor_config.json")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise MissingJudges(
                f"the models in DARKROOM_JUDGES ({folder}) can't be read: {str(error)[:200]}; download them anew, or "
                "unset DARKROOM_JUDGES"
            ) from error

    @torch.no_grad()
    def embed(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """DINOv2's class token, as DreamBooth measures subject fidelity by DINO (Ruiz et al. 2022)."""
        batches = torch.split(self._dinov2_eyes.see(images), _BATCH)
        tokens = torch.cat([self._dinov2(batch.to(self._device)).last_hidden_state[:, 0] for batch in batches])
        return F.normalize(tokens, dim=1).cpu()

    @torch.no_grad()
    def obey(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> torch.Tensor:
        """CLIP's cosine of picture and prompt (CLIP-T); real pictures of what a text says reach about 0.3."""
        batches = torch.split(self._clip_eyes.see(images), _BATCH)
        shown = torch.cat([self._clip.get_image_features(batch.to(self._device)).pooler_output for batch in batches])
        tokens = self._tokenizer(list(prompts), padding=True, truncation=True, max_length=77, return_tensors="pt")
        wanted = self._clip.get_text_features(**tokens.to(self._device)).pooler_output
        return F.cosine_similarity(shown, wanted, dim=1).clamp(0, 1).cpu()


def _load(kind: Any, folder: Path, device: torch.device) -> Any:
    """The model with every weight of its own: transformers fills what a file lacks with random numbers."""
    model, info = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True, output_loading_info=True)
    if info["missing_keys"]:
        raise ValueError(f"{folder.name} has no weights {sorted(info['missing_keys'])[0]!r}")
    return model.requires_grad_(False).eval().to(device, torch.float32)


@dataclass(frozen=True)
class _Eyes:
    """How a model wants its pictures: an image processor's settings, in Pillow and torch.

    transformers' own fast processors need torchvision, which not every build of torch has beside it.
    """

    shortest_edge: int
    crop: tuple[int, int]  # height, width
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: Image.Resampling

    def see(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Pixels (N, 3, H, W): the shorter side resized, the middle cropped, normalised by channel."""
        pixels = np.stack([np.asarray(self._crop(on_white(image)), dtype=np.float32) for image in images]) / 255
        normalised = (pixels - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return torch.from_numpy(normalised).permute(0, 3, 1, 2).contiguous()

    def _crop(self, image: Image.Image) -> Image.Image:
        scale = self.shortest_edge / min(image.size)
        width, height = (max(self.shortest_edge, round(side * scale)) for side in image.size)
        left, top = (width - self.crop[1]) // 2, (height - self.crop[0]) // 2
        resized = image.resize((width, height), self.resample)
        return resized.crop((left, top, left + self.crop[1], top + self.crop[0]))


def read_eyes(path: Path) -> _Eyes:
    """From ``preprocessor_config.json``; older files write sizes as one number. Raises KeyError, TypeError."""
    config = json.loads(path.read_text())
    size, crop = config["size"], config["crop_size"]
    shortest = size if isinstance(size, int) else size["shortest_edge"]
    sides = (crop, crop) if isinstance(crop, int) else (crop["height"], crop["width"])
    resample = Image.Resampling(config.get("resample", 3))
    return _Eyes(shortest, sides, tuple(config["image_mean"]), tuple(config["image_std"]), resample)
