"""The drawing benchmark in a short form: its figures of exactness, which no machine changes."""

from __future__ import annotations

import pytest

from tests.benchmarks.bases import load_modules
from tests.benchmarks.crowd import Service, Wish, _serve
from tests.benchmarks.drawing import (
    Case,
    asked,
    draw_by_pipeline,
    draw_together,
    fit,
    make_adapter,
    make_base,
    make_pipeline,
)
from tests.benchmarks.generation import difference, mixed_error, recompilations
from tests.benchmarks.wording import conditioning_max_error
from trainer.generation.easel import Easel


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # diffusers' own way to a second adapter
def test_a_mixed_batch_draws_what_the_pipeline_draws_one_by_one() -> None:
    case = Case(steps=2, size=64)
    modules = [load_modules() for _ in range(2)]
    easel, pipeline = Easel(make_base(modules[0], case.size)), make_pipeline(modules[1])
    tensors = [make_adapter(modules[0].unet, seed, rank) for seed, rank in enumerate((4, 16))]
    for seed, each in enumerate(tensors):
        pipeline.load_lora_weights(dict(each), adapter_name=f"a{seed}")
    requests = asked(case, [fit(easel, str(seed), each) for seed, each in enumerate(tensors)])
    pictures = zip(draw_together(easel, requests), draw_by_pipeline(pipeline, case, ["a0", "a1"]), strict=True)
    assert max(difference(ours, theirs) for ours, theirs in pictures) <= 1
    assert mixed_error(easel, requests) <= 1e-5


def test_conditioning_is_a1111s() -> None:
    assert conditioning_max_error() <= 1e-5


def test_other_adapters_compile_nothing_anew() -> None:
    figures = recompilations()
    assert figures["recompilations_first_graphs"] > 0
    assert figures["recompilations"] == 0


def test_everyone_of_a_crowd_is_served_after_having_come() -> None:
    asked = [Wish("a fox", seed, None, steps=2 + seed) for seed in range(3)]
    waited, end = _serve(Service(), asked, [0.0, 0.01, 1000.0])
    assert all(seconds > 0 for seconds in waited)
    assert end > 1000
