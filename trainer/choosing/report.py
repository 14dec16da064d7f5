"""What a choice means, in words for a member who has never heard of an embedding; at most 700 characters."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.choosing.scores import Scores
from trainer.contract.requests import Kind

_LOW_LIKENESS = 0.5
_LOW_OBEDIENCE = 0.75  # of what the model alone shows
_SAME = 0.05  # few pictures were looked at: smaller differences are chance

Weights = tuple[float, float, float]  # from, best, to


def percent(share: float) -> int:
    """In steps of 5, at most 100: a handful of pictures says no more than that."""
    return min(round(share * 20) * 5, 100)


def describe_choice(
    steps: Sequence[int],
    index: int,
    weights: Weights,
    row: Sequence[Scores],
    kind: Kind,
) -> str:
    """The report of the checkpoint ``steps[index]``, whose scores by weight are ``row``."""
    best = max(row, key=lambda score: score.total)
    identity, obedience = percent(best.identity), percent(best.obedience)
    sentences = [
        f"Step {steps[index]} at weight {weights[1]:.1f} was chosen.",
        f"Likeness about {identity} %: 0 % is a picture without the adapter, 100 % is as like your photos as they are "
        "to each other.",
        f"Obedience about {obedience} %: how much of the prompt is shown, where 100 % is what the model shows without "
        "the adapter.",
        _range(weights, row),
    ]
    if index < len(steps) - 1:
        sentences.append(f"The steps after {steps[index]} were no better.")
    return " ".join([*sentences, *_warnings(best, kind)])


def _range(weights: Weights, row: Sequence[Scores]) -> str:
    low, best, high = weights
    text = f"Weights from {low:.1f} to {high:.1f} work well" if low < high else f"Stay near weight {best:.1f}"
    changes = _what_changes(row)
    return f"{text}: {changes}." if changes else f"{text}."


def _what_changes(row: Sequence[Scores]) -> str:
    """What more weight does to the scores, where it does anything."""
    liker = row[-1].identity > row[0].identity + _SAME
    worse = row[-1].obedience < row[0].obedience - _SAME
    if liker and worse:
        return "more makes it more like your photos, less follows the prompt better"
    if liker:
        return "less makes it less like your photos"
    return "more makes it follow the prompt less" if worse else ""


def _warnings(best: Scores, kind: Kind) -> list[str]:
    """What is not as it should be, and what to do about it."""
    found = []
    if kind == "style":
        found.append("These scores see what is shown better than how it is painted: for a style trust your eyes more.")
    elif best.identity < _LOW_LIKENESS:
        found.append(
            "The likeness is low: try more or clearer photos, more steps, `preset: detailed`, or another class word."
        )
    if best.obedience < _LOW_OBEDIENCE:
        found.append(
            "It shows much less of a prompt than the model alone: it has learned your photos by heart. Choose an "
            "earlier step in the grid, or train with fewer steps or more varied photos."
        )
    return found


def describe_proposal(step: int, weights: Weights) -> str:
    """The report where no judge is configured."""
    low, best, high = weights
    return (
        f"Nothing was measured, for no judge of pictures is set up here: the last step ({step}) at weight {best:.1f}, "
        f"of the usual {low:.1f} to {high:.1f}, is only proposed. Look at the grid, and choose an earlier step if its "
        "pictures follow the prompt better. Whoever runs this bot can set DARKROOM_JUDGES to have likeness and "
        "obedience measured."
    )
