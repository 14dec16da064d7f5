"""Where a training stands that a worker has left: at its newest checkpoint in the blob store."""

from __future__ import annotations

import msgspec
import structlog

from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.events import Standing, decode_standing
from trainer.contract.names import standing_path

log = structlog.get_logger(__name__)


async def read_standing(blobs: Blobs, job_id: str) -> Standing | None:
    """What the next attempt goes on from. None: nothing was kept, so it begins anew; as does every picture."""
    try:
        return decode_standing(await blobs.read(standing_path(job_id)))
    except BlobMissing:
        return None
    except msgspec.MsgspecError as error:
        log.error("standing.unreadable", job=job_id, error=str(error))
        return None
