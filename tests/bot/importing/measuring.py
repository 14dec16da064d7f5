"""What a child takes, seen from a process so small that nothing of it counts: peak memory and processor time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bot.importing.found import Asked, Said
from tests.bot.importing.genuine import TINY_WIDTHS

ROOT = Path(__file__).parents[3]
_LAUNCH = """
import resource, subprocess, sys, time
began = time.perf_counter()
ended = subprocess.run([sys.executable, *sys.argv[1:]], stdin=sys.stdin)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
wall_s = time.perf_counter() - began
print(ended.returncode, used.ru_maxrss, used.ru_utime + used.ru_stime, wall_s, file=sys.stderr)
"""


@dataclass(frozen=True)
class Measured:
    """``peak_mib`` of memory, ``cpu_s`` of processor time, ``wall_s`` from its start to its end."""

    stdout: bytes
    returncode: int
    peak_mib: float
    cpu_s: float
    wall_s: float


def run_measured(*arguments: str, request: bytes = b"") -> Measured:
    """`python ARGUMENTS` as the bot starts its children."""
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-c", _LAUNCH, *arguments], input=request, capture_output=True, env=environment, check=True
    )
    returncode, peak_kib, cpu_s, wall_s = ended.stderr.decode().splitlines()[-1].split()
    return Measured(ended.stdout, int(returncode), int(peak_kib) / 1024, float(cpu_s), float(wall_s))


def check_measured(files: dict[str, bytes], folder: Path) -> tuple[dict[str, Said], Measured]:
    """The child's answers to all of these at once, and what it took."""
    asked = []
    for number, data in enumerate(files.values()):
        path = folder / f"in-{number}"
        path.write_bytes(data)
        asked.append(Asked(path=str(path), filename="x.safetensors", kept=f"{path}-kept", widths=TINY_WIDTHS))
    measured = run_measured("-m", "bot.importing.child", request=msgspec.json.encode(asked))
    said = [msgspec.json.decode(line, type=Said) for line in measured.stdout.splitlines()]
    return dict(zip(files, said, strict=False)), measured
