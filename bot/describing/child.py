"""Reads the settings out of one file, in a child process of its own: `python -m bot.describing.child`.

A JSON request on stdin names the file; one line of JSON says what stands in it, or the error.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import msgspec

from bot.describing.fields import read_fields
from bot.describing.programs import read_settings
from bot.describing.talk import Asked, Said
from bot.errors import UserError

MEMORY_BYTES = 1024**3  # of address space
CPU_S = 10


def describe(data: bytes, filename: str) -> Said:
    """The settings in a picture's bytes, or what is wrong with these."""
    try:
        return Said(read_settings(read_fields(data, filename)))
    except UserError as error:
        return Said(error=error.message)


def main() -> None:
    """Serve one request, within limits on memory and time."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    said = describe(Path(asked.path).read_bytes(), asked.filename)
    sys.stdout.buffer.write(msgspec.json.encode(said))


if __name__ == "__main__":
    main()
