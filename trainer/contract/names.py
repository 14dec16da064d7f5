"""Names of Redis keys, streams, queues and blob paths; each stands here once."""

from __future__ import annotations

import re
from typing import Literal

Action = Literal[
    "cancel", "settings", "again", "delete", "example", "share", "retry", "forget",
    "pause", "resume", "finish", "choose", "train", "drop", "crops",
    "picture", "pictures", "subtle", "strong", "upscale", "highres", "remix", "favourite", "favourites", "kept",
    "edit", "paste", "words", "erase", "uphold", "takedown",
    "page", "use", "like", "examples", "recipe", "report", "write", "cover", "rename", "versions", "remove",
    "version", "unversion", "gallery", "open", "made", "star", "discard", "album",
    "sharing", "server", "everyone", "private", "members", "agree",
]  # what buttons and menus do  # fmt: skip
Wish = Literal["pause", "finish"]  # what a member may want of a running training, besides its end

Lane = Literal["imagine", "train", "merge"]
LANES: tuple[Lane, ...] = ("imagine", "train", "merge")

EVENTS_STREAM = "darkroom:events"
EVENTS_GROUP = "bot"
BACKUPS_WANTED = "darkroom:backups"  # a list of ids, from `darkroom backup` to the bot
EVENT_FIELD = "event"  # the one field of a stream entry: a msgpack Event
WORKERS_PATTERN = "darkroom:worker:*"

HEARTBEAT_EVERY_S = 5
HEARTBEAT_DEAD_AFTER_S = 15
CANCEL_KEPT_S = 24 * 3600
PROGRESS_KEPT_S = 3600
CARD_STALE_AFTER_S = 50 * 60  # edits of messages older than an hour are rate-limited hard


def queue_name(lane: Lane, base: str) -> str:
    """The arq queue of one lane and base."""
    return f"darkroom:queue:{lane}:{base}"


def arq_job_id(job_id: str, attempt: int) -> str:
    """The id under which arq knows one attempt of a job."""
    return f"{job_id}:{attempt}"


def worker_key(worker_id: str) -> str:
    """Holds a worker's Heartbeat; expires with it."""
    return f"darkroom:worker:{worker_id}"


def attempt_key(job_id: str) -> str:
    """Holds the number of the current attempt; what an older one says is refused."""
    return f"darkroom:attempt:{job_id}"


def cancel_key(job_id: str) -> str:
    """Exists when the job is to be cancelled."""
    return f"darkroom:cancel:{job_id}"


def wish_key(job_id: str) -> str:
    """Holds what is wanted of a running training, as :func:`wish_value` writes it."""
    return f"darkroom:wish:{job_id}"


def wish_value(attempt: int, wish: Wish, step: int = 0) -> str:
    """A wish with the attempt that it is meant for: what is left in Redis does not reach the next one.

    ``step``: how far the training was when its member wished it, so that an attempt that begins anew gets there first.
    """
    return f"{attempt}:{wish}:{step}"


def read_wish(value: bytes, attempt: int) -> tuple[Wish, int] | None:
    """What :func:`wish_value` wrote for this attempt: the wish and the step. None for anything else."""
    found = re.fullmatch(rb"(\d+):(pause|finish):(\d+)", value)
    if found is None or int(found[1]) != attempt:
        return None
    return "pause" if found[2] == b"pause" else "finish", int(found[3])


def backup_answer_key(request: str) -> str:
    """A list of one: what came of a backup that was asked for."""
    return f"darkroom:backup:{request}"


def progress_key(job_id: str) -> str:
    """Holds the newest Progress of a running job, for /jobs."""
    return f"darkroom:progress:{job_id}"


def photo_path(job_id: str, index: int) -> str:
    """Where a job's photo lies in the blob store; photos are never shared between jobs, so that deleting is certain."""
    return f"photos/{job_id}/{index:03}.png"


def photos_prefix(job_id: str) -> str:
    """All photos of a job."""
    return f"photos/{job_id}/"


def report_path(job_id: str) -> str:
    """What is to be said of a job's photos before it begins; it lies among them, so that it goes with them."""
    return f"{photos_prefix(job_id)}report.json"


def sheet_path(job_id: str) -> str:
    """The picture of how a job's photos are cropped, of which the same is true."""
    return f"{photos_prefix(job_id)}crops.jpg"


def checkpoint_prefix(job_id: str) -> str:
    """All checkpoints of a training."""
    return f"checkpoints/{job_id}/"


def checkpoint_path(job_id: str) -> str:
    """The newest checkpoint of a training, from which its next attempt goes on."""
    return f"{checkpoint_prefix(job_id)}newest.safetensors"


def standing_path(job_id: str) -> str:
    """Where the newest checkpoint stands, as a Standing."""
    return f"{checkpoint_prefix(job_id)}newest.json"


def outcome_path(job_id: str) -> str:
    """The commit point: created once, holding an Outcome."""
    return f"outcomes/{job_id}"


def button_id(action: Action, job_id: str, place: int | None = None) -> str:
    """The custom_id of a button on a job's card: an action and an opaque id, authorised again at every click."""
    return f"dr:{action}:{job_id}" if place is None else f"dr:{action}:{job_id}:{place}"
