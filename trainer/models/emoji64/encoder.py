"""Small picture encoders: attribute read-outs and an identity embedding, the embedded stand-in for DINO and CLIP.

Two are trained. ``chooser`` is there to choose (checkpoints, weights); ``reporter``, of another architecture and seed,
is there to report and is never used to choose, so that a figure is not what was optimised.
Both see heads in two renderings (Fluent and Noto), under changing light, blur and noise: identity and not rendering.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from trainer.models.emoji64 import grammar
from trainer.models.emoji64.assets import Assets
from trainer.models.emoji64.compose import Composer
from trainer.models.emoji64.pool import other_heads

Architecture = Literal["chooser", "reporter"]
EMBEDDING = 96
OUTFITS = (grammar.NO_OUTFIT, *grammar.OUTFITS)
ACCESSORIES = (grammar.NO_ACCESSORY, *grammar.ACCESSORIES)
_SCALE, _MARGIN = 16.0, 0.15  # of the cosine softmax (CosFace, Wang et al. 2018, eq. 4)


class _Residual(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut, halving the sides."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1)
        self.norms = nn.ModuleList([nn.GroupNorm(4, channels_in), nn.GroupNorm(4, channels_out)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(F.silu(self.norms[0](x)))
        return self.second(F.silu(self.norms[1](y))) + self.shortcut(F.avg_pool2d(x, 2))


class _Patches(nn.Module):
    """ConvNeXt's way: patches of 4 × 4, then wide depthwise filters and point-wise mixing (Liu et al. 2022)."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, stride=4)
        self.depthwise = nn.ModuleList([nn.Conv2d(width, width, 5, padding=2, groups=width) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.GroupNorm(1, width) for _ in range(depth)])
        self.mixing = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.GELU(), nn.Conv2d(2 * width, width, 1))
                for _ in range(depth)
            ]
        )
        self.reduce = nn.Conv2d(width, 2 * width, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for depthwise, norm, mix in zip(self.depthwise, self.norms, self.mixing, strict=True):
            x = x + mix(norm(depthwise(x)))
        return F.gelu(self.reduce(x))


class PictureEncoder(nn.Module):
    """Pictures (B, 3, 64, 64) in [-1, 1] to an identity embedding and attribute logits."""

    def __init__(self, architecture: Architecture, identities: list[str]) -> None:
        super().__init__()
        self.architecture, self.identities = architecture, identities
        self.trunk: nn.Module
        if architecture == "chooser":
            self.trunk = nn.Sequential(
                nn.Conv2d(3, 24, 3, padding=1), _Residual(24, 32), _Residual(32, 64), _Residual(64, 128)
            )
            width, side = 128, 8
        else:
            self.trunk, width, side = _Patches(64, 4), 128, 8
        flat = 48 * side * side
        self.squeeze = nn.Conv2d(width, 48, 1)  # positions matter: hats are above, outfits below
        self.features = nn.Sequential(nn.Linear(flat, 256), nn.SiLU())
        self.embed = nn.Linear(256, EMBEDDING)
        self.prototypes = nn.Parameter(torch.randn(len(identities), EMBEDDING) * 0.1)
        self.attributes = nn.ModuleDict({
            "outfit": nn.Linear(256, len(OUTFITS)),
            "accessory": nn.Linear(256, len(ACCESSORIES)),
            "background": nn.Linear(256, len(grammar.BACKGROUNDS)),
        })  # fmt: skip

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """``embedding`` (B, 96) of length 1, ``head`` cosines to the prototypes, and the attributes' logits."""
        features = self.features(F.silu(self.squeeze(self.trunk(pixels))).flatten(1))
        embedding = F.normalize(self.embed(features), dim=1)
        out = {name: layer(features) for name, layer in self.attributes.items()}
        return {**out, "embedding": embedding, "head": embedding @ F.normalize(self.prototypes, dim=1).T}

    def read(self, pixels: torch.Tensor) -> list[grammar.Scene]:
        """What the pictures show, among the base's own heads and attributes."""
        out = self(pixels)
        known = torch.tensor([name in grammar.HEADS for name in self.identities])
        heads = out["head"].masked_fill(~known, -2.0).argmax(1)
        return [
            grammar.Scene(self.identities[h], OUTFITS[o], ACCESSORIES[a], grammar.BACKGROUNDS[b])
            for h, o, a, b in zip(
                heads, out["outfit"].argmax(1), out["accessory"].argmax(1), out["background"].argmax(1), strict=True
            )
        ]

    def save(self, path: Path) -> None:
        """Write weights (float16) and identities as safetensors."""
        tensors = {name: tensor.half().contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, path, {"architecture": self.architecture, "identities": json.dumps(self.identities)})


def load_encoder(path: Path) -> PictureEncoder:
    """Read an encoder that :meth:`PictureEncoder.save` wrote; in eval mode, float32."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    encoder = PictureEncoder(header["architecture"], json.loads(header["identities"]))
    encoder.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return encoder.eval().requires_grad_(False)


@dataclass(frozen=True)
class LabelledPictures:
    """uint8 pictures (N, 3, 64, 64) and labels (N, 4): identity, outfit, accessory, background."""

    pictures: torch.Tensor
    labels: torch.Tensor
    identities: list[str]


def compose_labelled(assets: Assets, count: int, seed: int) -> LabelledPictures:
    """Compose pictures for the encoders: named heads in half of them, any other emoji in the rest, in both styles."""
    composer, others = Composer(assets), other_heads(assets)
    identities = [*grammar.HEADS, *others]
    codes = {**{name: code for name, (code, _) in grammar.HEADS.items()}, **others}
    rng = random.Random(f"encoder/{seed}")
    pictures, labels = np.empty((count, 64, 64, 3), dtype=np.uint8), []
    for index in range(count):
        scene = grammar.draw_scene(rng)
        name = scene.head if rng.random() < 0.5 else rng.choice(list(others))
        scene = grammar.Scene(name, scene.outfit, scene.accessory, scene.background)
        style = "noto" if rng.random() < 0.35 and assets.has(codes[name], "noto") else "fluent"
        pictures[index] = np.asarray(composer.compose(scene, 64, rng, style=style, head_code=codes[name]))
        labels.append((identities.index(name), OUTFITS.index(scene.outfit), ACCESSORIES.index(scene.accessory),
                       grammar.BACKGROUNDS.index(scene.background)))  # fmt: skip
    return LabelledPictures(
        torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels), identities
    )


def _augment(pixels: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Light, shift, softness and noise, so that what is read is not one rendering's pixels."""
    batch = len(pixels)
    gain = 1 + 0.12 * torch.randn(batch, 3, 1, 1, generator=rng)
    pixels = pixels * gain + 0.06 * torch.randn(batch, 3, 1, 1, generator=rng)
    dy, dx = (int(v) for v in torch.randint(-2, 3, (2,), generator=rng))
    pixels = F.pad(pixels, (2, 2, 2, 2), mode="replicate")[:, :, 2 + dy : 66 + dy, 2 + dx : 66 + dx]
    soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = torch.rand(batch, 1, 1, 1, generator=rng) * (torch.rand(batch, 1, 1, 1, generator=rng) < 0.5)
    pixels = pixels + share * (soft - pixels)
    amount = 0.1 * torch.rand(batch, 1, 1, 1, generator=rng)
    return pixels + amount * torch.randn(pixels.shape, generator=rng)


def _batches(data: LabelledPictures, steps: int, batch: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(data.pictures), (batch,), generator=rng)
        yield _augment(data.pictures[rows].float() / 127.5 - 1, rng), data.labels[rows]


def train_encoder(
    architecture: Architecture, data: LabelledPictures, *, steps: int, batch: int = 32, seed: int = 0
) -> PictureEncoder:
    """Train one encoder; deterministic from its seed."""
    torch.manual_seed(seed)
    encoder = PictureEncoder(architecture, data.identities)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    for step, (pixels, labels) in enumerate(_batches(data, steps, batch, seed)):
        out = encoder(pixels)
        cosines = out["head"] - _MARGIN * F.one_hot(labels[:, 0], out["head"].shape[1])
        loss = F.cross_entropy(_SCALE * cosines, labels[:, 0])
        for column, name in enumerate(("outfit", "accessory", "background"), start=1):
            loss = loss + F.cross_entropy(out[name], labels[:, column])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 200 == 0:
            print(f"{architecture} step {step + 1}/{steps}: loss {loss.item():.3f}", flush=True)
    return encoder.eval().requires_grad_(False)
