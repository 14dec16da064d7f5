"""``python -m tests.benchmarks.memory --which reference --case lora_sd15``: peak memory of this process, as JSON."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from tests.benchmarks.cases import CASES, make_stepper
from tests.benchmarks.measure import forget_peak, read_status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--which", choices=("reference", "ours"), required=True)
    parser.add_argument("--case", choices=sorted(CASES), required=True)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="the base as a diffusers folder, where both sides are to read one")
    asked = parser.parse_args()
    stepper = make_stepper(asked.which, CASES[asked.case], asked.folder, lean=True)
    first_peak, before = read_status("VmHWM"), read_status("VmRSS")
    forget_peak()
    began = time.process_time()
    losses = [stepper.step() for _ in range(asked.steps)]
    training_peak = read_status("VmHWM")
    figures = {
        "peak_mib": max(first_peak, training_peak),
        "training_peak_mib": training_peak,
        "before_mib": before,
        "seconds": time.process_time() - began,
        "losses": losses,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
