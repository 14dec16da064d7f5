"""``python -m tests.benchmarks.likeness --work FOLDER --json``: how soon a subject is alike, and how each method is.

**Time to likeness** (``arrivals.py``): on three kept-out characters, three seeds each, which photos and training both
follow, ours and the script train on the same base and the same six photos of 256 px, in batches of four, in float32, in
turn in one process of one thread. Now and then the clock stops, six pictures are drawn in scenes that no photo shows,
and the reporting encoder, which chose nothing, measures them. The goal is ``GOAL`` of the way from pictures of the bare
base to real pictures of the character in those scenes; the moment is interpolated between two measurements, a tenth of
the steps apart or five.

- Seconds are the processor's and hold all that each side does itself: loading the base, and our preparation, too.
  Ours takes emoji-64's default recipe without the looks that it has in the bot, which draw and choose.
- ``time_to_likeness_ratio`` compares with the script as it comes: rank 4, attention, learning rate 5e-4, the prompt
  "a photo of thnos <class word>". An epoch of six photos is a batch of four and one of two, as it is there: its steps
  take three photos in the mean, ours always four, in about the same time.
- ``time_to_likeness_same_recipe_ratio`` gives the script our rank, layers and learning rate, so that the loops alone
  differ. What lies between the two is the recipe's.
- Who does not arrive within ``LONGEST`` steps counts with the seconds until then: the ratio is a lower bound, and
  ``…_not_reached`` says how often.

**The table** ``methods`` (``methods.py``): every kept-out character by each method's default recipe; ``story`` says
whether likeness and sizes come out in the field's order, or why not.

It takes long: ``--state FILE`` keeps what is done, so that the next call goes on; ``--quick`` is one character and one
seed; ``--only`` one of the two halves; ``--heads`` and ``--seeds`` some of them.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from PIL import Image

from tests.benchmarks.arrivals import race, summarise_races
from tests.benchmarks.methods import METHODS, ON_SHEET, SCENES, draw_sheet, summarise_methods, tell_story, try_method
from tests.benchmarks.studio import Studio, open_studio
from trainer.models.emoji64 import grammar

CACHE = Path.home() / ".cache" / "darkroom" / "emoji64"
HEADS, SEEDS = tuple(grammar.KEPT_OUT_HEADS)[:3], (1, 2, 3)


@dataclass
class State:
    """What is done, kept in a file where there is one."""

    path: Path | None = None
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None) -> State:
        """As the last call left it."""
        return cls(path, json.loads(path.read_text()) if path and path.exists() else {})

    def rows(self, kind: str) -> dict[str, Any]:
        return self.done.setdefault(kind, {})

    def do(self, kind: str, key: str, work: Callable[[], Any]) -> None:
        """Do it unless it is done."""
        if key not in self.rows(kind):
            self.rows(kind)[key] = work()
            print(kind, key, json.dumps(self.rows(kind)[key]), file=sys.stderr, flush=True)
            self.keep()

    def keep(self) -> None:
        """Write it down in one go: whoever ends the process must not find half a file."""
        if self.path:
            unfinished = self.path.with_name(f"{self.path.name}.part")
            unfinished.write_text(json.dumps(self.done))
            unfinished.replace(self.path)


def main() -> None:
    asked = _parse()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    studio, state = open_studio(asked.work), State.open(asked.state)
    if asked.only != "methods":
        for seed in asked.seeds or (SEEDS[:1] if asked.quick else SEEDS):
            for head in asked.heads or (HEADS[:1] if asked.quick else HEADS):
                state.do("races", f"{head}/{seed}", lambda head=head, seed=seed: race(studio, head, seed))
    if asked.only != "time":
        heads = asked.heads or (HEADS[:1] if asked.quick else tuple(grammar.KEPT_OUT_HEADS))
        try_all(studio, state, heads)
        if asked.sheet:
            draw_sheet(studio, heads[:ON_SHEET], partial(read_pictures, state), asked.sheet)
    print(json.dumps(summarise(state), indent=None if asked.json else 2))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--quick", action="store_true", help="one character, one seed")
    parser.add_argument("--only", choices=("time", "methods"))
    parser.add_argument("--heads", nargs="+", choices=grammar.KEPT_OUT_HEADS, help="these characters alone")
    parser.add_argument("--seeds", nargs="+", type=int, help="of the times to likeness")
    parser.add_argument("--work", type=Path, default=CACHE, help="the emoji are fetched into it when missing")
    parser.add_argument("--state", type=Path, help="what is done, kept for the next call")
    parser.add_argument("--sheet", type=Path, help="a PNG of what the methods drew of two characters")
    return parser.parse_args()


def try_all(studio: Studio, state: State, heads: Sequence[str]) -> None:
    """Every method on every character; the first scenes' pictures of each are kept for the sheet."""
    for head in heads:
        for name in METHODS:
            key = f"{name}/{head}"

            def work(head: str = head, name: str = name, key: str = key) -> dict[str, float]:
                trial = try_method(studio, studio.meet(head, 0, SCENES), name)
                state.rows("pictures")[key] = [write_picture(image) for image in trial.images[:ON_SHEET]]
                return trial.figures

            state.do("methods", key, work)


def write_picture(image: Image.Image) -> str:
    """A picture as text, for the state."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def read_pictures(state: State, head: str, method: str) -> list[Image.Image]:
    """Those that a method drew of a character."""
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in state.rows("pictures")[f"{method}/{head}"]]


def summarise(state: State) -> dict[str, Any]:
    """All figures of what is done."""
    figures = summarise_races(list(state.rows("races").values())) if state.rows("races") else {}
    methods: dict[str, dict[str, dict[str, float]]] = {name: {} for name in METHODS}
    for key, row in state.rows("methods").items():
        name, head = key.split("/")
        methods[name][head] = row
    if state.rows("methods"):
        figures |= {"methods": summarise_methods(methods), "story": tell_story(methods)}
    return figures


if __name__ == "__main__":
    main()
