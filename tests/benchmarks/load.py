"""The bot under load: ``python -m tests.benchmarks.load --json``.

``dispatching`` measures how long the next job takes to go out of a long queue, ``flooding`` how long others wait
while one member sends 500 jobs. Each part gives its figures by name; ``--only`` takes one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from tests.benchmarks import dispatching, flooding

PARTS: dict[str, Callable[[], dict[str, float]]] = {"dispatching": dispatching.measure, "flooding": flooding.measure}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--only", choices=sorted(PARTS))
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for part in [options.only] if options.only else PARTS:
        figures |= PARTS[part]()
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value:,}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
