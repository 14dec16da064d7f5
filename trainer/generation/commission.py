"""One job's drawings, painted in the studio beside those of all other jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import partial
from itertools import groupby

from trainer import messages
from trainer.adapters.uses import ReadAdapter, read_adapter
from trainer.contract.drawings import AdapterUse, Drawing
from trainer.contract.prompt import PromptError
from trainer.engine import Free, Steps
from trainer.errors import UserFault
from trainer.generation.distilled import adjust
from trainer.generation.easel import Company, Easel
from trainer.generation.images import Picture
from trainer.generation.metadata import picture_files, write_png
from trainer.generation.painting import paint
from trainer.generation.previews import Previewer
from trainer.generation.resolving import count_steps, resolve_settings
from trainer.generation.studio import Studio
from trainer.generation.together import Turn, paint_together

PREVIEW_EVERY = 8  # steps
FindEasel = Callable[[AdapterUse | None], Easel]


def carry_out(studio: Studio, command: messages.StartImagining, find_easel: FindEasel) -> Steps:
    """Paint all drawings of a job; where one draws with a whole model, ``find_easel`` brings that.

    Raises :class:`trainer.errors.UserFault`, BadAdapterFile.
    """
    request, began = command.request, time.monotonic()
    pictures: dict[int, Picture] = {}
    settings: dict[str, str | int | float] = {}
    progress = _Progress(request.job_id)
    # drawings of one whole model follow each other, for only one is in memory
    wholes = [find_whole(drawing) for drawing in request.drawings]
    blobs = ["" if whole is None else whole.blob for whole in wholes]
    order = sorted(range(len(blobs)), key=lambda place: (blobs.index(blobs[place]), place))
    for _, places in groupby(order, key=lambda place: blobs[place]):
        here = list(places)
        easel = find_easel(wholes[here[0]])
        companies = {place: _gather(easel, request.drawings[place], command.files) for place in here}
        drawings = {place: adjust(request.drawings[place], companies[place].distillations()) for place in here}
        settings = settings or resolve_settings(easel, drawings[here[0]])
        progress.steps = progress.steps or sum(count_steps(easel, drawing) for drawing in request.drawings)
        progress.steps += sum(count_steps(easel, drawings[p]) - count_steps(easel, request.drawings[p]) for p in here)
        progress.previewer = easel.previewer
        paintings = {
            place: paint(easel, drawings[place], companies[place], command.files, exact=request.exact) for place in here
        }
        pictures |= yield from _report(paint_together(studio, paintings), progress)
    files = picture_files(pictures[place] for place in range(len(request.drawings)))
    return messages.Drawn(request.job_id, files, settings, time.monotonic() - began)


def find_whole(drawing: Drawing) -> AdapterUse | None:
    """The whole model that a drawing draws with, if any. Raises UserFault: there are two."""
    wholes = [use for use in drawing.adapters if use.kind == "checkpoint"]
    if len(wholes) > 1:
        raise UserFault("two whole models can't draw one picture: leave one out")
    return wholes[0] if wholes else None


def _gather(easel: Easel, drawing: Drawing, files: Mapping[str, messages.Spooled]) -> Company:
    """The adapters of a drawing, from the shelf where they are there."""
    widths = {tower.name: tower.width for tower in easel.base.towers}

    def read(use: AdapterUse) -> ReadAdapter:
        return read_adapter(use, files[use.blob].read(), widths)

    uses = [use for use in drawing.adapters if use.kind != "checkpoint"]
    return Company(tuple((use, easel.shelf.take(f"{use.blob} {use.trigger}", partial(read, use))) for use in uses))


class _Progress:
    """How far a job is, over all of its pictures."""

    def __init__(self, job_id: str) -> None:
        self.job_id, self.steps, self.finished = job_id, 0, 0
        self.previewer: Previewer | None = None  # of the base that is drawn with
        self._shown = 0

    def report(self, turn: Turn) -> messages.Stepped:
        """The steps that were taken, now and then with a rough picture of what is coming."""
        step = self.finished + turn.steps_done
        preview = None
        coming = turn.samples[0].picture if turn.samples else None
        due = step // PREVIEW_EVERY > self._shown // PREVIEW_EVERY
        if due and coming is not None and self.previewer is not None:
            self._shown = step
            preview = write_png(self.previewer.show(coming), "")
        return messages.Stepped(self.job_id, step, self.steps, preview)


def _report(
    turns: Generator[Turn, None, dict[int, Picture]], progress: _Progress
) -> Generator[messages.Report | Free | None, None, dict[int, Picture]]:
    """The same turns, reported."""
    steps_done = 0
    with closing(turns):  # a job that is stopped leaves the studio at once
        while True:
            try:
                turn = next(turns)
            except StopIteration as end:
                progress.finished += steps_done
                return end.value
            except PromptError as error:
                raise UserFault(str(error)) from error
            report, steps_done = progress.report(turn), turn.steps_done
            yield report if turn.computed else Free(report)
