"""The methods side by side: likeness, obedience, size and seconds of each, on characters that the base never saw."""

from __future__ import annotations

import io
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from tests.benchmarks.studio import TRIGGER, Studio, Subject
from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Recipe
from trainer.generation.sheets import draw_grid
from trainer.models.emoji64 import grammar
from trainer.models.emoji64.report import finish
from trainer.training.captions import name_subject
from trainer.training.loop import Training
from trainer.training.preparing import TrainingJob, prepare_photos

METHODS: dict[str, dict[str, Any]] = {
    "textual_inversion": {"method": "textual_inversion"},
    "lora": {"method": "lora"},
    "pivotal": {"method": "pivotal"},
    "dreambooth": {"method": "dreambooth", "output": "checkpoint"},
    "dreambooth_as_lora": {"method": "dreambooth", "output": "lora"},
}
STORY = ("dreambooth", "lora", "textual_inversion")
"""From the most to the least like, and from the largest to the smallest, as the field tells it."""
SCENES = 12
AT_THE_CEILING = 0.9  # closure: from here on pictures are about as like the photos as real ones
ON_SHEET = 2  # characters, and scenes of each

Rows = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Method, character, figure."""


@dataclass(frozen=True)
class Trial:
    """What came of one method and character."""

    figures: dict[str, float]
    images: list[Image.Image]


def try_method(studio: Studio, subject: Subject, name: str, **changes: Any) -> Trial:
    """Train by a method's default recipe, without looks, and measure what it draws at weight 1."""
    base, recipe = studio.fresh_base(), Recipe(seed=1, **{**METHODS[name], **changes})
    job = TrainingJob(TRIGGER, subject.class_word, "subject", recipe)
    began = time.process_time()
    learned = finish(Training(base, AdapterBank(base.modules), prepare_photos(job, subject.photos), job).run())
    weights = learned.snapshots[-1].weights
    seconds = time.process_time() - began
    with learned.learner.hold(weights) as draw:
        words = name_subject(TRIGGER, subject.class_word, "subject", recipe.method)
        images = studio.draw(subject, draw, words)
    learned.learner.write(weights, {}, file := io.BytesIO())
    learned.learner.close()
    identity = studio.likeness(images, subject)
    figures = {
        "identity": identity, "without": subject.without, "real": subject.real, "closure": subject.closure(identity),
        "obedience": studio.obedience(images, subject), "kilobytes": file.tell() / 1024, "seconds": seconds,
    }  # fmt: skip
    return Trial(figures, images)


def summarise_methods(rows: Rows) -> dict[str, Any]:
    """Means over the characters by method, and the least and most of closures."""
    return {
        method: {
            "characters": len(found),
            **{key: round(statistics.mean(row[key] for row in found.values()), 3) for key in _keys(found)},
            "least_closure": round(min(row["closure"] for row in found.values()), 3),
            "most_closure": round(max(row["closure"] for row in found.values()), 3),
        }
        for method, found in rows.items()
        if found
    }


def _keys(found: Mapping[str, Mapping[str, float]]) -> Sequence[str]:
    return list(next(iter(found.values())))


def tell_story(rows: Rows) -> dict[str, Any]:
    """Whether likeness and sizes come in the order of :data:`STORY`, and a note on where they don't.

    Two methods are compared on the characters that both have; a difference below two standard errors is a tie, which
    is said and does not pass for the story.
    """
    told, notes = [name for name in STORY if rows.get(name)], []
    for more, less in pairwise(told):
        heads = sorted(set(rows[more]) & set(rows[less]))
        if not heads:
            continue
        pairs = [(rows[more][head], rows[less][head]) for head in heads]
        if statistics.mean(a["kilobytes"] - b["kilobytes"] for a, b in pairs) < 0:
            notes.append(f"The file of {more} is smaller than that of {less}.")
        differences = [a["identity"] - b["identity"] for a, b in pairs]
        if (difference := statistics.mean(differences)) < 0:
            ceiling = all(statistics.mean(row["closure"] for row in rows[m].values()) >= AT_THE_CEILING
                          for m in (more, less))  # fmt: skip
            notes.append(_explain(more, less, -difference, differences, ceiling))
    whole = len(told) == len(STORY)
    return {"comes_out": whole and not notes, "note": " ".join(notes) or ("" if whole else "Not all methods are done.")}


def _explain(more: str, less: str, behind: float, differences: Sequence[float], ceiling: bool) -> str:
    count = len(differences)
    text = f"{more} is {behind:.3f} less like than {less} (cosine, mean of {count} characters)"
    if count > 1:
        twice = 2 * statistics.stdev(differences) / math.sqrt(count)
        text += f", {'less' if behind < twice else 'more'} than two standard errors ({twice:.3f})"
    if ceiling:
        text += "; both are at the ceiling of real pictures, above which the score tells nothing"
    return f"{text}."


def draw_sheet(
    studio: Studio, heads: Sequence[str], pictures: Callable[[str, str], Sequence[Image.Image]], path: Path
) -> None:
    """A labelled PNG: photo, without, and each method; a row a scene. ``pictures(head, method)`` were drawn before."""
    labels, cells, notes = [], [], []
    for head in heads:
        subject = studio.meet(head, 0, ON_SHEET)
        bare = studio.draw_bare(subject)
        drawn = {method: pictures(head, method) for method in METHODS}
        for place, scene in enumerate(subject.scenes):
            images = [bare[place], *(images[place] for images in drawn.values())]
            labels.append(grammar.plain_caption(scene, TRIGGER).replace(" on ", "\non ").replace(" at ", "\nat "))
            cells.append([subject.photos[place], *images])
            notes.append(["", *(f"{likeness:.2f}" for likeness in studio.likenesses(images, subject))])
    columns = ("photo", "without", "textual\ninversion", "LoRA", "pivotal", "DreamBooth", "LoRA of\nDreamBooth")
    legend = "Numbers: cosine with the six photos, by the encoder that reports and never chooses."
    path.write_bytes(draw_grid(columns, labels, cells, notes=notes, framed=(-1, -1), legend=legend))
