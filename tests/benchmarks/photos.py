"""The photos as the reference scripts read them: opened, turned, resized and cropped anew each time they are asked.

What torchvision's transforms do there on PIL images is done here by hand, operation for operation, for torchvision
does not import beside the CPU build of torch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.ImageOps import exif_transpose
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTokenizer

Example = dict[str, torch.Tensor]

# The sentences of textual_inversion.py, which come from CLIP's own evaluation on ImageNet.
OBJECT_TEMPLATES = tuple(
    f"{what} of {which} {{}}"
    for what, whiches in {
        "a photo": ("a", "a clean", "a dirty", "my", "the cool", "the", "one", "the clean", "a nice", "the nice",
                    "the small", "the weird", "the large", "a cool", "a small"),
        "the photo": ("a",),
        "a rendering": ("a",),
        "a cropped photo": ("the", "a"),
        "a dark photo": ("the",),
        "a close-up photo": ("a", "the"),
        "a bright photo": ("the",),
        "a good photo": ("the", "a"),
        "a rendition": ("the", "a"),
    }.items()
    for which in whiches
)  # fmt: skip


def write_phone_photos(photos: Sequence[Path], folder: Path, size: tuple[int, int] = (4032, 3024)) -> list[Path]:
    """Copies of ``photos`` in ``folder``, as large as a phone takes them: 12 megapixels, as JPEG.

    What a step of the scripts pays for reading its photos depends on nothing else so much.
    """
    written = []
    for index, path in enumerate(photos):
        with Image.open(path) as image:
            image.convert("RGB").resize(size).save(folder / f"{index}.jpg", quality=90)
        written.append(folder / f"{index}.jpg")
    return written


def resize_shorter(image: Image.Image, size: int) -> Image.Image:
    """The shorter side to ``size`` pixels, bilinear."""
    width, height = image.size
    scaled = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    return image if image.size == scaled else image.resize(scaled, Image.Resampling.BILINEAR)


def crop(image: Image.Image, size: int, rng: torch.Generator | None) -> Image.Image:
    """A square of ``size`` pixels: anywhere, or in the middle where no generator is given."""
    room = (image.width - size, image.height - size)
    if rng is None:
        left, top = (round(side / 2) for side in room)
    else:
        left, top = (int(torch.randint(side + 1, (1,), generator=rng)) for side in room)
    return image.crop((left, top, left + size, top + size))


def to_pixels(image: Image.Image) -> torch.Tensor:
    """Pixels (3, H, W) in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
    return pixels.sub_(0.5).div_(0.5)


def tokenize(tokenizer: CLIPTokenizer, prompt: str) -> torch.Tensor:
    """Token ids (1, 77) of a prompt."""
    length = tokenizer.model_max_length
    tokens = tokenizer(prompt, truncation=True, padding="max_length", max_length=length, return_tensors="pt")
    return tokens.input_ids


class DreamBoothPhotos(Dataset[Example]):
    """Instance photos with their one prompt and, with prior preservation, a class picture with its prompt beside."""

    def __init__(
        self,
        photos: Sequence[Path],
        instance_prompt: str,
        tokenizer: CLIPTokenizer,
        size: int,
        *,
        class_pictures: Sequence[Path] = (),
        class_prompt: str = "",
        center_crop: bool = False,
        rng: torch.Generator,
    ) -> None:
        self._photos, self._instance_prompt = photos, instance_prompt
        self._class_pictures, self._class_prompt = class_pictures, class_prompt
        self._tokenizer, self._size = tokenizer, size
        self._rng = None if center_crop else rng

    def __len__(self) -> int:
        return max(len(self._photos), len(self._class_pictures))

    def __getitem__(self, index: int) -> Example:
        example = {
            "instance_images": self._read(self._photos[index % len(self._photos)]),
            "instance_prompt_ids": tokenize(self._tokenizer, self._instance_prompt),
        }
        if self._class_pictures:
            example["class_images"] = self._read(self._class_pictures[index % len(self._class_pictures)])
            example["class_prompt_ids"] = tokenize(self._tokenizer, self._class_prompt)
        return example

    def _read(self, path: Path) -> torch.Tensor:
        with Image.open(path) as file:
            image = exif_transpose(file)
            if image.mode != "RGB":
                image = image.convert("RGB")
            return to_pixels(crop(resize_shorter(image, self._size), self._size, self._rng))


class InversionPhotos(Dataset[Example]):
    """Photos with a sentence about the placeholder tokens: any shape pressed into a square, mirrored half the time."""

    def __init__(
        self, photos: Sequence[Path], placeholders: str, tokenizer: CLIPTokenizer, size: int, *, repeats: int, seed: int
    ) -> None:
        self._photos, self._placeholders = photos, placeholders
        self._tokenizer, self._size, self._repeats = tokenizer, size, repeats
        self._rng = random.Random(seed)

    def __len__(self) -> int:
        return len(self._photos) * self._repeats

    def __getitem__(self, index: int) -> Example:
        with Image.open(self._photos[index % len(self._photos)]) as file:
            image = file if file.mode == "RGB" else file.convert("RGB")
            text = self._rng.choice(OBJECT_TEMPLATES).format(self._placeholders)
            ids = tokenize(self._tokenizer, text)
            image = Image.fromarray(np.array(image).astype(np.uint8))
            image = image.resize((self._size, self._size), Image.Resampling.BICUBIC)
        if self._rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = (np.array(image).astype(np.uint8) / 127.5 - 1.0).astype(np.float32)
        return {"input_ids": ids[0], "pixel_values": torch.from_numpy(pixels).permute(2, 0, 1)}


def collate_dreambooth(examples: list[Example]) -> Example:
    """One batch: all instance pictures, then all class pictures; the prompts in the same order."""
    kinds = ("instance", "class") if "class_images" in examples[0] else ("instance",)
    pixels = [example[f"{kind}_images"] for kind in kinds for example in examples]
    ids = [example[f"{kind}_prompt_ids"] for kind in kinds for example in examples]
    stacked = torch.stack(pixels).to(memory_format=torch.contiguous_format).float()
    return {"pixel_values": stacked, "input_ids": torch.cat(ids)}


def epochs_without_end(loader: DataLoader[Example]) -> Iterator[Example]:
    """The loader's batches, epoch after epoch. An epoch's last batch may be smaller, as it is in the scripts."""
    while True:
        yield from loader
