"""Transport compression of the gateway: one stream for the whole connection, flushed after every payload."""

import zlib
from typing import Protocol


class Compressor(Protocol):
    """Turns payloads into frames of one stream."""

    def compress(self, data: bytes) -> bytes:
        """The frame that carries this payload."""
        ...


class ZlibStream:
    """`compress=zlib-stream`: every frame ends in 00 00 FF FF."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def compress(self, data: bytes) -> bytes:
        """The frame that carries this payload."""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)


def make_compressor(name: str | None) -> Compressor | None:
    """The compressor that a client asks for in the gateway's address; None for plain text frames.

    Raises:
        ValueError: the sandbox does not speak that compression.
    """
    if not name:
        return None
    if name == "zlib-stream":
        return ZlibStream()
    raise ValueError(f"compress must be zlib-stream or left out, got {name}")
