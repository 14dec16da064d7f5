"""``python -m tests.benchmarks.training --json``: our training beside the reference's, in turn in one run.

Ratios are how many times as fast (or, of memory, what share) ours is, medians of seven pairs with their quartiles. One
thread computes and the processor's time is taken, so that a busy machine changes little; SD1.5's shape likewise.
``--only`` runs some of the parts, ``--parts`` takes the reference's steps to pieces instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.cases import CASES, Case, make_reference
from tests.benchmarks.gradients import METHODS, compare, load_sides, make_tiny_bases
from tests.benchmarks.measure import Clock, Spread, Stopwatch, measure_memory, time_call, time_in_turn, time_parts
from tests.benchmarks.ours import OurStepper, make_ours
from tests.benchmarks.photos import write_phone_photos
from tests.benchmarks.prior import compare_prior
from tests.benchmarks.reference import ReferenceInversion

UNET_PARTS = ("unet", "backward")
CLOCK = time.process_time
Figures = dict[str, Any]


# -- comparisons ------------------------------------------------------------------------------------------------------


def compare_speed(name: str, case: Case, times: int) -> Figures:
    """Steps a second of a case, ours over the reference's; ``times`` steps make one measurement."""
    torch.set_num_threads(1)
    reference, ours = make_reference(case, case.make_modules()), make_ours(case)
    ours.step()  # and all that is done once before it
    pairs = time_in_turn(ours.step, reference.step, times=times, clock=CLOCK)
    figures = pairs.figures(name)
    if isinstance(reference, ReferenceInversion):
        figures |= _compare_text_part(case, reference, ours)
    ours.close()
    return figures


def _compare_text_part(case: Case, reference: ReferenceInversion, ours: OurStepper) -> Figures:
    """The text encoder's part of a step alone, and the optimizer's memory."""
    ids, gradient = _text_inputs(case, reference)
    state, learner = ours.training.state, ours.training.learner
    caption = case.instance_prompt.replace(f"thnos {case.class_word}", "thnos")
    captions = [caption] * case.batch

    def own_part() -> None:
        learner.condition(captions, 0).embeddings.backward(gradient)
        state.update()

    pairs = time_in_turn(own_part, lambda: reference.text_part(ids, gradient), times=5, clock=CLOCK)
    mine, theirs = optimizer_bytes(state.optimizer), optimizer_bytes(reference.optimizer)
    share = {"ti_optimizer_memory_share": round(mine / theirs, 5)}
    return pairs.figures("ti_text_encoder_ratio") | share


def lora_speed() -> Figures:
    """emoji-64 with its own VAE; with autoencoders like SD's; and where a step goes."""
    figures = compare_speed("lora_speed_ratio", CASES["lora"], 5) | {"lora_unet_share": unet_share(CASES["lora"])}
    figures |= compare_speed("lora_kl_speed_ratio", CASES["lora_kl"], 5)
    return figures | compare_speed("lora_kl_wide_speed_ratio", CASES["lora_kl_wide"], 2)


def sd15_speed() -> Figures:
    """SD1.5's true shape at 256 px, at the recipe's batch of one and at the scripts' default of four."""
    one = compare_speed("lora_speed_ratio_sd15_shape", CASES["lora_sd15"], 1)
    return one | compare_speed("lora_speed_ratio_sd15_shape_batch4", replace(CASES["lora_sd15"], batch=4), 1)


def inversion_speed() -> Figures:
    """emoji-64's few words; the same with photos as phones take them; and CLIP's vocabulary on SD1.5's shape."""
    return compare_speed("ti_speed_ratio", CASES["inversion"], 5)


def phone_photos() -> Figures:
    """The same with photos of 12 megapixels, which the scripts open anew at every step."""
    with tempfile.TemporaryDirectory() as folder:
        photos = tuple(write_phone_photos(CASES["lora"].photos, Path(folder)))
        figures = compare_speed("lora_speed_ratio_phone_photos", replace(CASES["lora"], photos=photos), 1)
        named = compare_speed("ti_speed_ratio_phone_photos", replace(CASES["inversion"], photos=photos), 1)
    return figures | {key: value for key, value in named.items() if key.startswith("ti_speed")}


def clip_text_part() -> Figures:
    """The text encoder's part of an inversion's step where the vocabulary is CLIP's 49,408 words."""
    case = CASES["inversion_sd15"]
    torch.set_num_threads(1)
    reference, ours = make_reference(case, case.make_modules()), make_ours(case)
    ours.step()
    figures = _compare_text_part(case, reference, ours)
    ours.close()
    return {key.replace("ti_", "ti_clip_"): value for key, value in figures.items()}


def memory() -> Figures:
    """Peak memory on SD1.5's shape, each in a process of its own; ours as a worker that trains alone.

    Both make their base in memory: pages of a file that weights were read from would count as resident, too.
    """
    ours, reference = (measure_memory(which, "lora_sd15") for which in ("ours", "reference"))
    return {
        "lora_memory_ratio": round(ours.training_peak_mib / reference.training_peak_mib, 3),
        "lora_memory_ours_mib": round(ours.training_peak_mib),
        "lora_memory_reference_mib": round(reference.training_peak_mib),
        "lora_memory_with_loading_ratio": round(ours.peak_mib / reference.peak_mib, 3),
    }


def gradients() -> Figures:
    """The largest difference of a gradient from the reference's, over all bases, methods and losses."""
    errors: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for base, where in make_tiny_bases(Path(folder)).items():
            sides = load_sides(where)
            errors[base] = {name: max(compare(sides, method).values()) for name, method in METHODS.items()}
    worst = {base: max(by_method.values()) for base, by_method in errors.items()}
    return {"gradient_max_error": max(worst.values()), "gradient_errors": errors}


PARTS: dict[str, Callable[[], Figures]] = {
    "gradients": gradients,
    "lora": lora_speed,
    "inversion": inversion_speed,
    "phone_photos": phone_photos,
    "prior": lambda: compare_prior(CASES["lora"]),
    "sd15": sd15_speed,
    "clip": clip_text_part,
    "memory": memory,
}


# -- pieces -----------------------------------------------------------------------------------------------------------


def unet_share(case: Case, steps: int = 15) -> float:
    """The share of our step that is spent in the UNet's forward and on the way back."""
    ours = make_ours(case)
    inside = [0.0]

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = CLOCK()
            try:
                return work(*args, **kwargs)
            finally:
                inside[0] += CLOCK() - began

        return call

    backward = torch.Tensor.backward
    for _ in range(3):
        ours.step()
    ours.training.base.unet.forward = timed(ours.training.base.unet.forward)
    torch.Tensor.backward = timed(backward)  # type: ignore[method-assign]
    try:
        whole = time_call(ours.step, steps, CLOCK) * steps
    finally:
        torch.Tensor.backward = backward  # type: ignore[method-assign]
        ours.close()
    return round(inside[0] / whole, 3)


def measure_parts(case: Case, steps: int, clock: Clock = time.perf_counter) -> Figures:
    """Seconds of each part of the reference's step, and what share of it the UNet and its way back take."""
    torch.set_num_threads(case.threads)
    watch = Stopwatch(clock)
    stepper = make_reference(case, case.make_modules(), watch)
    parts = time_parts(stepper, watch, steps=steps)
    figures: Figures = {part: spread.rounded(5) for part, spread in parts.items()}
    figures["unet_share"] = round(sum(parts[part].median for part in UNET_PARTS) / parts["step"].median, 3)
    if isinstance(stepper, ReferenceInversion):
        ids, gradient = _text_inputs(case, stepper)
        seconds = [time_call(lambda: stepper.text_part(ids, gradient), clock=clock) for _ in range(steps + 1)]
        figures["text_part"] = Spread.of(seconds[1:]).rounded(5)
        figures["optimizer_mib"] = round(optimizer_bytes(stepper.optimizer) / 2**20, 3)
    return figures


def _text_inputs(case: Case, stepper: ReferenceInversion) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (B, 77) with the placeholders in them, and a gradient (B, 77, D) to go back from."""
    sentence = stepper.placeholder_ids + [stepper.modules.tokenizer.eos_token_id] * (77 - case.num_vectors)
    width = stepper.modules.text_encoder.config.hidden_size
    gradient = torch.randn(case.batch, 77, width, generator=torch.Generator().manual_seed(0))
    return torch.tensor([sentence]).expand(case.batch, -1), gradient


def optimizer_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of an optimizer's state."""
    tensors = (value for moments in optimizer.state.values() for value in moments.values())
    return sum(tensor.nbytes for tensor in tensors if torch.is_tensor(tensor))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object alone")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--parts", choices=sorted(CASES), nargs="+", help="the reference's step in pieces")
    parser.add_argument("--steps", type=int, default=9)
    asked = parser.parse_args()
    figures: Figures = {}
    if asked.parts:
        figures = {name: measure_parts(replace(CASES[name], threads=1), asked.steps, CLOCK) for name in asked.parts}
    for name in [] if asked.parts else asked.only:
        began = time.perf_counter()
        figures |= PARTS[name]()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps(figures, indent=None if asked.json else 2))


if __name__ == "__main__":
    main()
