"""What the bot asks of a worker: one frozen message a job, decoded strictly."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["subject", "face", "style"]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that crosses the border: immutable, and unknown fields are refused."""


class Card(Message, frozen=True):
    """The Discord message that shows a job, and what the worker needs to write to it as the bot."""

    channel_id: int
    message_id: int | None  # None: it could not be posted; the worker posts anew
    posted_at: float  # Unix seconds; older than 50 minutes means a new message, for late edits are rate-limited hard
    requester_id: int
    guild_id: int | None = None
    upload_limit_bytes: int = 10 * 1024 * 1024
    private: bool = False  # an ephemeral card can't be edited by the bot token; the result comes as a new message


class Recipe(Message, frozen=True):
    """How to train. None means the base's default for that field."""

    steps: int | None = None
    rank: int | None = None
    learning_rate: float | None = None
    prior_weight: float | None = None  # 0 turns prior preservation off
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


class AdapterUse(Message, frozen=True):
    """One adapter in one prompt."""

    name: str  # as written, for the settings text
    blob: str  # path of its safetensors file
    weight: float


class ImagineRequest(Message, tag="imagine", frozen=True):
    """Generate pictures. None means the base's default for that field."""

    job_id: str
    attempt: int
    base: str
    prompt: str  # as used: tags taken out or replaced by triggers
    prompt_written: str  # as the member wrote it
    negative_prompt: str
    adapters: tuple[AdapterUse, ...]
    seed: int  # of the first picture; the next ones count up, as A1111 does
    count: int
    card: Card
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    width: int | None = None
    height: int | None = None


Request = TrainRequest | ImagineRequest

encode_request = msgspec.msgpack.Encoder().encode
_request_decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)


def decode_request(data: bytes) -> Request:
    """Decode a request. Raises ``msgspec.ValidationError`` for anything that is not exactly one."""
    return _request_decoder.decode(data)
