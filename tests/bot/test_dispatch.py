"""What runs next, and what happens to what got lost."""

from __future__ import annotations

import msgspec
import pytest

from bot.errors import QueueDown
from bot.lifecycle import MOST_TRIES
from bot.queue import open_queue
from tests.bot.worlds import MEMBERS, World
from trainer.contract import names
from trainer.contract.events import Delivered, HandedBack, Standing, Started
from trainer.contract.names import arq_job_id
from trainer.contract.requests import ImagineRequest, TrainRequest, decode_request


async def test_members_take_turns_however_many_jobs_one_sends(world: World) -> None:
    of_ada = [await world.imagine("ada") for _ in range(4)]
    of_ben = [await world.imagine("ben") for _ in range(2)]
    of_cleo = [await world.imagine("cleo")]
    await world.beat(imagine=7)
    handed = await world.dispatcher.tick()
    expected = [of_ada[0], of_ben[0], of_cleo[0], of_ada[1], of_ben[1], of_ada[2], of_ada[3]]
    assert [job.id for job in handed] == [job.id for job in expected]


async def test_whoever_was_served_longest_ago_comes_first(world: World) -> None:
    first = await world.imagine("ada")
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    of_ada, of_ben = await world.imagine("ada"), await world.imagine("ben")
    await world.hear(Delivered(job_id=first.id, attempt=1, channel_id=200, message_id=1, at=0.0))
    assert [job.id for job in await world.dispatcher.tick()] == [of_ben.id]
    await world.hear(Delivered(job_id=of_ben.id, attempt=1, channel_id=200, message_id=2, at=0.0))
    assert [job.id for job in await world.dispatcher.tick()] == [of_ada.id]


async def test_no_more_is_handed_out_than_the_workers_have_free(world: World) -> None:
    jobs = [await world.imagine() for _ in range(5)]
    await world.beat(imagine=2)
    assert len(await world.dispatcher.tick()) == 2
    assert await world.dispatcher.tick() == []  # the heartbeat is old, and says 2 still
    await world.beat(arq_job_id(jobs[0].id, 1), imagine=1)  # the second lies in the queue
    assert await world.dispatcher.tick() == []
    await world.beat(worker_id="w2", imagine=1)
    assert len(await world.dispatcher.tick()) == 1


async def test_room_is_used_at_once_when_a_job_ends_before_the_next_heartbeat(world: World) -> None:
    first, second = await world.imagine(), await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.beat(arq_job_id(first.id, 1), imagine=0)
    assert await world.dispatcher.tick() == []
    await world.hear(Delivered(job_id=first.id, attempt=1, channel_id=200, message_id=1, at=0.0))
    assert [job.id for job in await world.dispatcher.tick()] == [second.id]


async def test_lanes_and_bases_are_kept_apart(world: World) -> None:
    await world.beat(bases=("emoji-64", "sd15"))
    await world.dispatcher.tick()
    training, picture = await world.train(base="emoji-64"), await world.imagine(base="sd15")
    await world.beat(imagine=5, bases=("emoji-64",))
    assert await world.dispatcher.tick() == []
    await world.beat(imagine=1, lanes=("imagine",), bases=("sd15",))
    assert [job.id for job in await world.dispatcher.tick()] == [picture.id]
    await world.beat(train=1, worker_id="w2")
    assert [job.id for job in await world.dispatcher.tick()] == [training.id]
    assert await world.queued_in_arq("train") == [f"{training.id}:1"]


async def test_the_request_says_all_that_the_worker_needs(world: World) -> None:
    picture, training = await world.imagine(width=72, seed=7), await world.train()
    await world.beat(imagine=1, train=1)
    await world.dispatcher.tick()
    asked = {job.args[0]: job.function for lane in names.LANES for job in await _queued(world, lane)}
    requests = {function: decode_request(data) for data, function in asked.items()}
    drawn, taught = requests["imagine"], requests["train"]
    assert isinstance(drawn, ImagineRequest)
    assert (drawn.job_id, drawn.attempt) == (picture.id, 1)
    (drawing,) = drawn.drawings
    assert (drawing.settings.width, drawing.seed, drawing.prompt) == (72, 7, "a fox in a suit")
    assert isinstance(taught, TrainRequest)
    assert (taught.name, taught.trigger, taught.photos) == ("thnos", "thnos", training.train.photos)
    assert taught.card.message_id == training.message_id
    assert await world.redis.get(names.attempt_key(picture.id)) == b"1"


async def _queued(world: World, lane: names.Lane) -> list[object]:
    return await world.redis.queued_jobs(queue_name=names.queue_name(lane, "emoji-64"))


async def test_a_job_waits_for_its_card_but_not_for_ever(world: World) -> None:
    job = await world.jobs.submit_imagine(world.imagine_order())
    await world.beat(imagine=1)
    assert await world.dispatcher.tick() == []
    world.clock.now += 61
    assert [handed.id for handed in await world.dispatcher.tick()] == [job.id]


async def test_a_card_that_was_given_up_lets_the_worker_post_anew(world: World) -> None:
    job = await world.jobs.submit_imagine(world.imagine_order())
    await world.jobs.give_up_card(job.id)
    await world.beat(imagine=1)
    assert [(handed.id, handed.message_id) for handed in await world.dispatcher.tick()] == [(job.id, None)]


async def test_a_running_job_whose_worker_died_runs_again_with_a_raised_attempt(world: World) -> None:
    job = await running(world)
    await world.die()
    await world.lost_for(14)
    assert (await world.job(job)).state == "running"
    await world.beat(imagine=1, worker_id="w2")
    await world.lost_for(2)
    again = await world.job(job)
    assert (again.state, again.attempt, again.tries, again.outstanding) == ("queued", 2, 1, True)
    assert await world.tell() == [("started", job), ("requeued", job)]
    assert await world.redis.get(names.attempt_key(job)) == b"2"


async def running(world: World) -> str:
    """The id of a picture job that w1 has started."""
    job = await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.hear(Started(job_id=job.id, attempt=1, worker_id="w1", at=0.0))
    await world.beat(f"{job.id}:1")
    return job.id


async def test_a_job_that_its_worker_does_not_name_any_more_is_lost_too(world: World) -> None:
    job = await running(world)
    await world.beat(imagine=1)
    await world.lost_for(16)
    assert (await world.job(job)).attempt == 2


async def test_a_job_that_is_named_is_never_taken_back(world: World) -> None:
    job = await running(world)
    for _ in range(3):
        await world.dispatcher.tick()
        world.clock.now += 100  # the dispatcher was away, the worker was not
        await world.beat(f"{job}:1")
        await world.dispatcher.tick()
    assert (await world.job(job)).attempt == 1


async def test_a_worker_whose_last_heartbeat_still_lies_there_has_lost_its_jobs_after_the_same_time(
    world: World,
) -> None:
    job = await running(world)
    await world.lost_for(14)
    assert (await world.job(job)).attempt == 1
    await world.beat(worker_id="w2", imagine=1)
    world.clock.now += 2
    await world.dispatcher.tick()
    assert (await world.job(job)).attempt == 2


async def test_a_training_that_gets_further_each_time_is_never_given_up(world: World) -> None:
    job = (await world.train()).id
    await world.beat(train=1)
    await world.dispatcher.tick()
    for attempt in range(1, 2 * MOST_TRIES):
        await world.hear(Started(job_id=job, attempt=attempt, worker_id="w1", at=0.0))
        standing = Standing(step=10 * attempt, steps=1000)
        await world.blobs.write(names.standing_path(job), msgspec.json.encode(standing))
        await world.beat(train=1)
        await world.lost_for(16)
    assert ((await world.job(job)).state, (await world.job(job)).tries) == ("queued", 1)
    for attempt in range(2 * MOST_TRIES, 3 * MOST_TRIES - 1):  # now it does not, any more
        await world.hear(Started(job_id=job, attempt=attempt, worker_id="w1", at=0.0))
        await world.beat(train=1)
        await world.lost_for(16)
    assert (await world.job(job)).state == "failed"


async def test_a_job_that_kills_its_workers_is_given_up_with_words_for_its_member(world: World) -> None:
    job = await running(world)
    for attempt in range(1, MOST_TRIES + 1):
        await world.hear(Started(job_id=job, attempt=attempt, worker_id="w1", at=0.0))
        await world.beat(imagine=1)
        await world.lost_for(16)
    given_up = await world.job(job)
    assert (given_up.state, given_up.tries) == ("failed", 3)
    assert given_up.reference is not None
    assert given_up.reference in (given_up.error or "")
    assert ("failed, card not written", job) in await world.tell()


async def test_what_is_committed_is_delivered_again_without_counting(world: World) -> None:
    job = await running(world)
    await world.commit(await world.job(job))
    for attempt in range(1, 6):
        await world.hear(Started(job_id=job, attempt=attempt, worker_id="w1", at=0.0))
        await world.beat(imagine=1)
        await world.lost_for(16)
    assert ((await world.job(job)).attempt, (await world.job(job)).tries) == (6, 0)


async def test_cancelling_loses_against_the_commit_and_wins_before_it(world: World) -> None:
    committed, stopped = await running(world), await running(world)
    await world.commit(await world.job(committed))
    for job in (committed, stopped):
        await world.jobs.cancel(job, MEMBERS["ada"])
    await world.beat(imagine=0)
    await world.lost_for(16)
    assert ((await world.job(committed)).state, (await world.job(stopped)).state) == ("queued", "cancelled")
    assert ("cancelled, card not written", stopped) in await world.tell()


async def test_after_redis_was_wiped_everything_goes_on(world: World) -> None:
    job, lying = await running(world), await world.imagine()
    await world.beat(f"{job}:1", imagine=1)
    await world.dispatcher.tick()
    await world.redis.flushall()
    await world.beat(f"{job}:1", imagine=1)  # the worker of the running one is alive, and says so again
    await world.dispatcher.tick()
    world.clock.now += 16
    await world.beat(f"{job}:1", imagine=1)
    await world.dispatcher.tick()
    after = await world.job(lying.id)
    assert (after.attempt, after.tries, await world.queued_in_arq()) == (2, 0, [f"{lying.id}:2"])
    assert await world.redis.get(names.attempt_key(job)) == b"1"
    assert (await world.job(job)).state == "running"


async def test_a_cancel_flag_survives_a_wiped_redis(world: World) -> None:
    job = await running(world)
    await world.jobs.cancel(job, MEMBERS["ada"])
    await world.redis.flushall()
    await world.beat(f"{job}:1")
    await world.dispatcher.tick()
    assert await world.redis.exists(names.cancel_key(job))


async def test_a_job_in_the_queue_of_a_dead_worker_waits_for_the_next(world: World) -> None:
    job = await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.die()
    await world.lost_for(16)
    back = await world.job(job.id)
    assert (back.outstanding, back.tries, await world.queued_in_arq()) == (False, 0, [])
    await world.beat(imagine=1, worker_id="w2")
    assert [handed.attempt for handed in await world.dispatcher.tick()] == [2]


async def test_nothing_counts_as_lost_while_events_wait_to_be_read(world: World) -> None:
    job = await running(world)
    world.dispatcher._caught_up = lambda: False
    await world.die()
    await world.lost_for(100)
    assert (await world.job(job)).state == "running"


async def test_a_job_whose_child_died_twice_runs_alone(world: World) -> None:
    killer = await running(world)
    await world.hear(HandedBack(job_id=killer, attempt=1, at=0.0, counts=True))
    neighbour = await world.imagine("ben")
    await world.beat(imagine=2)
    assert [job.id for job in await world.dispatcher.tick()] == [killer, neighbour.id]
    await world.hear(
        Started(job_id=killer, attempt=2, worker_id="w1", at=0.0),
        HandedBack(job_id=killer, attempt=2, at=0.0, counts=True),
    )
    later = await world.imagine("ben")
    assert await world.dispatcher.tick() == []  # nobody new comes in beside the one that waits to be alone
    await world.hear(Delivered(job_id=neighbour.id, attempt=1, channel_id=200, message_id=1, at=0.0))
    assert [job.id for job in await world.dispatcher.tick()] == [
        killer,
    ]
    await world.hear(Delivered(job_id=killer, attempt=3, channel_id=200, message_id=1, at=0.0))
    assert [job.id for job in await world.dispatcher.tick()] == [later.id]


async def test_work_handed_back_goes_out_again_without_counting(world: World) -> None:
    job = await running(world)
    await world.hear(HandedBack(job_id=job, attempt=1, at=0.0))
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    assert ((await world.job(job)).attempt, (await world.job(job)).tries) == (2, 0)


async def test_without_redis_jobs_are_accepted_and_wait(world: World, tmp_path: object) -> None:
    async with open_queue(f"unix://{tmp_path}/nothing.sock") as gone:
        world.dispatcher._queue = world.jobs._queue = gone
        job = await world.imagine()
        with pytest.raises(QueueDown, match="Redis does not answer"):
            await world.dispatcher.tick()
        assert await world.jobs.progress(job) is None
        assert (await world.jobs.cancel(job.id, MEMBERS["ada"])).state == "cancelled"


async def test_a_worker_killed_between_taking_a_job_and_saying_so_holds_it_up_no_longer(world: World) -> None:
    job = await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.redis.set(f"arq:in-progress:{job.id}:1", b"1", ex=7 * 24 * 3600)  # as arq marks what it took
    await world.die()
    await world.beat(imagine=0, worker_id="w2")  # another one lives, and arq lets it pass the job by
    await world.lost_for(16)
    back = await world.job(job.id)
    assert (back.outstanding, back.tries, await world.queued_in_arq()) == (False, 0, [])


async def test_a_running_job_that_was_lost_leaves_nothing_in_arqs_queue(world: World) -> None:
    job_id = await running(world)
    assert await world.queued_in_arq() == [f"{job_id}:1"]  # arq takes it out at the end alone
    await world.die()
    await world.lost_for(16)
    assert await world.queued_in_arq() == []


async def test_the_default_base_is_one_that_is_offered_still(world: World) -> None:
    await world.beat(bases=("a-model", "b-model"))
    await world.dispatcher.tick()
    assert [base.name for base in await world.jobs.bases()] == ["a-model", "b-model"]
    for _ in range(12):  # the operator has taken the first one away
        world.clock.now += 60
        await world.beat(bases=("b-model",))
        await world.dispatcher.tick()
    assert [base.name for base in await world.jobs.bases()] == ["b-model", "a-model"]
    assert (await world.imagine()).base == "b-model"
    world.clock.now += 8 * 24 * 3600
    await world.beat(bases=("b-model",))
    await world.dispatcher.tick()
    assert [base.name for base in await world.jobs.bases()] == ["b-model"]


async def test_what_another_version_has_written_of_a_base_is_passed_over(world: World) -> None:
    await world.beat(bases=("a-model", "b-model"))
    await world.dispatcher.tick()
    await world.database.write(
        lambda tx: tx.execute("UPDATE bases SET info = json_set(info, '$.unheard_of', 1) WHERE name = 'a-model'")
    )
    assert [base.name for base in await world.jobs.bases()] == ["b-model"]
    world.clock.now += 60  # a worker says it anew
    await world.beat(bases=("a-model", "b-model"))
    await world.dispatcher.tick()
    assert [base.name for base in await world.jobs.bases()] == ["a-model", "b-model"]
