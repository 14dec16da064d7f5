"""Base models by their Hugging Face id: from the local cache, else downloaded once; never a pickle, never code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError, of the library that it speaks through
    GatedRepoError,
    HTTPError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from trainer.contract.hub_files import choose_files
from trainer.errors import MissingBases
from trainer.models.folders import check_folder

log = structlog.get_logger(__name__)


def locate(hub_id: str) -> Path | None:
    """The cached snapshot of ``hub_id`` if all that a base needs is there. Asks nobody."""
    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True))
    except IncompleteSnapshotError as error:  # of the whole repository, of which a base needs a part
        folder = Path(error.snapshot_path)
    except LocalEntryNotFoundError:
        return None
    try:
        check_folder(folder)
    except MissingBases:
        return None
    return folder


def fetch(hub_ids: Sequence[str]) -> None:
    """Download what the cache lacks, saying so. Raises :class:`MissingBases`, naming the id and the way out."""
    for hub_id in hub_ids:
        if locate(hub_id) is None:
            _download(hub_id)


def _download(hub_id: str) -> None:
    try:
        files = HfApi().model_info(hub_id, files_metadata=True).siblings or []
        sizes = {file.rfilename: file.size or 0 for file in files}
        wanted = choose_files(sizes)
        if "model_index.json" not in wanted:
            raise MissingBases(
                f"{hub_id} on the Hugging Face hub is no model in diffusers format; download its .safetensors file"
                " into DARKROOM_BASES instead, or take it out of DARKROOM_HUB_BASES"
            )
        size_gb = round(sum(sizes[name] for name in wanted) / 1e9, 1)
        log.info("hub.downloading", base=hub_id, files=len(wanted), size_gb=size_gb, note="once; it stays in the cache")
        folder = Path(snapshot_download(hub_id, allow_patterns=wanted))
        log.info("hub.downloaded", base=hub_id)
    except RepositoryNotFoundError as error:
        # the hub says of a gated repository, too, that it is not there, to whom it does not know
        asked = "asks for your consent" if isinstance(error, GatedRepoError) else "is not there, or not for everybody"
        raise MissingBases(
            f"{hub_id} {asked} on the Hugging Face hub; check the id in DARKROOM_HUB_BASES, or agree on its page and"
            " set HF_TOKEN"
        ) from error
    except (HTTPError, OSError, ValueError) as error:
        raise MissingBases(
            f"{hub_id} is not in the Hugging Face cache and can't be downloaded ({str(error).splitlines()[0][:200]});"
            f" go online once, or run `hf download {hub_id}` where there is a network and copy the cache (HF_HOME)"
        ) from error
    check_folder(folder)
