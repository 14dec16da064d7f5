"""Checks files that strangers made, in a process of its own: `python -m bot.importing.child`.

A JSON array of files on stdin, a line of JSON for each on stdout: what is in it, or the error. The bot asks for one at
a time; the limits on memory and time are the process's own, so that no header, however it is made, goes beyond them.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import msgspec

from bot.errors import UserError, quoted
from bot.importing.found import Asked, Said
from bot.importing.inspection import inspect

MEMORY_BYTES = 120 * 1024**2  # of address space, beside what Python and numpy have mapped: 35 MiB of that are in memory
CPU_S = 1  # for the header and small files
BYTES_A_CPU_S = 100_000_000  # what the slowest machine reads, looks through and copies
ROOM_BYTES = 16 * 1024**2  # that the copy's header may add


def answer(asked: Asked) -> Said:
    """What is in the file, or what is wrong with it."""
    try:
        return Said(found=inspect(asked))
    except UserError as error:
        return Said(error=error.message)
    except MemoryError:
        return Said(error=f"{quoted(asked.filename)} takes more memory to read than any adapter does: choose another.")


def _mapped_bytes() -> int:
    """Address space of this process: how much of it libraries map without using it, each machine has its own way."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> None:
    """Serve one request, within limits on memory, time and what is written."""
    files = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Asked])
    size_bytes = sum(Path(asked.path).stat().st_size for asked in files)
    cpu_s = CPU_S * len(files) + size_bytes // BYTES_A_CPU_S
    memory = _mapped_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes + ROOM_BYTES, size_bytes + ROOM_BYTES))
    for asked in files:
        sys.stdout.buffer.write(msgspec.json.encode(answer(asked)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
