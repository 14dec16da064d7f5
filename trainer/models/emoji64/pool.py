"""The pool: pictures composed once and kept on disk, for every stage of the build to read."""

from __future__ import annotations

import json
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from trainer.models.emoji64 import grammar
from trainer.models.emoji64.assets import Assets
from trainer.models.emoji64.compose import Composer

PART = 2_000  # pictures a file
_OTHER_SUBCATEGORIES = (
    "food-fruit", "food-vegetable", "food-sweet", "food-prepared", "face-smiling", "face-affection", "face-concerned",
    "face-negative", "face-hand", "face-hat", "face-glasses", "cat-face", "animal-bird", "animal-bug", "animal-marine",
    "plant-flower", "sport", "game", "music", "sky & weather",
)  # fmt: skip


def other_heads(assets: Assets) -> dict[str, str]:
    """Names and code points of many further emoji that stand in for heads now and then, none of them kept out.

    They teach the base and its VAE that a head may be anything, which is what a member's own subject is.
    """
    kept_out = {code for code, _ in grammar.KEPT_OUT_HEADS.values()}
    named = {code for code, _ in grammar.HEADS.values()}
    found: dict[str, str] = {}
    for entry in json.loads((assets.folder / "noto" / "emoji.json").read_text()):
        code = entry["unified"].lower()
        if entry["subcategory"] in _OTHER_SUBCATEGORIES and code not in kept_out | named and assets.has(code):
            found[entry["short_name"].replace("_", " ").replace("-", " ")] = code
    return found


def _compose_part(folder: Path, assets_folder: Path, seed: int, part: int) -> None:
    assets = Assets(assets_folder)
    composer, others = Composer(assets), other_heads(assets)
    rng = random.Random(f"{seed}/{part}")
    pictures, captions = np.empty((PART, 64, 64, 3), dtype=np.uint8), []
    for index in range(PART):
        scene = grammar.draw_scene(rng)
        code = None
        if rng.random() < 0.12:
            name = rng.choice(list(others))
            scene, code = grammar.Scene(name, scene.outfit, scene.accessory, scene.background), others[name]
        pictures[index] = np.asarray(composer.compose(scene, 64, rng, head_code=code))
        captions.append(grammar.caption(scene, rng))
    (folder / f"captions-{part}.json").write_text(json.dumps(captions))
    np.save(folder / f"pictures-{part}.npy", pictures)


def build_pool(folder: Path, assets_folder: Path, parts: int, seed: int, workers: int = 2) -> None:
    """Compose ``parts`` × :data:`PART` pictures of 64 × 64 with captions; parts that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [part for part in range(parts) if not (folder / f"pictures-{part}.npy").exists()]
    with ProcessPoolExecutor(workers) as executor:
        for done in [executor.submit(_compose_part, folder, assets_folder, seed, part) for part in missing]:
            done.result()


def read_pool(folder: Path, parts: int | None = None) -> tuple[torch.Tensor, list[str]]:
    """All pictures as uint8 (N, 3, 64, 64) and their captions."""
    count = len(list(folder.glob("pictures-*.npy"))) if parts is None else parts
    pictures = np.concatenate([np.load(folder / f"pictures-{part}.npy") for part in range(count)])
    captions: list[str] = []
    for part in range(count):
        captions += json.loads((folder / f"captions-{part}.json").read_text())
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), captions


def to_pixels(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 pictures to the range of diffusers' VAEs, [-1, 1]."""
    return pictures.float().div_(127.5).sub_(1.0)
