"""``python -m tests.benchmarks.likeness --work FOLDER --json``: how soon a subject is alike, and how each method is.

Time to likeness: on three kept-out characters, three seeds each (photos and training both follow the seed), ours and
the script train on the same photos with the same batch, in turn in one process of one thread. Every so many steps the
clock stops, six pictures are drawn, and the reporting encoder, which chose nothing, measures them. The goal is fixed:
``GOAL`` of the way from pictures of the bare base to real pictures of the character in those scenes; the moment is
interpolated between two measurements. Seconds are the processor's and hold all that each side does itself: our
preparation is in ours. Ours takes emoji-64's default recipe without looks of its own. The script is taken twice: as it
comes (rank 4, attention, learning rate 5e-4), which is what ``time_to_likeness_ratio`` compares with, and with our
rank, layers and learning rate, so that only the loops differ (``…_same_recipe_ratio``). Who does not arrive within
``LONGEST`` steps counts with the seconds until then, and the ratio is a lower bound; ``not_reached`` counts them.

The table ``methods`` trains every kept-out character by each method's default recipe.

It takes hours: ``--state FILE`` keeps what is done, so that the next call goes on; ``--quick`` is one character and one
seed; ``--only`` one of the two halves; ``--heads`` some of the characters.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tests.benchmarks.bases import load_modules
from tests.benchmarks.measure import Spread
from tests.benchmarks.ours import emoji_base
from tests.benchmarks.reference import ReferenceLora
from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Recipe
from trainer.generation.pipeline import GenerationJob, generate
from trainer.models.emoji64 import grammar, teach
from trainer.models.emoji64.assets import Assets, fetch_assets
from trainer.models.emoji64.compose import Composer
from trainer.models.emoji64.encoder import PictureEncoder, load_encoder
from trainer.models.emoji64.evaluate import agreement, contact_sheet, to_tensor
from trainer.models.loading import Base, load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.training.captions import name_subject
from trainer.training.loop import Hooks, Training, TrainingJob, prepare_photos
from trainer.training.recipes import MODULES

TRIGGER = "thnos"
HEADS, SEEDS = tuple(grammar.KEPT_OUT_HEADS)[:3], (1, 2, 3)
GOAL = 0.8
EVERY, LONGEST = 25, 750  # steps of four photos; ours by default takes 375
SCENES, LOOK_STEPS = 6, 10
METHODS: dict[str, dict[str, Any]] = {
    "textual_inversion": {"method": "textual_inversion"},
    "lora": {"method": "lora"},
    "pivotal": {"method": "pivotal"},
    "dreambooth": {"method": "dreambooth", "output": "checkpoint"},
    "dreambooth_as_lora": {"method": "dreambooth"},
}


@dataclass(frozen=True)
class Subject:
    """A character, its photos, and what pictures of it are measured against, by the reporting encoder."""

    head: str
    photos: list[Image.Image]
    shown: torch.Tensor  # (N, D): the photos' embeddings
    without: float
    real: float

    @property
    def class_word(self) -> str:
        return grammar.class_word(self.head)

    def closure(self, identity: float) -> float:
        """How far of the way from the bare base (0) to real pictures (1)."""
        return (identity - self.without) / (self.real - self.without)


class Studio:
    """Draws and measures."""

    def __init__(self, work: Path) -> None:
        fetch_assets(work / "assets")
        self.assets = Assets(work / "assets")
        self.encoder: PictureEncoder = load_encoder(EMBEDDED_FOLDER / "encoders" / "reporter.safetensors")
        self.base = load_base(read_base(EMBEDDED_FOLDER, embedded=True))

    def meet(self, head: str, seed: int, scenes: int) -> Subject:
        """The character as it is photographed by this seed."""
        photos = [photo.convert("RGB") for photo in teach.compose_photos(self.assets, head, 256, seed)]
        small = [photo.resize((64, 64), Image.Resampling.LANCZOS) for photo in photos]
        shown = self.encoder(to_tensor(small))["embedding"]
        composer, rng = Composer(self.assets), teach.random.Random(f"real/{head}/{seed}")
        real = [composer.compose(scene, 64, rng) for scene in teach.prompt_scenes(head, seed)[:scenes]]
        words = f"{TRIGGER} {grammar.class_word(head)}"
        bare = self.draw(head, seed, scenes, words, lambda job, weight: generate(self.base, AdapterBank({}), job))
        return Subject(head, photos, shown, self.likeness(bare, shown), self.likeness(real, shown))

    def draw(self, head: str, seed: int, scenes: int, subject: str, draw: Callable[..., Any]) -> list[Image.Image]:
        """One picture of each scene, always from the same seeds."""
        images = []
        for place, scene in enumerate(teach.prompt_scenes(head, seed)[:scenes]):
            prompt = grammar.plain_caption(scene, subject)
            job = GenerationJob(prompt, seed=1000 + place, num_inference_steps=LOOK_STEPS)
            images += [picture.image for picture in finish(draw(job, 1.0))]
        return images

    @torch.no_grad()
    def likeness(self, images: Sequence[Image.Image], shown: torch.Tensor) -> float:
        """The mean cosine of pictures and photos."""
        return float((self.encoder(to_tensor(list(images)))["embedding"] @ shown.T).mean())

    @torch.no_grad()
    def obedience(self, images: Sequence[Image.Image], head: str, seed: int) -> float:
        """The share of outfits and backgrounds that were read as the prompts name them."""
        wanted = teach.prompt_scenes(head, seed)[: len(images)]
        read = agreement(self.encoder.read(to_tensor(list(images))), wanted)
        return (read["outfit"] + read["background"]) / 2


def finish(steps: Any) -> Any:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


# -- time to likeness -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """When the goal was reached: optimizer steps and processor seconds; or how far it came."""

    reached: bool
    steps: float
    seconds: float
    closure: float


Moment = tuple[float, float, float]
"""Steps, seconds, and the closure that was measured then."""


def interpolate(before: Moment, after: Moment, goal: float) -> tuple[float, float]:
    """Steps and seconds at ``goal`` between two measurements."""
    share = (goal - before[2]) / (after[2] - before[2])
    return before[0] + share * (after[0] - before[0]), before[1] + share * (after[1] - before[1])


def arrive(step: Callable[[], object], measure: Callable[[], float], began_s: float = 0.0) -> Arrival:
    """Take steps until ``measure`` says that the goal is reached; ``began_s`` were spent before the first."""
    seconds, last = began_s, (0.0, began_s, 0.0)
    for taken in range(EVERY, LONGEST + 1, EVERY):
        began = time.process_time()
        for _ in range(EVERY):
            step()
        seconds += time.process_time() - began
        now = (float(taken), seconds, measure())
        if now[2] >= GOAL:
            return Arrival(True, *interpolate(last, now, GOAL), now[2])
        last = now
    return Arrival(False, *last)


def our_arrival(studio: Studio, subject: Subject, seed: int) -> Arrival:
    """Ours, by emoji-64's default recipe."""
    began = time.process_time()
    base = emoji_base_again(studio.base)
    job = TrainingJob(TRIGGER, subject.class_word, "subject", Recipe(seed=seed, steps=4 * LONGEST + 4))
    training = Training(base, AdapterBank(base.modules), prepare_photos(job, subject.photos), job, Hooks())
    steps = training.run()
    while next(steps) is None:
        pass
    first = time.process_time() - began
    words = f"{TRIGGER} {subject.class_word}"

    def measure() -> float:
        images = studio.draw(subject.head, seed, SCENES, words, training.learner.draw)
        return subject.closure(studio.likeness(images, subject.shown))

    arrival = arrive(lambda: next(steps), measure, first)
    steps.close()
    return arrival


def emoji_base_again(base: Base) -> Base:
    """A fresh copy, so that nothing of an earlier training is in it."""
    return load_base(base.spec)


def script_arrival(studio: Studio, subject: Subject, seed: int, options: dict[str, Any]) -> Arrival:
    """The script's, from the same photos as files."""
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for number, photo in enumerate(subject.photos):
            paths.append(Path(name) / f"{number}.png")
            photo.save(paths[-1])
        began = time.process_time()
        modules, words = load_modules(), f"{TRIGGER} {subject.class_word}"
        stepper = ReferenceLora(modules, paths, instance_prompt=f"a photo of {words}", batch=4, seed=seed, **options)
        first, base, bank = time.process_time() - began, emoji_base(modules), AdapterBank({})
        for parameter in stepper.parameters:
            parameter.requires_grad_(True)  # emoji_base froze all

        def measure() -> float:
            draw = lambda job, weight: generate(base, bank, job)  # noqa: E731
            return subject.closure(studio.likeness(studio.draw(subject.head, seed, SCENES, words, draw), subject.shown))

        return arrive(stepper.step, measure, first)


def race(studio: Studio, head: str, seed: int) -> dict[str, Any]:
    """The three arrivals of one character and seed."""
    subject = studio.meet(head, seed, SCENES)
    recipe = studio.base.spec.defaults.recipe
    same = {"rank": recipe.rank, "lora_alpha": recipe.lora_alpha, "target_modules": MODULES[recipe.layers],
            "learning_rate": recipe.learning_rate}  # fmt: skip
    arrivals = {
        "ours": our_arrival(studio, subject, seed),
        "script_same_recipe": script_arrival(studio, subject, seed, same),
        "script": script_arrival(studio, subject, seed, {}),
    }
    return {name: vars(arrival) for name, arrival in arrivals.items()}


def summarise_races(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The ratios with their spread; one row a character and seed."""
    figures: dict[str, Any] = {}
    for key, other in (("time_to_likeness_ratio", "script"),
                       ("time_to_likeness_same_recipe_ratio", "script_same_recipe")):  # fmt: skip
        spread = _spread([row[other]["seconds"] / row["ours"]["seconds"] for row in rows])
        figures |= {key: round(spread.median, 2), f"{key}_spread": spread.rounded(2)}
    for name in ("ours", "script_same_recipe", "script"):
        figures[f"{name}_seconds"] = _spread([row[name]["seconds"] for row in rows]).rounded(1)
        figures[f"{name}_steps"] = _spread([row[name]["steps"] for row in rows]).rounded(0)
        figures[f"{name}_not_reached"] = sum(not row[name]["reached"] for row in rows)
    return figures | {"races": len(rows)}


def _spread(values: Sequence[float]) -> Spread:
    return Spread.of(values) if len(values) > 1 else Spread(values[0], values[0], values[0])


# -- the methods ------------------------------------------------------------------------------------------------------


def try_method(studio: Studio, head: str, name: str, sheet: dict[str, list[Image.Image]]) -> dict[str, float]:
    """Train a character by one method's default recipe and measure what it draws."""
    subject, base = studio.meet(head, 0, 2 * SCENES), emoji_base_again(studio.base)
    recipe = Recipe(seed=1, **METHODS[name])
    job = TrainingJob(TRIGGER, subject.class_word, "subject", recipe)
    began = time.process_time()
    learned = finish(Training(base, AdapterBank(base.modules), prepare_photos(job, subject.photos), job).run())
    seconds, weights = time.process_time() - began, learned.snapshots[-1].weights
    words = name_subject(TRIGGER, subject.class_word, "subject", recipe.method)
    with learned.learner.hold(weights) as draw:
        images = studio.draw(head, 0, 2 * SCENES, words, draw)
    size = len(learned.learner.write(weights, {}))
    learned.learner.close()
    sheet[f"{head}/{name}"] = images[:2]
    identity = studio.likeness(images, subject.shown)
    return {
        "identity": identity, "without": subject.without, "real": subject.real, "closure": subject.closure(identity),
        "obedience": studio.obedience(images, head, 0), "kilobytes": size / 1024, "seconds": seconds,
    }  # fmt: skip


def summarise_methods(rows: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Means over the characters, by method."""
    return {
        method: {
            "characters": len(found),
            **{
                key: round(statistics.mean(row[key] for row in found.values()), 3) for key in next(iter(found.values()))
            },
        }
        for method, found in rows.items()
        if found
    }


# -- the command ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object alone")
    parser.add_argument("--quick", action="store_true", help="one character, one seed")
    parser.add_argument("--only", choices=("time", "methods"))
    parser.add_argument("--heads", nargs="+", choices=grammar.KEPT_OUT_HEADS, help="of these characters alone")
    parser.add_argument("--work", type=Path, required=True, help="the emoji are fetched into it when missing")
    parser.add_argument("--state", type=Path, help="what is done, kept for the next call")
    parser.add_argument("--sheet", type=Path, help="where the methods' pictures go")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    studio, sheet = Studio(asked.work), {}
    state: dict[str, Any] = {"races": {}, "methods": {}}
    if asked.state and asked.state.exists():
        state = json.loads(asked.state.read_text())

    def do(kind: str, key: str, work: Callable[[], Any]) -> None:
        if key not in state[kind]:
            state[kind][key] = work()
            print(kind, key, json.dumps(state[kind][key]), file=sys.stderr, flush=True)
            if asked.state:
                asked.state.write_text(json.dumps(state))

    heads = asked.heads or (HEADS[:1] if asked.quick else None)
    for seed in SEEDS[:1] if asked.quick else SEEDS:
        for head in (heads or HEADS) if asked.only != "methods" else ():
            do("races", f"{head}/{seed}", lambda head=head, seed=seed: race(studio, head, seed))
    for head in (heads or grammar.KEPT_OUT_HEADS) if asked.only != "time" else ():
        for name in METHODS:
            do("methods", f"{name}/{head}", lambda head=head, name=name: try_method(studio, head, name, sheet))
    if asked.sheet and sheet:
        contact_sheet([image for images in sheet.values() for image in images], 2 * len(METHODS), asked.sheet)
    print(json.dumps(summarise(state), indent=None if asked.json else 2))


def summarise(state: dict[str, Any]) -> dict[str, Any]:
    """All figures of what is done."""
    figures = summarise_races(list(state["races"].values())) if state["races"] else {}
    methods: dict[str, dict[str, dict[str, float]]] = {name: {} for name in METHODS}
    for key, row in state["methods"].items():
        name, head = key.split("/")
        methods[name][head] = row
    return figures | ({"methods": summarise_methods(methods)} if state["methods"] else {})


if __name__ == "__main__":
    main()
