"""Prior preservation as the scripts have it, and a whole job of theirs from start to finish."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft.utils import get_peft_model_state_dict

from tests.benchmarks.bases import load_modules
from tests.benchmarks.reference import ReferenceLora

NUM_CLASS_IMAGES = 100
SAMPLE_BATCH_SIZE = 4


def make_class_images(
    base_folder: Path,
    class_prompt: str,
    class_data_dir: Path,
    *,
    num_class_images: int = NUM_CLASS_IMAGES,
    sample_batch_size: int = SAMPLE_BATCH_SIZE,
    seed: int = 0,
) -> list[Path]:
    """Fill ``class_data_dir`` up to ``num_class_images`` pictures and return them all.

    The base is loaded once more as a pipeline; pictures are made by its defaults (50 steps, guidance 7.5), decoded, and
    saved as JPEG. A folder that already has enough is left alone: the only way by which a later job is spared this.
    """
    class_data_dir.mkdir(parents=True, exist_ok=True)
    there = len(list(class_data_dir.iterdir()))
    if there < num_class_images:
        pipeline = DiffusionPipeline.from_pretrained(base_folder, safety_checker=None)
        pipeline.set_progress_bar_config(disable=True)
        rng = torch.Generator().manual_seed(seed)
        for start in range(there, num_class_images, sample_batch_size):
            count = min(sample_batch_size, num_class_images - start)
            for index, image in enumerate(pipeline([class_prompt] * count, generator=rng).images):
                digest = hashlib.sha1(image.tobytes(), usedforsecurity=False).hexdigest()
                image.save(class_data_dir / f"{start + index}-{digest}.jpg")
    return sorted(class_data_dir.iterdir())[:num_class_images]


@dataclass(frozen=True)
class JobTimes:
    """Seconds of a whole job and of its two halves; the class pictures take 0 where the folder was full."""

    seconds: float
    class_images_s: float
    training_s: float
    final_loss: float


def run_lora_job(
    base_folder: Path,
    photos: Sequence[Path],
    *,
    steps: int,
    output_dir: Path,
    instance_prompt: str,
    class_prompt: str,
    class_data_dir: Path,
    num_class_images: int = NUM_CLASS_IMAGES,
    **options: Any,
) -> JobTimes:
    """What one call of ``train_dreambooth_lora.py --with_prior_preservation`` does, loading and saving included.

    A first job of a class passes an empty ``class_data_dir``; a later job of somebody else passes an empty one again,
    for the script shares nothing between them; pass the same one to see it reused. ``options`` are those of
    :class:`ReferenceLora`. The script ends by loading the pipeline once more; that is left out.
    """
    began = time.perf_counter()
    pictures = make_class_images(base_folder, class_prompt, class_data_dir, num_class_images=num_class_images)
    made = time.perf_counter()
    stepper = ReferenceLora(
        load_modules(base_folder),
        photos,
        instance_prompt=instance_prompt,
        class_pictures=pictures,
        class_prompt=class_prompt,
        **options,
    )
    loss = float("nan")
    for _ in range(steps):
        loss = stepper.step()
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(stepper.modules.unet))
    StableDiffusionPipeline.save_lora_weights(output_dir, unet_lora_layers=state)
    ended = time.perf_counter()
    return JobTimes(ended - began, made - began, ended - made, loss)
