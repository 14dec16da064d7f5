"""What the supervisor and its engine say to each other through their pipe: msgpack, never pickle. No torch here.

Only words and pictures to look at go through it. What may be large (photos, adapters, whole models, checkpoints) is
handed over as a file, of which the message names the path: see :mod:`trainer.spool`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import msgspec

from trainer.contract.drawings import AdapterKind
from trainer.contract.events import PROPOSED_WEIGHTS, BaseInfo
from trainer.contract.message import Message
from trainer.contract.names import Wish
from trainer.contract.requests import ImagineRequest, MergeRequest, TrainRequest
from trainer.errors import UserFault


class Spooled(Message, frozen=True):
    """A file that is handed over by its path: one in the worker's spool, or a blob's own, which is only read."""

    path: str
    size: int  # bytes

    @classmethod
    def of(cls, path: Path) -> Self:
        """That file, which is complete."""
        return cls(str(path), path.stat().st_size)

    def read(self) -> bytes:
        """The bytes of a small one. Raises :class:`UserFault` for a blob that was deleted meanwhile."""
        return self.open_path().read_bytes()

    def open_path(self) -> Path:
        """Where it is, for who maps a large one into memory. Raises :class:`UserFault`, as :meth:`read` does."""
        path = Path(self.path)
        if not path.is_file():
            raise UserFault("a photo or an adapter of this job was deleted meanwhile: send it again, or leave it out")
        return path


class StartTraining(Message, tag="start_training", frozen=True):
    """Train from these photos (PNG files), from a checkpoint where there is one; files are written into ``folder``."""

    request: TrainRequest
    photos: tuple[Spooled, ...]
    folder: str
    resume: Spooled | None = None
    source: Spooled | None = None  # the file of the adapter that goes on learning


class StartImagining(Message, tag="start_imagining", frozen=True):
    """Draw, with the files that ``request.blobs`` names."""

    request: ImagineRequest
    files: dict[str, Spooled]  # by blob path


class StartMerging(Message, tag="start_merging", frozen=True):
    """Merge, with the files that ``request.work`` names; what comes of it is written into ``folder``."""

    request: MergeRequest
    files: dict[str, Spooled]  # by blob path
    folder: str


class Cancel(Message, tag="cancel", frozen=True):
    """Stop a job between two of its steps."""

    job_id: str


class Ask(Message, tag="ask", frozen=True):
    """What a member wants of a training: to pause it, or to end it now and keep what was learned."""

    job_id: str
    wish: Wish
    step: int = 0  # how far the training was when it was wished


Command = StartTraining | StartImagining | StartMerging | Cancel | Ask


class Ready(Message, tag="ready", frozen=True):
    """The engine has found its device and its bases."""

    device: str
    bases: tuple[BaseInfo, ...]
    refused: tuple[str, ...] = ()  # a sentence for everything beside them that can't be used


class CannotStart(Message, tag="cannot_start", frozen=True):
    """A start-up fault that the operator can mend; ``message`` says how."""

    message: str


class Planned(Message, tag="planned", frozen=True):
    """A training knows what it will do, before it looks at the photos: it goes on from ``step`` to ``steps``."""

    job_id: str
    step: int
    steps: int
    memory_bytes: int | None = None  # of the device, as estimated
    step_work: float = 1.0  # what a step has to do, see :func:`trainer.contract.lengths.step_work`


class Stepped(Message, tag="stepped", frozen=True):
    """A job took a step; ``preview`` is a PNG."""

    job_id: str
    step: int
    steps: int
    preview: bytes | None = None


class Checkpointed(Message, tag="checkpointed", frozen=True):
    """A training can be resumed from here, after ``step`` of ``steps``.

    The next one is written when the worker has taken this file away.
    """

    job_id: str
    file: Spooled
    step: int
    steps: int


class PictureFile(Message, frozen=True):
    """A finished picture as PNG, with its settings in A1111's text form."""

    png: bytes
    width: int
    height: int
    seed: int
    parameters: str
    explicit: bool = False  # as the worker found it


class Drawn(Message, tag="drawn", frozen=True):
    """The pictures of an /imagine, or the examples after a training."""

    job_id: str
    pictures: tuple[PictureFile, ...]
    settings: dict[str, str | int | float]
    seconds: float


class Paused(Message, tag="paused", frozen=True):
    """A training was paused after this step; it goes on from ``checkpoint``."""

    job_id: str
    step: int
    steps: int
    checkpoint: Spooled | None  # None: nothing was learned since the one it was resumed from


class CandidateFile(Message, frozen=True):
    """One checkpoint of a training: its adapter file and scores, as :class:`trainer.contract.events.Candidate`."""

    step: int
    file: Spooled
    weight: float
    identity: float | None = None
    obedience: float | None = None


class Trained(Message, tag="trained", frozen=True):
    """A finished adapter, its file (that of the chosen candidate, where there are some) and examples drawn with it."""

    job_id: str
    file: Spooled
    metadata: dict[str, str]
    rank: int
    steps: int
    final_loss: float
    seconds: float
    examples: tuple[PictureFile, ...] = ()
    kind: AdapterKind = "lora"
    candidates: tuple[CandidateFile, ...] = ()
    chosen: int = 0
    weights: tuple[float, float, float] = PROPOSED_WEIGHTS
    grid: bytes | None = None  # PNG
    report: str = ""
    fidelity: float | None = None


class Merged(Message, tag="merged", frozen=True):
    """What was made of others, or written in another form."""

    job_id: str
    file: Spooled
    kind: AdapterKind
    base_hash: str
    trainer: str
    seconds: float
    rank: int = 0  # of a LoRA
    fidelity: float | None = None  # the share of what was to be merged, taken out or written that the file keeps
    report: str = ""  # the same in plain words


class Stopped(Message, tag="stopped", frozen=True):
    """A job was cancelled between two steps; nothing of it is left."""

    job_id: str


class Refused(Message, tag="refused", frozen=True):
    """A job can't be done. ``message`` is for the member, None when the fault is ours; ``details`` are for the log."""

    job_id: str
    message: str | None
    details: str = ""


Report = Ready | CannotStart | Planned | Stepped | Checkpointed | Paused | Drawn | Trained | Merged | Stopped | Refused

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder[Command](Command).decode
decode_report = msgspec.msgpack.Decoder[Report](Report).decode
