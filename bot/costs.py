"""What a job is thought to cost, in GPU seconds, before a worker has measured it. Pure.

It orders a member's jobs against those of others, so that its proportions count more than its exactness.
"""

from __future__ import annotations

from bot.estimates import on_worker
from bot.store.records import ImagineSpec, Job, TrainSpec
from trainer.contract.drawings import Drawing
from trainer.contract.events import BaseInfo

PICTURE_S = 5.0  # by the base's own size and steps
TRAINING_S = 600.0
MERGE_S = 60.0
LEAST_S = 0.1  # nothing is free, or somebody could send it without end


def expected_cost(job: Job, info: BaseInfo | None) -> float:
    """GPU seconds by what the job asks for, and by what workers last said of its base."""
    if isinstance(job.spec, ImagineSpec):
        return max(LEAST_S, sum(PICTURE_S * _work(drawing, info) for drawing in job.spec.drawings))
    if not isinstance(job.spec, TrainSpec):
        return MERGE_S
    if info is None or info.lengths is None:
        return TRAINING_S
    seconds = on_worker(job, info, info.lengths, on_gpu=True).seconds
    return TRAINING_S if seconds is None else max(LEAST_S, seconds)


def _work(drawing: Drawing, info: BaseInfo | None) -> float:
    """Of one picture, as multiples of the base's own; that a second pass is larger counts by its pixels."""
    asked = drawing.settings
    if info is None:
        return 1.0
    steps = (asked.num_inference_steps or info.num_inference_steps) / info.num_inference_steps
    pixels = (asked.width or info.width) * (asked.height or info.height) / (info.width * info.height)
    if asked.high_res is None:
        return steps * pixels
    again = (asked.high_res.steps or asked.num_inference_steps or info.num_inference_steps) / info.num_inference_steps
    return pixels * (steps + again * asked.high_res.strength * asked.high_res.scale**2)
