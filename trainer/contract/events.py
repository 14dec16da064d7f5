"""What a worker tells the bot: events of the stream, heartbeats, progress, and the outcome at the commit point."""

from __future__ import annotations

from typing import Literal

import msgspec

from trainer.contract.drawings import AdapterKind
from trainer.contract.lengths import Lengths
from trainer.contract.message import Message
from trainer.contract.names import Lane
from trainer.contract.requests import Method

# from, best, to, where nothing was measured: 0.8 keeps most of the likeness of 1
PROPOSED_WEIGHTS = (0.6, 0.8, 1.0)


class Started(Message, tag="started", frozen=True):
    """The worker took the attempt; from now on it alone writes to the card."""

    job_id: str
    attempt: int
    worker_id: str
    at: float


class Produced(Message, tag="produced", frozen=True):
    """The outcome is committed; cancelling loses from here on."""

    job_id: str
    attempt: int
    at: float


class Delivered(Message, tag="delivered", frozen=True):
    """The result is in the channel, in this message."""

    job_id: str
    attempt: int
    channel_id: int
    message_id: int
    at: float


class Failed(Message, tag="failed", frozen=True):
    """The attempt ended without a result. ``message`` is written for the member and names the way out."""

    job_id: str
    attempt: int
    at: float
    message: str
    reference: str | None = None  # under which the cause was logged, where it was not the member's
    card_written: bool = True  # False: the worker could not tell the member, so the bot does
    refused: bool = False  # what came of it may not be shown: the message is for the member alone, not for the card


class Cancelled(Message, tag="cancelled", frozen=True):
    """The job was stopped because its member said so."""

    job_id: str
    attempt: int
    at: float
    card_written: bool = True


class HandedBack(Message, tag="handed_back", frozen=True):
    """The attempt stopped through no fault of the job (worker shut down, sibling's crash); hand it out again.

    ``counts`` says whether the attempt counts as a try of the job (its own child died).
    """

    job_id: str
    attempt: int
    at: float
    counts: bool = False


class Paused(Message, tag="paused", frozen=True):
    """The member paused the training; its checkpoint is stored, and the next attempt goes on from it."""

    job_id: str
    attempt: int
    at: float
    step: int
    steps: int


Event = Started | Produced | Delivered | Failed | Cancelled | HandedBack | Paused


class Standing(Message, frozen=True):
    """Where the newest checkpoint of a training stands; written beside it in the blob store, right after it."""

    step: int
    steps: int


class Progress(Message, frozen=True):
    """How far a running job is; kept in Redis for /jobs."""

    job_id: str
    attempt: int
    step: int
    steps: int
    seconds_left: float | None


class BaseInfo(Message, frozen=True):
    """A base model as a worker offers it."""

    name: str
    family: Literal["sd1", "sd2", "sdxl"]
    hash: str
    width: int
    height: int
    max_side: int
    num_inference_steps: int
    guidance_scale: float
    sampler: str = ""  # the one that draws where none is chosen, by A1111's name; empty: not told
    embedded: bool = False
    example_prompts: tuple[str, ...] = ()  # what follows "trigger class_word" in the buttons after a training
    # methods that this worker can't train on this base, each with the reason and the way out, as a sentence for members
    unavailable: dict[Method, str] = msgspec.field(default_factory=dict)
    # the largest `resolution` that there is memory for, by method; a method that is not named has no such limit
    most_resolution: dict[Method, int] = msgspec.field(default_factory=dict)
    has_captioner: bool = False
    tuning: str = ""  # how it was found to be fastest on this worker's device, in words; empty: not measured
    bucket_step: int = 64  # sides of what is learned from are multiples of it
    resolutions: tuple[int, int] = (64, 2048)  # the least and the most that `resolution` may be
    context_width: int | None = None  # channels of what its UNet attends to: 768, 1,024, 2,048 …; None: not told
    lengths: Lengths | None = None  # of trainings; None: they can't be told before
    # bytes that a training by the base's own recipe needs on this worker: alone, and beside others of the class
    memory_bytes: dict[Method, tuple[int, int]] = msgspec.field(default_factory=dict)
    # seconds of a sample of the base's own resolution, as the last training by the method took them on this worker
    seconds_per_sample: dict[Method, float] = msgspec.field(default_factory=dict)
    max_high_res_side: int = 4096  # of a second pass
    vaes: tuple[str, ...] = ()  # by name: those that may be chosen instead of its own


class Heartbeat(Message, frozen=True):
    """A worker's sign of life; its key expires after HEARTBEAT_DEAD_AFTER_S."""

    worker_id: str
    at: float
    device: str
    lanes: tuple[Lane, ...]
    bases: tuple[BaseInfo, ...]
    free: dict[str, int]  # free room by lane
    running: tuple[str, ...]  # arq job ids ("job:attempt") it works on

    def serves(self, lane: Lane, base: str) -> bool:
        """Whether it takes jobs of this lane and base."""
        return lane in self.lanes and base in {info.name for info in self.bases}


class OutputFile(Message, frozen=True):
    """One file of an outcome."""

    blob: str
    filename: str
    content_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    parameters: str | None = None  # A1111's text form of the picture's settings
    explicit: bool = False  # a picture that is shown in age-restricted channels alone


class Candidate(Message, frozen=True):
    """One checkpoint of a training, as it was scored: an adapter that the member can choose instead."""

    step: int
    file: OutputFile
    weight: float  # the one that scored best
    # how much its pictures are like the photos: 0 as without it, 1 as another photo (the best are above); None: not
    # measured
    identity: float | None = None
    obedience: float | None = None  # how much of the prompt they show: 1 is what the base alone shows


class AdapterResult(Message, frozen=True):
    """What a training made."""

    adapter_id: str
    kind: AdapterKind
    file: OutputFile
    base: str
    base_hash: str
    trigger: str
    class_word: str
    rank: int
    steps: int
    photos: int
    seconds: float
    final_loss: float
    trainer_version: str
    method: Method = "lora"
    weights: tuple[float, float, float] = PROPOSED_WEIGHTS  # recommended: from, best, to
    candidates: tuple[Candidate, ...] = ()
    chosen: int = 0  # which of the candidates `file` is
    fidelity: float | None = None  # of a LoRA extracted from a whole model: the share of the change that it keeps


class Outcome(Message, frozen=True):
    """The durable result of a job, written once at ``outcomes/{job}``; a lost worker means delivering it again."""

    job_id: str
    attempt: int
    committed_at: float
    pictures: tuple[OutputFile, ...] = ()  # of /imagine; or examples of a training
    adapter: AdapterResult | None = None
    # resolved settings: steps, guidance, sampler, size, seed, model
    settings: dict[str, str | int | float] = msgspec.field(default_factory=dict)
    seconds: float = 0.0
    grid: OutputFile | None = None  # checkpoints × weights, beside a column without adapter
    report: str = ""  # what the scores mean, or what a merge has lost, in plain words
    export: OutputFile | None = None  # a file for its owner alone


encode = msgspec.msgpack.Encoder().encode
_event_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


def decode_event(data: bytes) -> Event:
    """Decode an event of the stream. Raises ``msgspec.ValidationError`` for anything else."""
    return _event_decoder.decode(data)


def decode_heartbeat(data: bytes) -> Heartbeat:
    """Decode a heartbeat. Raises ``msgspec.ValidationError`` for anything else."""
    return msgspec.msgpack.decode(data, type=Heartbeat)


def decode_progress(data: bytes) -> Progress:
    """Decode a progress report. Raises ``msgspec.ValidationError`` for anything else."""
    return msgspec.msgpack.decode(data, type=Progress)


def decode_standing(data: bytes) -> Standing:
    """Decode a standing. Raises ``msgspec.ValidationError`` for anything else."""
    return msgspec.json.decode(data, type=Standing)


def decode_outcome(data: bytes) -> Outcome:
    """Decode an outcome. Raises ``msgspec.ValidationError`` for anything else."""
    return msgspec.msgpack.decode(data, type=Outcome)
