"""What a card says while the worker writes it. Pure: words in, words out; `delivery` puts them into Discord's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.contract import looks
from trainer.contract.drawings import AdapterUse
from trainer.contract.events import AdapterResult, Outcome
from trainer.contract.merges import describe
from trainer.contract.names import Action
from trainer.contract.prompt import emphasise
from trainer.contract.requests import ImagineRequest, MergeRequest, Request, TrainRequest
from trainer.contract.samplers import find_sampler, name_sampler

_BAR = 12  # characters
_CANCEL: tuple[tuple[Action, str], ...] = (("cancel", "Cancel"),)
_BEFORE_LEARNING: tuple[tuple[Action, str], ...] = (("pause", "Pause"), *_CANCEL)
_WHILE_LEARNING: tuple[tuple[Action, str], ...] = (("pause", "Pause"), ("finish", "Stop and keep"), *_CANCEL)
_LONGEST_FIELD = 1_000  # of Discord's 1,024


@dataclass(frozen=True)
class Face:
    """A card's content. ``picture`` names the attachment that it shows large."""

    title: str
    text: str
    colour: int
    fields: tuple[tuple[str, str], ...] = ()
    footer: str = ""
    picture: str | None = None
    buttons: tuple[tuple[Action, str], ...] = ()  # what each does, and what it says


def starting(request: Request) -> Face:
    """The first thing the worker says."""
    if isinstance(request, TrainRequest):
        text = f"Looking at {len(request.photos)} photos…"
        return Face(f"{request.name} is next", text, looks.WORKING, footer=_teaching(request), buttons=_BEFORE_LEARNING)
    if isinstance(request, MergeRequest):
        title = f"{request.name} is being made"
        return Face(title, _merging(request), looks.WORKING, footer=request.base, buttons=_CANCEL)
    return Face("Drawing", looks.quote(request.drawings[0].prompt), looks.WORKING, footer=request.base, buttons=_CANCEL)


def planned(request: TrainRequest, steps: int, seconds: float | None, memory_bytes: int | None) -> Face:
    """What the training will take: the steps that are left, and time and memory as far as they can be estimated."""
    time = f", about {looks.duration(seconds)}" if seconds is not None else ""
    memory = f", about {looks.memory(memory_bytes)} of memory" if memory_bytes is not None else ""
    text = f"Looking at {len(request.photos)} photos…\n{steps:,} steps{time}{memory}"
    return Face(f"{request.name} is next", text, looks.WORKING, footer=_teaching(request), buttons=_BEFORE_LEARNING)


def working(request: Request, step: int, steps: int, seconds_left: float | None, picture: str | None) -> Face:
    """How far it is, in plain words."""
    done = min(_BAR, round(_BAR * step / steps))
    left = f" · about {looks.duration(seconds_left)} left" if seconds_left is not None else ""
    bar = f"`{'█' * done}{'░' * (_BAR - done)}` {100 * step // steps} %"
    if isinstance(request, MergeRequest):
        text = f"{_merging(request)}\n\n{bar}"
        return Face(f"{request.name} is being made", text, looks.WORKING, footer=request.base, buttons=_CANCEL)
    progress = f"{bar}\nstep {step:,} of {steps:,}{left}"
    if isinstance(request, TrainRequest):
        title, text = f"{request.name} is learning", progress
        if picture is not None:
            text += f"\nThis is how far it has come, “{looks.plain(request.trigger)}” so far:"
        footer, buttons = _teaching(request), _WHILE_LEARNING
    else:
        title, text, footer = "Drawing", f"{looks.quote(request.drawings[0].prompt)}\n\n{progress}", request.base
        buttons = _CANCEL
    return Face(title, text, looks.WORKING, footer=footer, picture=picture, buttons=buttons)


def drawn(request: ImagineRequest, outcome: Outcome, picture: str | None) -> Face:
    """The pictures are there."""
    settings, first = outcome.settings, request.drawings[0]
    facts = (
        str(settings.get("Model", request.base)), f"{settings.get('Steps')} steps",
        f"guidance {settings.get('CFG scale'):g}", str(settings.get("Size", "")).replace("x", " × "),
        f"seed {first.seed}", *_sampler(request, settings), looks.duration(outcome.seconds),
    )  # fmt: skip
    fields = []
    without = looks.one_line(first.negative_prompt, _LONGEST_FIELD)
    if without:
        fields.append(("Without", without))
    if request.adapters:
        uses = ", ".join(_named(use) for use in request.adapters)
        fields.append(("Adapters", looks.one_line(uses, _LONGEST_FIELD)))
    if request.ignored:
        fields.append((looks.IGNORED, looks.one_line(" ".join(request.ignored), _LONGEST_FIELD)))
    count = len(outcome.pictures)
    title = "Here it is" if count == 1 else f"Here they are, {count} of them"
    text = f"{looks.quote(first.prompt)}\nfor <@{request.card.requester_id}>"
    return Face(title, text, looks.DONE, tuple(fields), " · ".join(facts), picture)


def _sampler(request: ImagineRequest, settings: Mapping[str, str | int | float]) -> list[str]:
    """The sampler that drew, be it the member's, an adapter's or the base's choice.

    A grid that compares several names them at its side.
    """
    chosen = {(drawing.settings.sampler, drawing.settings.scheduler) for drawing in request.drawings}
    drew = str(settings.get("Sampler", ""))
    named = find_sampler(drew, str(settings.get("Schedule type", ""))) if drew and len(chosen) == 1 else None
    return [] if named is None else [name_sampler(*named)]


def trained(request: TrainRequest, outcome: Outcome, picture: str | None) -> Face:
    """The adapter is there."""
    made = outcome.adapter
    if made is None:
        raise ValueError(f"the outcome of training {request.job_id} holds no adapter")
    text = f"<@{request.card.requester_id}>, **{looks.plain(request.name)}** has been learned. {_use(request, made)}"
    if request.keep_photos_days:
        text += (
            f" Its photos are kept for {request.keep_photos_days} days, so that it can go on learning from them;"
            " `/adapter delete` deletes them at once."
        )
    fields = []
    if outcome.report:
        fields.append(("How it turned out", looks.one_line(outcome.report, _LONGEST_FIELD)))
    rank = [f"rank {made.rank}"] if made.rank else []  # a textual inversion and a whole model have none
    facts = (
        f"{made.photos} photos", f"{made.steps:,} steps", *rank, looks.size(made.file.size_bytes), made.base,
        looks.duration(made.seconds),
    )  # fmt: skip
    return Face(f"{request.name} is ready", text, looks.DONE, tuple(fields), " · ".join(facts), picture)


def merged(request: MergeRequest, outcome: Outcome) -> Face:
    """What was made of others is there."""
    made = outcome.adapter
    if made is None:
        raise ValueError(f"the outcome of merge {request.job_id} holds no adapter")
    text = (
        f"<@{request.card.requester_id}>, **{looks.plain(request.name)}** has been made of {_merging(request)}."
        f" {_use(request, made)}"
    )
    fields = (("What it is worth", looks.one_line(outcome.report, _LONGEST_FIELD)),) if outcome.report else ()
    rank = [f"rank {made.rank}"] if made.rank else []
    facts = (*rank, looks.size(made.file.size_bytes), made.base, looks.duration(made.seconds))
    return Face(f"{request.name} is ready", text, looks.DONE, fields, " · ".join(facts))


def _merging(request: MergeRequest) -> str:
    return looks.one_line(describe(request.work), _LONGEST_FIELD)


def _use(request: TrainRequest | MergeRequest, made: AdapterResult) -> str:
    """How to draw with it."""
    if made.kind == "checkpoint":
        return (
            f"Write `/imagine prompt:<lora:{request.name}> in a suit`, or press a button below. It is a whole model, so"
            " a weight says nothing to it. Only you can use it until you share it."
        )
    low, best, high = made.weights
    tag = f"<lora:{request.name}:{best:g}>"
    if made.kind == "textual_inversion":
        tag = emphasise(made.trigger, best)
    span = (
        f"well at weights from {low:g} to {high:g}, and best at {best:g}" if low < high else f"best at weight {best:g}"
    )
    return (
        f"Write `/imagine prompt:{tag} in a suit`, or press a button below. It does {span}. Only you can use it until"
        " you share it."
    )


def failed(message: str) -> Face:
    """It did not work, and why."""
    return Face("That did not work", message, looks.FAILED)


def refused() -> Face:
    """What came of it may not be shown; why is told to the member alone."""
    return Face("Not shown", looks.NOT_SHOWN, looks.STOPPED)


def cancelled() -> Face:
    """Somebody stopped it."""
    return Face("Cancelled", "This job was stopped.", looks.STOPPED)


def _named(use: AdapterUse) -> str:
    """The weight of a textual inversion stands in the prompt."""
    return use.name if use.kind == "textual_inversion" else f"{use.name} at {use.weight:g}"


def _teaching(request: TrainRequest) -> str:
    return f"{len(request.photos)} photos · {request.base}"
