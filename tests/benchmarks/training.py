"""``python -m tests.benchmarks.training --json``: our training beside the reference's.

So far it knows the reference's half: seconds of each part of a step (``--parts``). A figure that compares takes both
sides from :func:`tests.benchmarks.cases.make_stepper` and goes through :func:`tests.benchmarks.measure.time_in_turn`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tests.benchmarks.cases import CASES, Case, make_reference
from tests.benchmarks.measure import Clock, Spread, Stopwatch, time_call, time_parts
from tests.benchmarks.photos import write_phone_photos
from tests.benchmarks.reference import ReferenceInversion

UNET_PARTS = ("unet", "backward")


def measure_parts(case: Case, steps: int, clock: Clock = time.perf_counter) -> dict[str, Any]:
    """Seconds of each part of the reference's step, and what share of it the UNet and its way back take."""
    torch.set_num_threads(case.threads)
    watch = Stopwatch(clock)
    stepper = make_reference(case, case.make_modules(), watch)
    parts = time_parts(stepper, watch, steps=steps)
    figures: dict[str, Any] = {part: spread.rounded(5) for part, spread in parts.items()}
    figures["unet_share"] = round(sum(parts[part].median for part in UNET_PARTS) / parts["step"].median, 3)
    if isinstance(stepper, ReferenceInversion):
        figures["text_part"] = time_text_part(stepper, case, steps, clock).rounded(5)
        figures["optimizer_mib"] = round(optimizer_bytes(stepper.optimizer) / 2**20, 3)
    return figures


def time_text_part(stepper: ReferenceInversion, case: Case, steps: int, clock: Clock) -> Spread:
    """Seconds of the text encoder's part of a step alone: forward, back, and the update of its table."""
    sentence = stepper.placeholder_ids + [stepper.modules.tokenizer.eos_token_id] * (77 - case.num_vectors)
    input_ids = torch.tensor([sentence]).expand(case.batch, -1)
    width = stepper.modules.text_encoder.config.hidden_size
    gradient = torch.randn(case.batch, 77, width, generator=torch.Generator().manual_seed(0))
    seconds = [time_call(lambda: stepper.text_part(input_ids, gradient), clock=clock) for _ in range(steps + 1)]
    return Spread.of(seconds[1:])


def optimizer_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of an optimizer's state."""
    tensors = (value for moments in optimizer.state.values() for value in moments.values())
    return sum(tensor.nbytes for tensor in tensors if torch.is_tensor(tensor))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object alone")
    parser.add_argument("--parts", choices=sorted(CASES), nargs="+", default=["lora", "inversion"])
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--batch", type=int, help="another batch than the case's")
    parser.add_argument("--threads", type=int, help="another number than the case's")
    parser.add_argument("--processor-time", action="store_true", help="for a busy machine; with one thread")
    parser.add_argument("--phone-photos", action="store_true", help="photos of 12 megapixels, as phones take them")
    asked = parser.parse_args()
    clock = time.process_time if asked.processor_time else time.perf_counter
    figures = {}
    with TemporaryDirectory() as folder:
        for case in (CASES[name] for name in asked.parts):
            photos = tuple(write_phone_photos(case.photos, Path(folder))) if asked.phone_photos else case.photos
            threads = asked.threads or case.threads
            wanted = replace(case, batch=asked.batch or case.batch, threads=threads, photos=photos)
            figures[case.name] = measure_parts(wanted, asked.steps, clock)
    print(json.dumps(figures, indent=None if asked.json else 2))


if __name__ == "__main__":
    main()
