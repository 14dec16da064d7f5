"""What the bot asks of a worker: one frozen message a job, decoded strictly."""

from __future__ import annotations

from typing import Literal

import msgspec

from trainer.contract.drawings import AdapterUse, Drawing, Grid
from trainer.contract.merges import Work
from trainer.contract.message import Message

Kind = Literal["subject", "face", "style"]
Method = Literal["lora", "textual_inversion", "pivotal", "dreambooth"]
Preset = Literal["fast", "balanced", "detailed"]
Layers = Literal["attention", "attention_ff", "attention_ff_conv"]  # which of the UNet's layers a LoRA is put on
CaptionSource = Literal["none", "template", "photo", "captioner"]
Output = Literal["lora", "checkpoint"]


class Card(Message, frozen=True):
    """The Discord message that shows a job, and what the worker needs to write to it as the bot."""

    channel_id: int
    message_id: int | None  # None: it could not be posted; the worker posts anew
    posted_at: float  # Unix seconds; older than 50 minutes means a new message, for late edits are rate-limited hard
    requester_id: int
    guild_id: int | None = None
    upload_limit_bytes: int = 10 * 1024 * 1024
    private: bool = False  # an ephemeral card can't be edited by the bot token; the result comes as a new message
    explicit_allowed: bool = False  # an age-restricted channel, and no likeness of a real person


class Recipe(Message, frozen=True):
    """How to train. None means the default: that of the method, the preset and the base, for that number of photos."""

    method: Method = "lora"
    preset: Preset = "balanced"
    steps: int | None = None  # batch-1 equivalents
    rank: int | None = None
    lora_alpha: float | None = None
    learning_rate: float | None = None
    text_encoder: bool | None = None  # whether the text encoders learn too, for the first half
    text_encoder_learning_rate: float | None = None
    target_modules: Layers | None = None
    dora: bool | None = None  # Liu et al. 2024
    vectors: int | None = None  # of textual inversion and pivotal
    prior_weight: float | None = None  # 0 turns prior preservation off
    captions: CaptionSource | None = None
    caption_template: str | None = None  # of all photos; `{}` is where trigger and class word are put
    caption_dropout: float | None = None
    snr_gamma: float | None = None  # 0 turns min-SNR weights off
    ema: float | None = None  # decay of the average of the weights; 0 turns it off
    flip: bool | None = None  # show photos mirrored, too
    masks: bool | None = None  # learn what is transparent in a photo only faintly
    resolution: int | None = None  # the side of a square of as many pixels as are learned from
    batch: int | None = None
    early_stop: bool | None = None
    preview_every: int | None = None  # steps; 0: no previews
    output: Output | None = None  # of dreambooth
    seed: int | None = None


class TrainRequest(Message, tag="train", frozen=True):
    """Train an adapter from photos in the blob store."""

    job_id: str
    attempt: int
    base: str
    adapter_id: str
    name: str
    trigger: str  # the rare word that stands for the subject, as a rule the name
    class_word: str  # what kind of thing it is: person, dog, style …
    kind: Kind
    photos: tuple[str, ...]  # blob paths
    captions: tuple[str | None, ...]  # per photo; None: the template of the kind
    recipe: Recipe
    card: Card
    focuses: tuple[tuple[float, float] | None, ...] = ()  # per photo: what a crop keeps in the middle, (x, y) in 0…1
    continue_from: str | None = None  # blob path of the adapter that goes on learning
    keep_photos_days: int | None = None  # after success, so that the card can say it; None: not at all

    @property
    def takes_device(self) -> bool:
        """Whether it leaves no room for pictures beside it: a whole model learns."""
        return self.recipe.method == "dreambooth"


class ImagineRequest(Message, tag="imagine", frozen=True):
    """Draw pictures, and lay them out as a ``grid`` where one is asked for."""

    job_id: str
    attempt: int
    base: str
    drawings: tuple[Drawing, ...]  # at least one
    card: Card
    grid: Grid | None = None
    exact: bool = False  # drawn alone, so that the same settings give the same picture to the last bit
    ignored: tuple[str, ...] = ()  # what was asked for and has no effect, a sentence each, for the card

    @property
    def adapters(self) -> tuple[AdapterUse, ...]:
        """Those of all drawings, each file once, as it is first used."""
        first: dict[str, AdapterUse] = {}
        for use in (use for drawing in self.drawings for use in drawing.adapters):
            first.setdefault(use.blob, use)
        return tuple(first.values())

    @property
    def blobs(self) -> tuple[str, ...]:
        """Paths of all files that it takes to draw: adapters, pictures and masks, each once."""
        sources = [drawing.source for drawing in self.drawings if drawing.source is not None]
        pictures = [path for source in sources for path in (source.picture, source.mask) if path is not None]
        return tuple(dict.fromkeys([*(use.blob for use in self.adapters), *pictures]))


class MergeRequest(Message, tag="merge", frozen=True):
    """Make an adapter or a whole model out of others, or write one in another form."""

    job_id: str
    attempt: int
    base: str  # that of the first of what is merged: what comes out of it belongs to this one
    work: Work
    card: Card
    name: str  # of what it makes; of an export, the exported one's
    adapter_id: str = ""  # of what it makes; an export makes none
    trigger: str = ""
    class_word: str = ""

    @property
    def is_export(self) -> bool:
        """Whether a file is all that comes of it, for its owner alone: the bot, and not the worker, delivers it."""
        return not self.adapter_id


Request = TrainRequest | ImagineRequest | MergeRequest

encode_request = msgspec.msgpack.Encoder().encode
_request_decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)


def decode_request(data: bytes) -> Request:
    """Decode a request. Raises ``msgspec.ValidationError`` for anything that is not exactly one."""
    return _request_decoder.decode(data)
