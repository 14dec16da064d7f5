"""The end of a training: a grid of checkpoints and weights is drawn and scored, and the best of them chosen."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from trainer.choosing.report import describe_choice, describe_proposal, percent
from trainer.choosing.scores import Draw, Scores, Yardstick, draw_look
from trainer.contract.events import PROPOSED_WEIGHTS
from trainer.generation.sheets import draw_grid

WEIGHTS = PROPOSED_WEIGHTS  # are tried: what is proposed unseen, so that the grid shows it
MOST = 4  # checkpoints in a grid; each costs as many pictures as there are weights and prompts
_NEARLY = 0.95  # of the best total: recommended weights are at least that good


@dataclass(frozen=True)
class Checkpoint:
    """One state of a training that can be drawn with."""

    step: int
    draw: Draw


@dataclass(frozen=True)
class Verdict:
    """What was found of one checkpoint: its best weight, and the scores there; None where there is no judge."""

    step: int
    weight: float
    scores: Scores | None


@dataclass(frozen=True)
class Choice:
    """The best one. ``weights``: from, best, to; ``grid``: PNG; ``report``: for its member, at most 700 letters."""

    index: int
    weights: tuple[float, float, float]
    verdicts: tuple[Verdict, ...]
    grid: bytes
    report: str


def shortlist(scores: Sequence[Scores | None], most: int = MOST) -> tuple[int, ...]:
    """Which checkpoints come into the grid, in order: the last, and the best others; spread evenly if not scored."""
    last = len(scores) - 1
    if last < most:
        return tuple(range(last + 1))
    totals = {place: score.total for place, score in enumerate(scores) if score is not None}
    if len(totals) < len(scores):
        return tuple(round((place + 1) * len(scores) / most) - 1 for place in range(most))
    best = sorted(range(last), key=lambda place: (-totals[place], place))[: most - 1]
    return (*sorted(best), last)


def choose(yardstick: Yardstick, checkpoints: Sequence[Checkpoint]) -> Generator[None, None, Choice]:
    """Draw and score each of ``checkpoints`` at each of :data:`WEIGHTS`, one denoising step a turn.

    Without a judge one picture a cell is drawn, and the last checkpoint is proposed.
    """
    if yardstick.judge is None:
        yardstick = replace(yardstick, look=replace(yardstick.look, prompts=yardstick.look.prompts[:1], count=1))
    pictures: list[list[Image.Image]] = []
    scores: list[list[Scores]] = []
    for checkpoint in checkpoints:
        shown, scored = [yardstick.bare[0]], []
        for weight in WEIGHTS:
            images = yield from draw_look(yardstick.look, checkpoint.draw, weight)
            shown.append(images[0])
            score = yardstick.score(images)
            if score is not None:
                scored.append(score)
        pictures.append(shown)
        scores.append(scored)
    steps = [checkpoint.step for checkpoint in checkpoints]
    if yardstick.judge is None:
        verdicts = tuple(Verdict(step, PROPOSED_WEIGHTS[1], None) for step in steps)
        index, weights = len(steps) - 1, PROPOSED_WEIGHTS
        report = describe_proposal(steps[-1], PROPOSED_WEIGHTS)
    else:
        verdicts = tuple(_judge(step, row) for step, row in zip(steps, scores, strict=True))
        index = max(range(len(steps)), key=lambda place: (_merit(scores[place]), -place))
        weights = recommend_weights([score.total for score in scores[index]])
        report = describe_choice(steps, index, weights, scores[index], yardstick.look.kind)
    framed = (index, 1 + WEIGHTS.index(weights[1]))
    return Choice(index, weights, verdicts, _draw(steps, pictures, scores, framed), report)


def _judge(step: int, row: Sequence[Scores]) -> Verdict:
    best = _best(row)
    return Verdict(step, WEIGHTS[best], row[best])


def _best(row: Sequence[Scores]) -> int:
    return max(range(len(row)), key=lambda place: (row[place].total, place))


def _merit(row: Sequence[Scores]) -> float:
    """The mean total of a checkpoint's best weight and those beside it: few pictures make one weight alone a chance."""
    best = _best(row)
    near = row[max(best - 1, 0) : best + 2]
    return sum(score.total for score in near) / len(near)


def recommend_weights(totals: Sequence[float]) -> tuple[float, float, float]:
    """From, best and to: the best of :data:`WEIGHTS`, and how far the total stays near it on either side.

    Between two weights the total is taken to change evenly; ends are rounded inwards to 0.1. Nothing is said beyond the
    weights that were tried.
    """
    best = max(range(len(totals)), key=lambda place: (totals[place], place))
    low, high = _reach(totals, best, -1), _reach(totals, best, 1)
    best_weight = WEIGHTS[best]
    return (min(math.ceil(low * 10 - 1e-6) / 10, best_weight), best_weight,
            max(math.floor(high * 10 + 1e-6) / 10, best_weight))  # fmt: skip


def _reach(totals: Sequence[float], best: int, direction: int) -> float:
    """The weight on one side of the best where the total has fallen too far; the last one tried, if it never does."""
    enough, place = _NEARLY * totals[best], best
    while 0 <= (beyond := place + direction) < len(totals):
        if totals[beyond] < enough:
            share = (totals[place] - enough) / (totals[place] - totals[beyond])
            return WEIGHTS[place] + share * (WEIGHTS[beyond] - WEIGHTS[place])
        place = beyond
    return WEIGHTS[place]


def _draw(
    steps: Sequence[int],
    pictures: Sequence[Sequence[Image.Image]],
    scores: Sequence[Sequence[Scores]],
    framed: tuple[int, int],
) -> bytes:
    scored = any(scores)
    notes = [[""] * (1 + len(WEIGHTS)) for _ in steps]
    if scored:
        notes = [["", *(f"{percent(s.identity)} · {percent(s.obedience)}" for s in row)] for row in scores]
    return draw_grid(
        ["without\nadapter", *(f"weight\n{weight:.1f}" for weight in WEIGHTS)],
        [f"step\n{step}" for step in steps],
        pictures, notes=notes, framed=framed,
        legend="under a picture: likeness · obedience in %" if scored else "",
    )  # fmt: skip
