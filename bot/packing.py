"""Zips of a most size, for what has to be handed over as attachments."""

from __future__ import annotations

import io
import zipfile

MOST_PARTS = 10  # files of a message
_OVERHEAD = 4096  # of a zip, beside its files


class Packer:
    """Packs files into zips of a most size."""

    def __init__(self, part_bytes: int) -> None:
        self._most = part_bytes - _OVERHEAD
        self._parts: list[bytes] = []
        self._buffer = io.BytesIO()
        self._zip: zipfile.ZipFile | None = None
        self._used = 0
        self.left_out: list[str] = []

    def add(self, name: str, data: bytes, *, compress: bool = False) -> None:
        """Put a file into the zip at hand, or the next; what fits into none is left out."""
        size = len(data) + 2 * len(name.encode()) + 200  # uncompressed: compressing only makes it less
        if size > self._most or (self._used + size > self._most and len(self._parts) + 1 >= MOST_PARTS):
            self.left_out.append(name)
            return
        if self._used + size > self._most:
            self._end_part()
        if self._zip is None:
            self._zip = zipfile.ZipFile(self._buffer, "w")
        how = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        self._zip.writestr(name, data, compress_type=how)
        self._used += size

    def _end_part(self) -> None:
        if self._zip is not None:
            self._zip.close()
            self._parts.append(self._buffer.getvalue())
        self._buffer, self._zip, self._used = io.BytesIO(), None, 0

    def close(self) -> list[bytes]:
        """The zips."""
        self._end_part()
        return self._parts
