"""Small files onto the disk, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from trainer.errors import UserFault


def write_file(path: Path, data: bytes) -> None:
    """Raises :class:`UserFault` for a disk that does not take it."""
    half = path.with_name(f"{path.name}.part")
    try:
        half.write_bytes(data)
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise UserFault(
            f"the worker's disk does not take the file ({error.strerror}): tell whoever runs this bot, and try again"
        ) from error
