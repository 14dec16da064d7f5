"""What the cogs hand to the services: frozen orders, checked where Discord can't check."""

from __future__ import annotations

import msgspec

from bot.store.records import AdapterPick, Likeness
from trainer.contract.drawings import DrawingSettings, Grid, Source
from trainer.contract.requests import Kind, Recipe

# ownership, consent and purpose, in the 100 characters that Discord shows
CONSENT_STATEMENT = (
    "These photos are mine to use, and whoever is in them agrees that a model learns and draws them here."
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all orders."""


class Origin(Order, frozen=True):
    """The interaction an order came with."""

    interaction_id: int
    token: str  # never logged; edits the answer for 15 minutes
    member_id: int
    member_name: str  # Discord's unique user name, by which others write ``ada/thnos``
    guild_id: int | None  # None in a direct message
    channel_id: int
    upload_limit_bytes: int = 10 * 1024 * 1024
    role_ids: tuple[int, ...] = ()  # the member's
    parent_channel_id: int | None = None  # of a thread
    age_restricted: bool = False  # whether the channel is

    @property
    def job_id(self) -> str:
        """The id of the job that this interaction makes."""
        return str(self.interaction_id)


class Editor(Order, frozen=True):
    """Who changes what a place keeps, and where that is."""

    member_id: int
    member_name: str
    guild_id: int | None  # None in a direct message
    moderator: bool = False


class Upload(Order, frozen=True):
    """An attachment as Discord describes it; its content type says nothing, for it follows the file name."""

    filename: str
    url: str
    size_bytes: int


class TrainOrder(Order, frozen=True):
    """``/train``, the modal, or the message command."""

    origin: Origin
    name: str
    uploads: tuple[Upload, ...]
    consent: bool
    class_word: str | None = None  # None: the kind's own, such as person for a face
    kind: Kind = "subject"
    likeness: Likeness | None = None  # of a real person, or "none"; None: nothing was said
    base: str | None = None  # None: the default
    recipe: Recipe = Recipe()
    keep_photos: bool = False  # after success, to go on learning from
    continue_from: str | None = None  # name of an adapter of the member's own that goes on learning
    captions: tuple[str | None, ...] = ()  # written in a form, one an upload; (): none were


class Shot(Order, frozen=True, kw_only=True):
    """One picture of an order, with its prompt read and its adapters resolved.

    ``prompt`` is what the model gets (tags taken out, triggers put in), ``prompt_written`` what the member wrote, with
    its choices made; ``template`` and ``negative_template`` are what they were made of, empty where there were none.
    """

    prompt: str
    prompt_written: str
    negative_prompt: str = ""
    adapters: tuple[AdapterPick, ...] = ()
    seed: int | None = None  # None: that of the order, counted up
    settings: DrawingSettings = DrawingSettings()
    aspect: float | None = None  # width over height, in place of a size: the base decides how large
    source: Source | None = None
    template: str = ""
    negative_template: str = ""


class ImagineOrder(Shot, frozen=True, kw_only=True):
    """``/imagine`` or one of its buttons: ``count`` pictures whose seeds count up, or ``shots`` that differ more."""

    origin: Origin
    base: str | None = None  # None: that of the adapters, else the default
    count: int = 1
    shots: tuple[Shot, ...] = ()
    grid: Grid | None = None  # how the shots are laid out
    exact: bool = False
    strict: bool = False
    ignored: tuple[str, ...] = ()  # what has no effect, a sentence each
    writer_id: int | None = None  # whose names stand in the templates; None: whoever orders

    @property
    def pictures(self) -> tuple[Shot, ...]:
        """All pictures that are asked for, in their order."""
        own = {name: getattr(self, name) for name in Shot.__struct_fields__}
        return self.shots or (Shot(**{**own, "seed": None}),) * self.count

    @property
    def all_adapters(self) -> tuple[AdapterPick, ...]:
        """Those of all pictures, each of them once with each of its weights."""
        return tuple(dict.fromkeys(pick for shot in self.pictures for pick in shot.adapters))
