"""Scores: what the pictures of a checkpoint are measured by, and against what.

A cosine of 0.61 says nothing to anybody, so both scores are shares of a way. Likeness goes from pictures without the
adapter (0) to the photos among themselves (1): a picture at 1 is as much like the photos as another photo would be.
Obedience goes from pictures of another prompt (0) to the prompt's own pictures without the adapter (1).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image, ImageOps

from trainer.choosing.judges import Judge
from trainer.contract.requests import Kind, Method
from trainer.generation.images import Picture
from trainer.generation.live import GenerationJob
from trainer.models.registry import BaseFile
from trainer.training.captions import name_subject
from trainer.training.dataset import on_white

STEPS = 10  # enough to tell who is shown, at less than half the cost of a picture that is kept
_LEAST_WAY = 0.05  # of cosines: what is nearer together than this can't be told apart, and divides by no zero
_LEAST_OBEDIENCE = 0.02  # CLIP's cosines of right and wrong prompts lie 0.05 to 0.15 apart
_MOST_IDENTITY = 1.25  # photos differ among themselves, so the best pictures are more like them than they are
_SMALL_CHANGE = 0.02  # of the total: what a checkpoint must gain to count as better
_UNRELATED = "an empty white page"
_STYLE_SUBJECTS = ("a cat", "a person", "a house")  # a style shows on things that the photos don't show


class Draw(Protocol):
    """Draws with one checkpoint at a weight, one denoising step a turn; at weight 0 as the base does alone."""

    def __call__(self, job: GenerationJob, weight: float) -> Generator[Any, None, list[Picture]]:
        """The pictures of ``job``, which names no adapters."""
        ...


@dataclass(frozen=True)
class Scores:
    """How good pictures are. ``identity``: 0 as without the adapter, 1 as another photo, 1.25 at most.

    ``obedience``: 0 as pictures of another prompt, 1 as the model alone. ``identity_weight``: how much identity counts.
    """

    identity: float
    obedience: float
    identity_weight: float = 0.5

    @property
    def total(self) -> float:
        """The weighted harmonic mean, which neither score can lift alone (van Rijsbergen's F)."""
        if min(self.identity, self.obedience) <= 0:
            return 0.0
        return 1 / (self.identity_weight / self.identity + (1 - self.identity_weight) / self.obedience)


def has_stopped_improving(scores: Sequence[Scores], patience: int) -> bool:
    """Whether none of the last ``patience`` checkpoints was better than the best one before them."""
    totals = [score.total for score in scores]
    if len(totals) <= patience:
        return False
    return max(totals[-patience:]) < max(totals[:-patience]) + _SMALL_CHANGE


@dataclass(frozen=True)
class Look:
    """What every checkpoint of a training draws: the same prompts from the same seeds.

    ``shown`` are the prompts without the trigger, which no judge has been taught.
    """

    prompts: tuple[str, ...]
    shown: tuple[str, ...]
    kind: Kind = "subject"
    seed: int = 0
    count: int = 1  # pictures of each prompt; the same seeds everywhere make few enough to compare
    num_inference_steps: int = STEPS

    @property
    def all_shown(self) -> list[str]:
        """One prompt for each picture of :func:`draw_look`."""
        return [prompt for prompt in self.shown for _ in range(self.count)]


def plan_look(
    defaults: BaseFile, trigger: str, class_word: str, kind: Kind, method: Method = "lora", *, seed: int = 0
) -> Look:
    """The base's example prompts, with the subject in them, or in the style that is learned."""
    words = defaults.example_prompts or ("",)
    subject = name_subject(trigger, class_word, kind, method)
    if kind == "style":
        shown = [f"{_STYLE_SUBJECTS[place % len(_STYLE_SUBJECTS)]} {word}" for place, word in enumerate(words)]
        prompts = [f"{text} in {subject} style" for text in shown]
    else:
        shown = [f"{class_word} {word}" for word in words]
        prompts = [f"{subject} {word}" for word in words]
    return Look(tuple(map(str.strip, prompts)), tuple(map(str.strip, shown)), kind, seed)


def draw_look(look: Look, draw: Draw, weight: float) -> Generator[None, None, list[Image.Image]]:
    """``count`` pictures of each prompt, one denoising step a turn."""
    images: list[Image.Image] = []
    for prompt in look.prompts:
        job = GenerationJob(prompt, seed=look.seed, count=look.count, num_inference_steps=look.num_inference_steps)
        images += [picture.image for picture in (yield from draw(job, weight))]
    return images


@dataclass(frozen=True)
class Yardstick:
    """What pictures are measured against, fixed for one training: its photos, and the look drawn without adapter."""

    look: Look
    bare: list[Image.Image]
    judge: Judge | None
    photo: Any = None  # (D,): the mean of the photos' embeddings; its cosine with a picture's is their mean
    identity_span: tuple[float, float] = (0.0, 1.0)  # floor, ceiling
    obedience_span: tuple[float, float] = (0.0, 1.0)

    def score(self, images: Sequence[Image.Image]) -> Scores | None:
        """The scores of the look's pictures; None where there is no judge."""
        if self.judge is None:
            return None
        likeness = float((self.judge.embed(images) @ self.photo).mean())
        obeyed = float(self.judge.obey(images, self.look.all_shown).mean())
        return Scores(
            _share(likeness, self.identity_span, _LEAST_WAY, _MOST_IDENTITY),
            _share(obeyed, self.obedience_span, _LEAST_OBEDIENCE),
            0.3 if self.look.kind == "style" else 0.5,  # these judges see who is shown better than how it is painted
        )


def make_yardstick(
    look: Look, photos: Sequence[Image.Image], bare: Draw, judge: Judge | None
) -> Generator[None, None, Yardstick]:
    """Draw the look without adapter, and have photos and pictures judged."""
    images = yield from draw_look(look, bare, 0.0)
    if judge is None:
        return Yardstick(look, images, None)
    shown = judge.embed(photos)
    photo = shown.mean(0)
    floor, ceiling = float((judge.embed(images) @ photo).mean()), _likeness_among(judge, photos)
    right, wrong = look.all_shown, _other_prompts(look)
    obedience = (float(judge.obey(images, wrong).mean()), float(judge.obey(images, right).mean()))
    return Yardstick(look, images, judge, photo, (floor, ceiling), obedience)


def judge_checkpoint(yardstick: Yardstick, draw: Draw, weight: float = 1.0) -> Generator[None, None, Scores | None]:
    """Draw the look with a checkpoint and score it, one denoising step a turn."""
    images = yield from draw_look(yardstick.look, draw, weight)
    return yardstick.score(images)


def _likeness_among(judge: Judge, photos: Sequence[Image.Image]) -> float:
    """The mean cosine of each photo with the others; of one alone, with its mirror image and its middle."""
    if len(photos) == 1:
        [photo] = map(on_white, photos)
        edge = min(photo.size) // 8
        views = judge.embed([photo, ImageOps.mirror(photo), ImageOps.crop(photo, edge)])
        return float((views[1:] @ views[0]).mean())
    shown = judge.embed(photos)
    cosines = shown @ shown.T
    return float((cosines.sum() - cosines.diagonal().sum()) / (len(photos) * (len(photos) - 1)))


def _other_prompts(look: Look) -> list[str]:
    """For each picture the prompt of another one."""
    others = (*look.shown[1:], look.shown[0]) if len(look.shown) > 1 else (_UNRELATED,)
    return [prompt for prompt in others for _ in range(look.count)]


def _share(value: float, span: tuple[float, float], least: float, most: float = 1.0) -> float:
    """How far ``value`` is on the way from one end to the other, 0…``most``."""
    floor, ceiling = span
    return min(max((value - floor) / max(ceiling - floor, least), 0.0), most)
