"""Paintings that are carried out side by side in one studio."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from trainer.generation.images import Picture
from trainer.generation.studio import Sample, Studio

Painting = Generator[Sample, None, Picture]
"""Yields the samples that it wants denoised, one after the other; its return value is the picture."""


@dataclass(frozen=True)
class Turn:
    """What has come of one call of the studio."""

    samples: tuple[Sample, ...]  # of the paintings that are not done
    steps_done: int  # of all paintings, over all of their samples
    computed: bool  # False: the samples had been moved on when somebody else's were asked for


def paint_together(studio: Studio, paintings: Mapping[int, Painting]) -> Generator[Turn, None, dict[int, Picture]]:
    """Carry out all paintings, a call of the studio a turn; whatever happens, nothing of them stays in there."""
    done: dict[int, Picture] = {}
    at_work: dict[int, Sample] = {}
    finished = 0

    def go_on(place: int) -> None:
        try:
            at_work[place] = next(paintings[place])
        except StopIteration as end:
            done[place] = end.value
        else:
            studio.join(at_work[place])

    try:
        for place in paintings:
            go_on(place)
        while at_work:
            computed = studio.move_on(list(at_work.values()))
            for place, sample in list(at_work.items()):
                if sample.is_done:
                    studio.leave(at_work.pop(place))
                    finished += sample.plan.steps
                    go_on(place)
            samples = tuple(at_work.values())
            yield Turn(samples, finished + sum(sample.steps_done for sample in samples), computed)
    finally:
        for sample in at_work.values():
            studio.leave(sample)
    return done
