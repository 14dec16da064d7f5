"""What emoji-64 is for: teaching it a character that it has never seen, and measuring how well that went.

The identity figure is the mean cosine, in the reporting encoder, between generated pictures and the photos. It is set
beside the same prompts without the adapter and beside real pictures of the character in those scenes (the ceiling);
``closure`` is how far of the way from 'without' to the ceiling the adapter goes.
"""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

from trainer.models.emoji64 import grammar
from trainer.models.emoji64.assets import Assets
from trainer.models.emoji64.compose import Composer
from trainer.models.emoji64.grammar import NO_ACCESSORY, NO_OUTFIT, Scene

PHOTOS = 6
PICTURES = 16


def photo_scenes(head: str, seed: int = 0) -> list[Scene]:
    """Six scenes as a member would photograph a subject: other clothes and other places, no hat over the face."""
    rng = random.Random(f"photos/{head}/{seed}")
    outfits = [NO_OUTFIT, NO_OUTFIT, *rng.sample(list(grammar.OUTFITS), PHOTOS - 2)]
    backgrounds = rng.sample(list(grammar.BACKGROUNDS), PHOTOS)
    return [Scene(head, o, NO_ACCESSORY, b) for o, b in zip(outfits, backgrounds, strict=True)]


def compose_photos(assets: Assets, head: str, size: int = 64, seed: int = 0) -> list[Image.Image]:
    """The photos of a kept-out character."""
    composer, rng = Composer(assets), random.Random(f"photos/{head}/{seed}/jitter")
    return [composer.compose(scene, size, rng) for scene in photo_scenes(head, seed)]


def prompt_scenes(head: str, seed: int = 0) -> list[Scene]:
    """Scenes for the pictures that are measured: outfits and backgrounds that no photo shows together."""
    rng = random.Random(f"prompts/{head}/{seed}")
    shown = {(scene.outfit, scene.background) for scene in photo_scenes(head, seed)}
    scenes: list[Scene] = []
    while len(scenes) < PICTURES:
        scene = Scene(head, rng.choice(list(grammar.OUTFITS)), NO_ACCESSORY, rng.choice(grammar.BACKGROUNDS))
        if (scene.outfit, scene.background) not in shown:
            scenes.append(scene)
    return scenes


def write_photos(assets: Assets, head: str, folder: Path, size: int = 256) -> None:
    """Write the photos as JPEG files, for the demo."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, photo in enumerate(compose_photos(assets, head, size), start=1):
        photo.save(folder / f"{head}-{index}.jpg", quality=88)
