"""What strangers' files do to the processes that open them: `python -m tests.benchmarks.files --json`.

Every hostile adapter file and every genuine one goes through a child of its own, as the bot starts it, and 500 hostile
pictures through the decoder's. ``worst_ms`` and ``worst_mib`` are of the hostile file that took the most.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.importing.found import Said
from tests.bot.hostile_pictures import COUNT, decode_measured, hostile_pictures
from tests.bot.importing.genuine import genuine_files
from tests.bot.importing.hostile import BOMBS, hostile_files
from tests.bot.importing.measuring import Measured, check_measured


def check_each(files: Mapping[str, Callable[[], bytes]]) -> dict[str, tuple[Said | None, Measured]]:
    """Each in a child of its own; None where that died, by which the file is refused, too."""
    found = {}
    for name, make in files.items():
        with tempfile.TemporaryDirectory() as folder:
            said, measured = check_measured({name: make()}, Path(folder))
            found[name] = said.get(name), measured
    return found


def measure() -> dict[str, int | float]:
    """All figures by their names."""
    made = hostile_files()
    hostile = check_each(BOMBS | {name: (lambda data=data: data) for name, data in made.items()})
    genuine = check_each({name: (lambda data=data: data) for name, data in genuine_files().items()})
    with tempfile.TemporaryDirectory() as folder:
        got_through, pictures = decode_measured(list(hostile_pictures()), Path(folder))
    return {
        "malicious_files": len(hostile),
        "malicious_refused": sum(said is None or said.found is None for said, _ in hostile.values()),
        "genuine_files": len(genuine),
        "genuine_accepted": sum(said is not None and said.found is not None for said, _ in genuine.values()),
        "worst_ms": round(1000 * max(measured.wall_s for _, measured in hostile.values())),
        "worst_cpu_ms": round(1000 * max(measured.cpu_s for _, measured in hostile.values())),
        "worst_mib": round(max(measured.peak_mib for _, measured in hostile.values()), 1),
        "genuine_worst_mib": round(max(measured.peak_mib for _, measured in genuine.values()), 1),
        "pictures": COUNT,
        "pictures_decoded_or_refused": got_through,
        "pictures_worst_mib": round(pictures.peak_mib, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    figures = measure()
    if parser.parse_args().json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
