"""Prior preservation, whole jobs from start to finish: ours beside the script's, on emoji-64."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import torch

from tests.benchmarks.cases import Case
from tests.benchmarks.class_images import make_class_images, run_lora_job
from tests.benchmarks.measure import Spread
from tests.benchmarks.ours import recipe_of
from trainer.adapters.bank import AdapterBank
from trainer.models.loading import load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.training.hooks import Hooks
from trainer.training.loop import Training
from trainer.training.preparing import TrainingJob, prepare_photos

STEPS = 375  # of emoji-64's own recipe for six photos
MEASURED_STEPS, MEASURED_PICTURES = 12, 8  # of the script's; its job is these scaled up, for it repeats them alike
PAIRS = 7


def compare_prior(case: Case) -> dict[str, Any]:
    """How many times as fast a job is: the first of a class, and every later one, which finds its latents.

    The script makes a hundred pictures for each job; the same folder given again spares it that, and the ratio to such
    a job stands beside. Its seconds are those of 8 pictures and 12 steps, scaled to 100 and 375; ours are a whole
    preparation and 12 steps, scaled likewise.
    """
    torch.set_num_threads(1)
    first, later, reused = [], [], []
    for pair in range(PAIRS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pictures_s, script_s = _script_job(case, folder, pair)
            first_s, later_s = _our_job(case, folder / "latents"), _our_job(case, folder / "latents")
        whole = pictures_s + script_s
        first.append(whole / first_s)
        later.append(whole / later_s)
        reused.append(script_s / later_s)
    figures: dict[str, Any] = {}
    for key, values in (("prior_first_job_ratio", first), ("prior_later_job_ratio", later),
                        ("prior_reused_folder_ratio", reused)):  # fmt: skip
        spread = Spread.of(values)
        figures |= {key: round(spread.median, 3), f"{key}_spread": spread.rounded(3)}
    return figures


def _script_job(case: Case, folder: Path, seed: int) -> tuple[float, float]:
    """Processor seconds of the script's hundred pictures, and of its training."""
    began = time.process_time()
    make_class_images(
        EMBEDDED_FOLDER, "a photo of face", folder / "class", num_class_images=MEASURED_PICTURES, seed=seed
    )
    made = time.process_time()
    run_lora_job(
        EMBEDDED_FOLDER, case.photos, steps=MEASURED_STEPS, output_dir=folder / "out",
        instance_prompt=case.instance_prompt, class_prompt="a photo of face", class_data_dir=folder / "class",
        num_class_images=MEASURED_PICTURES, rank=case.rank, lora_alpha=case.lora_alpha, batch=case.batch,
        target_modules=case.target_modules, learning_rate=case.learning_rate,
    )  # fmt: skip
    trained = time.process_time()
    return (made - began) * 100 / MEASURED_PICTURES, (trained - made) * STEPS / MEASURED_STEPS


def _our_job(case: Case, kept: Path) -> float:
    """Processor seconds of our job: loading, photos, class latents unless they are kept, steps, the file."""
    from PIL import Image

    began = time.process_time()
    base = load_base(read_base(EMBEDDED_FOLDER, embedded=True))
    images = [Image.open(path).convert("RGB") for path in case.photos]
    recipe = msgspec.structs.replace(recipe_of(replace(case)), prior_weight=1.0)
    job = TrainingJob("thnos", case.class_word, "subject", recipe)
    steps = Training(base, AdapterBank(base.modules), prepare_photos(job, images), job, Hooks(class_latents=kept)).run()
    while next(steps) is None:
        pass
    stepping = time.process_time()
    for _ in range(MEASURED_STEPS):
        next(steps)
    trained = time.process_time()
    steps.close()
    return (stepping - began) + (trained - stepping) * (STEPS - 1) / MEASURED_STEPS
