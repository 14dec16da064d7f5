"""Characters that emoji-64 has never seen, pictures of them, and the reporting encoder that measures both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.generation.live import GenerationJob, generate
from trainer.models.emoji64 import grammar, teach
from trainer.models.emoji64.assets import Assets, fetch_assets
from trainer.models.emoji64.compose import Composer
from trainer.models.emoji64.encoder import PictureEncoder, load_encoder
from trainer.models.emoji64.evaluate import agreement, to_tensor
from trainer.models.emoji64.report import finish
from trainer.models.loading import Base, load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.training.captions import name_subject
from trainer.training.learner import Draw

TRIGGER = "thnos"
LOOK_STEPS = 10  # of denoising, for each picture that is measured
SEED_OF_PICTURES = 1000


@dataclass(frozen=True)
class Subject:
    """A character as one seed has it photographed, and the two likenesses between which an adapter of it lies."""

    head: str
    seed: int
    scenes: tuple[grammar.Scene, ...]  # of the pictures that are measured; no photo shows them
    photos: tuple[Image.Image, ...]
    shown: torch.Tensor  # (N, D): the photos' embeddings
    without: float = 0.0
    real: float = 1.0

    @property
    def class_word(self) -> str:
        return grammar.class_word(self.head)

    @property
    def words(self) -> str:
        """What prompts call it, unless an inversion has its class in its vectors already."""
        return name_subject(TRIGGER, self.class_word, "subject", "lora")

    def closure(self, identity: float) -> float:
        """How far of the way from the bare base's pictures (0) to real pictures in the same scenes (1)."""
        return (identity - self.without) / (self.real - self.without)


@dataclass(frozen=True)
class Studio:
    """Photographs, draws and measures."""

    base: Base
    encoder: PictureEncoder  # the one that reports, and chooses nothing
    assets: Assets | None  # None: nobody can be photographed

    def fresh_base(self) -> Base:
        """The base anew, so that nothing of an earlier training is in it."""
        return load_base(self.base.spec)

    def meet(self, head: str, seed: int, scenes: int) -> Subject:
        """Photograph a character and measure the two ends of its scale."""
        assert self.assets is not None
        subject = self.know(head, seed, scenes, teach.compose_photos(self.assets, head, 256, seed))
        composer, rng = Composer(self.assets), random.Random(f"real/{head}/{seed}")
        real = [composer.compose(scene, 64, rng) for scene in subject.scenes]
        bare = self.draw_bare(subject)
        return replace(subject, without=self.likeness(bare, subject), real=self.likeness(real, subject))

    @torch.no_grad()
    def know(self, head: str, seed: int, scenes: int, photos: Sequence[Image.Image]) -> Subject:
        """A subject of given photos, on the bare scale of cosines."""
        upright = tuple(photo.convert("RGB") for photo in photos)
        small = [photo.resize((64, 64), Image.Resampling.LANCZOS) for photo in upright]
        shown = self.encoder(to_tensor(small))["embedding"]
        return Subject(head, seed, tuple(teach.prompt_scenes(head, seed)[:scenes]), upright, shown)

    def draw_bare(self, subject: Subject) -> list[Image.Image]:
        """The subject's scenes by the base alone."""
        return self.draw(subject, lambda job, weight=1.0: generate(self.base, AdapterBank({}), job))

    def draw(self, subject: Subject, draw: Draw, words: str | None = None) -> list[Image.Image]:
        """One picture of each of the subject's scenes, always from the same seeds."""
        images: list[Image.Image] = []
        for place, scene in enumerate(subject.scenes):
            prompt = grammar.plain_caption(scene, words or subject.words)
            job = GenerationJob(prompt, seed=SEED_OF_PICTURES + place, num_inference_steps=LOOK_STEPS)
            images += [picture.image for picture in finish(draw(job))]
        return images

    @torch.no_grad()
    def likenesses(self, images: Sequence[Image.Image], subject: Subject) -> list[float]:
        """For each picture the mean cosine with the photos."""
        return (self.encoder(to_tensor(list(images)))["embedding"] @ subject.shown.T).mean(1).tolist()

    def likeness(self, images: Sequence[Image.Image], subject: Subject) -> float:
        """The mean cosine of pictures and photos."""
        found = self.likenesses(images, subject)
        return sum(found) / len(found)

    @torch.no_grad()
    def obedience(self, images: Sequence[Image.Image], subject: Subject) -> float:
        """The share of outfits and backgrounds that are read as the prompts name them."""
        read = agreement(self.encoder.read(to_tensor(list(images))), list(subject.scenes))
        return (read["outfit"] + read["background"]) / 2


def open_studio(work: Path | None) -> Studio:
    """A studio with emoji-64; the emoji are fetched into ``work`` where they are missing."""
    if work is not None:
        fetch_assets(work / "assets")
    encoder = load_encoder(EMBEDDED_FOLDER / "encoders" / "reporter.safetensors")
    base = load_base(read_base(EMBEDDED_FOLDER, embedded=True))
    return Studio(base, encoder, Assets(work / "assets") if work is not None else None)
