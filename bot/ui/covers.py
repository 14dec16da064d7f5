"""Stored pictures as one sheet, drawn in a child process."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence

import msgspec
import structlog

from bot.children import ask_child
from bot.sheets import TIMEOUT_S, Sheet
from bot.store.records import Picture
from trainer.contract.blobs import BlobMissing, Blobs

log = structlog.get_logger(__name__)


async def draw_sheet(blobs: Blobs, named: Sequence[tuple[str, Picture | None]]) -> bytes | None:
    """A JPEG of these pictures with their numbers and names; None where there are none, or it could not be drawn."""
    pictures = await asyncio.gather(*(_read(blobs, picture) for _, picture in named))
    if not any(pictures):
        return None
    sheet = Sheet(names=tuple(name for name, _ in named), pictures=tuple(pictures))
    try:
        ended = await ask_child("bot.sheets", msgspec.msgpack.encode(sheet), timeout_s=TIMEOUT_S)
    except TimeoutError:
        log.warning("sheet.late")
        return None
    if ended.returncode != 0 or not ended.lines:
        log.error("sheet.failed", returncode=ended.returncode, stderr=ended.stderr[-1_000:])
        return None
    return base64.b64decode(ended.lines[0])


async def _read(blobs: Blobs, picture: Picture | None) -> bytes | None:
    if picture is None:
        return None
    try:
        return await blobs.read(picture.blob)
    except BlobMissing:
        return None
