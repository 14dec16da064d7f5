"""What a training will take is said before it starts, from what workers have measured; nothing is made up."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from bot.estimates import Estimate, estimate
from bot.store import jobs
from bot.store.records import Job
from tests.bot.worlds import World, base_info
from trainer.contract.events import BaseInfo, Heartbeat
from trainer.contract.lengths import Lengths, Steps
from trainer.contract.names import Lane
from trainer.contract.requests import Recipe

LENGTHS = Lengths(Steps(100, 400, 1500), Steps(300, 1500, 3000), Steps(80, 400, 1200), 1, ("face",))


def worker(
    name: str = "w1", *, device: str = "cuda:0", lanes: tuple[Lane, ...] = ("train",), base: str = "emoji-64",
    **info: Any,
) -> Heartbeat:  # fmt: skip
    """One that has trained a LoRA at half a second a sample, with these differences in what it says of the base."""
    told: dict[str, Any] = {
        "lengths": LENGTHS, "seconds_per_sample": {"lora": 0.5},
        "memory_bytes": {"lora": (5_200_000_000, 6_400_000_000), "dreambooth": (21_000_000_000, 22_000_000_000)},
    }  # fmt: skip
    offered: BaseInfo = msgspec.structs.replace(base_info(base), **{**told, **info})
    return Heartbeat(name, 0.0, device, lanes, (offered,), {}, ())


async def training(world: World, photos: int = 10, kind: str = "subject", **recipe: Any) -> Job:
    """One that waits, of so many photos."""
    job = await world.train(kind=kind, class_word="person", likeness="self", recipe=Recipe(**recipe))
    paths = tuple(f"photos/{job.id}/{index}.png" for index in range(photos))
    spec = msgspec.structs.replace(job.train, photos=paths, captions=(None,) * photos, focuses=(None,) * photos)
    await world.database.write(partial(jobs.set_spec, job_id=job.id, spec=spec))
    return await world.job(job.id)


@pytest.mark.parametrize(
    ("photos", "kind", "recipe", "words"),
    [
        (10, "subject", {}, "Up to 1,000 steps, about 8 min on this GPU, and about 5.2 GB of its memory."),
        (3, "subject", {"preset": "fast"}, "Up to 200 steps, about 2 min on this GPU, and about 5.2 GB of its memory."),
        (10, "face", {"steps": 600}, "600 steps, about 10 min on this GPU, and about 6.4 GB of its memory."),
        (10, "face", {"steps": 600, "prior_weight": 0.0}, "600 steps, about 5 min on this GPU, and about 5.2 GB"),
        (10, "subject", {"steps": 600, "early_stop": True}, "Up to 600 steps"),
        (10, "subject", {"steps": 600, "batch": 4}, "150 steps, about 5 min on this GPU."),
        (10, "subject", {"steps": 600, "resolution": 128}, "600 steps, about 20 min on this GPU."),
        (10, "subject", {"preset": "detailed"}, "Up to 1,500 steps, about 12 min on this GPU."),
        (10, "subject", {"steps": 1, "rank": 8}, "1 step, about 1 s on this GPU."),
        (
            10, "subject", {"method": "dreambooth"},
            "Up to 800 steps and about 21 GB of the GPU's memory; how long they take is known after the first training"
            " of the kind.",
        ),
        (
            10, "subject", {"method": "pivotal"},
            "Up to 2,500 steps; how long they take is known after the first training of the kind.",
        ),
    ],
)  # fmt: skip
async def test_what_it_takes_follows_photos_and_recipe(
    world: World, photos: int, kind: str, recipe: dict[str, Any], words: str
) -> None:
    found = estimate(await training(world, photos, kind, **recipe), [worker()])
    assert found is not None
    assert found.words.startswith(words)


async def test_the_slowest_of_the_workers_that_may_take_it_is_told(world: World) -> None:
    job = await training(world)
    slow = worker("w2", device="cpu", seconds_per_sample={"lora": 3.0}, memory_bytes={"lora": (10**9, 10**9)})
    others = [
        worker("w3", lanes=("imagine",), seconds_per_sample={"lora": 99.0}),
        worker("w4", base="sd15", seconds_per_sample={"lora": 99.0}),
        worker("w5", seconds_per_sample={}),
    ]
    found = estimate(job, [worker(), slow, *others])
    assert found is not None
    assert found.words == "Up to 1,000 steps, about 50 min on this processor, and about 1.0 GB of its memory."


async def test_a_paused_training_takes_what_is_left_of_it(world: World) -> None:
    job = msgspec.structs.replace(await training(world, steps=600), paused_step=480, paused_steps=600)
    assert estimate(job, [worker()]) == Estimate(120, False, 60.0, 5_200_000_000, True)


async def test_nothing_is_said_where_nothing_is_known(world: World) -> None:
    job = await training(world)
    assert estimate(job, []) is None
    assert estimate(job, [worker(lengths=None)]) is None
    assert estimate(await world.imagine(), [worker(lanes=("imagine", "train"))]) is None
