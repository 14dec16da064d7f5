"""What a card says while the worker writes it. Pure: words in, words out; `delivery` puts them into Discord's form."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.contract import looks
from trainer.contract.events import Outcome
from trainer.contract.requests import ImagineRequest, Request, TrainRequest

_BAR = 12  # characters
_LONGEST_PROMPT = 1_500  # of an embed's 4,096 characters: the whole prompt is under the settings button
_LONGEST_FIELD = 1_000  # of Discord's 1,024
_CONFUSING = str.maketrans({character: f"\\{character}" for character in "\\*_~`|<>[]()#-"})


@dataclass(frozen=True)
class Face:
    """A card's content. ``picture`` names the attachment that it shows large; ``button`` is cancel or nothing."""

    title: str
    text: str
    colour: int
    fields: tuple[tuple[str, str], ...] = ()
    footer: str = ""
    picture: str | None = None
    cancellable: bool = False


def plain(text: str) -> str:
    """``text`` as it is, whatever Markdown it holds."""
    return text.translate(_CONFUSING)


def duration(seconds: float) -> str:
    """Seconds in words as people say them: 40 s, 3 min, 1 h 20 min."""
    whole = max(1, round(seconds))
    if whole < 90:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    words = (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")
    return " ".join(word for word in words if word)


def starting(request: Request) -> Face:
    """The first thing the worker says."""
    if isinstance(request, TrainRequest):
        photos = len(request.photos)
        return Face(
            f"{request.name} is next", f"Looking at {photos} photos…", looks.WORKING, footer=_teaching(request),
            cancellable=True,
        )  # fmt: skip
    return Face("Drawing", _shown(request.prompt), looks.WORKING, footer=request.base, cancellable=True)


def working(request: Request, step: int, steps: int, seconds_left: float | None, picture: str | None) -> Face:
    """How far it is, in plain words."""
    done = min(_BAR, round(_BAR * step / steps))
    left = f" · about {duration(seconds_left)} left" if seconds_left is not None else ""
    bar = f"`{'█' * done}{'░' * (_BAR - done)}` {100 * step // steps} %"
    progress = f"{bar}\nstep {step:,} of {steps:,}{left}"
    if isinstance(request, TrainRequest):
        title, text = f"{request.name} is learning", progress
        if picture is not None:
            text += f"\nThis is how far it has come, “{plain(request.trigger)}” so far:"
        footer = _teaching(request)
    else:
        title, text, footer = "Drawing", f"{_shown(request.prompt)}\n\n{progress}", request.base
    return Face(title, text, looks.WORKING, footer=footer, picture=picture, cancellable=True)


def drawn(request: ImagineRequest, outcome: Outcome, picture: str | None) -> Face:
    """The pictures are there."""
    settings = outcome.settings
    facts = (
        str(settings.get("Model", request.base)), f"{settings.get('Steps')} steps",
        f"guidance {settings.get('CFG scale'):g}", str(settings.get("Size", "")).replace("x", " × "),
        f"seed {request.seed}", duration(outcome.seconds),
    )  # fmt: skip
    fields = []
    without = _line(request.negative_prompt, _LONGEST_FIELD)
    if without:
        fields.append(("Without", without))
    if request.adapters:
        uses = ", ".join(f"{use.name} at {use.weight:g}" for use in request.adapters)
        fields.append(("Adapters", _line(uses, _LONGEST_FIELD)))
    count = len(outcome.pictures)
    title = "Here it is" if count == 1 else f"Here they are, {count} of them"
    text = f"{_shown(request.prompt)}\nfor <@{request.card.requester_id}>"
    return Face(title, text, looks.DONE, tuple(fields), " · ".join(facts), picture)


def trained(request: TrainRequest, outcome: Outcome, picture: str | None) -> Face:
    """The adapter is there."""
    made = outcome.adapter
    if made is None:
        raise ValueError(f"the outcome of training {request.job_id} holds no adapter")
    example = f"`/imagine prompt:<lora:{request.name}:0.8> in a suit`"
    text = (
        f"<@{request.card.requester_id}>, **{plain(request.name)}** has been learned. Write {example}, or press a"
        " button below. Only you can use it until you share it."
    )
    facts = (
        f"{made.photos} photos", f"{made.steps:,} steps", f"rank {made.rank}", f"{made.file.size_bytes / 1e6:.1f} MB",
        made.base, duration(made.seconds),
    )  # fmt: skip
    return Face(f"{request.name} is ready", text, looks.DONE, footer=" · ".join(facts), picture=picture)


def failed(message: str) -> Face:
    """It did not work, and why."""
    return Face("That did not work", message, looks.FAILED)


def cancelled() -> Face:
    """Somebody stopped it."""
    return Face("Cancelled", "This job was stopped; nothing of it was kept.", looks.STOPPED)


def _teaching(request: TrainRequest) -> str:
    return f"{len(request.photos)} photos · {request.base}"


def _shown(prompt: str) -> str:
    return "> " + _line(prompt, _LONGEST_PROMPT)


def _line(text: str, longest: int) -> str:
    """``text`` as it is, on one line of at most so many characters; never cut between a backslash and what it hides."""
    shown = plain(" ".join(text.split()))
    if len(shown) <= longest:
        return shown
    cut = shown[: longest - 1]
    backslashes = len(cut) - len(cut.rstrip("\\"))
    return cut[: len(cut) - backslashes % 2] + "…"
