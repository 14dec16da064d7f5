"""Fair shares of GPU seconds, whoever sends what: bounds that hold for every sequence of jobs."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.admission import enter
from bot.costs import MERGE_S, PICTURE_S, TRAINING_S, expected_cost
from bot.dispatch import Dispatcher
from bot.fairness import measured_cost, shift
from bot.store import jobs
from tests.bot.lanes import Lane, Sent
from tests.bot.worlds import World, base_info
from trainer.contract.drawings import DrawingSettings, HighRes
from trainer.contract.events import Delivered, Started

SECONDS = st.integers(1, 60).map(float)
bounded = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@bounded
@given(st.lists(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=8), min_size=2, max_size=4))
def test_members_who_wait_get_the_same_seconds_however_wrong_the_estimates_were(
    queues: list[list[tuple[float, float]]],
) -> None:
    """Theorem 1 of the paper: the difference is never more than the longest job of each of the two."""
    lane = Lane()
    for member, queue in enumerate(queues, 1):
        for takes, thought in queue:
            lane.plan(0.0, member, takes, thought=thought)
    lane.run()
    got: dict[int, float] = defaultdict(float)
    left = {member: len(queue) for member, queue in enumerate(queues, 1)}
    longest = {member: max(max(pair) for pair in queue) for member, queue in enumerate(queues, 1)}
    for begun in lane.log:
        waiting = [member for member, count in left.items() if count]
        for one in waiting:
            for other in waiting:
                assert abs(got[one] - got[other]) <= longest[one] + longest[other]
        got[begun.member] += begun.takes
        left[begun.member] -= 1
    assert not any(left.values())


@bounded
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 5), SECONDS, SECONDS), min_size=1, max_size=40),
    st.integers(1, 4),
)
def test_no_worker_is_idle_while_something_waits_and_all_is_served(
    sent: list[tuple[int, int, float, float]], slots: int
) -> None:
    lane = Lane(slots)
    for at, member, takes, thought in sent:
        lane.plan(float(at), member, takes, thought=thought)
    for now in range(0, 300, 7):
        lane.run(until=float(now))
        assert lane.busy == slots or not lane.waiting()
    lane.run()
    assert len(lane.log) == len(sent)
    of_each: dict[int, list[Sent]] = defaultdict(list)
    for begun in lane.log:
        of_each[begun.member].append(begun)
    assert all([each.sent for each in own] == sorted(each.sent for each in own) for own in of_each.values())


@bounded
@given(st.lists(SECONDS, min_size=1, max_size=6), st.integers(1, 10), st.lists(SECONDS, min_size=1, max_size=5))
def test_nothing_starves_behind_members_who_send_again_and_again(
    own: list[float], ahead: int, others: list[float]
) -> None:
    """The last of a member's jobs begins before anybody else got more than the jobs before it, and one of their own."""
    lane = Lane()

    def again(done: Sent) -> None:
        if done.member != 1 and len(lane.log) < 2_000:
            lane.plan(lane.now, done.member, done.takes)

    lane.on_done = again
    for takes in [*own, *[1.0] * ahead]:
        lane.plan(0.0, 1, takes)
    for member, takes in enumerate(others, 2):
        lane.plan(0.0, member, takes)
    mine = sum(own) + ahead
    lane.run(until=mine + len(others) * (mine + 2 * max(others)))
    assert sum(begun.member == 1 for begun in lane.log) == len(own) + ahead
    last = max(place for place, begun in enumerate(lane.log) if begun.member == 1)
    for member, takes in enumerate(others, 2):
        assert sum(begun.takes for begun in lane.log[:last] if begun.member == member) <= mine + takes


@bounded
@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), SECONDS)
def test_a_flood_delays_whoever_comes_by_one_job_at_most(times: list[int], takes: float) -> None:
    lane = Lane()
    for _ in range(40):
        lane.plan(0.0, 1, takes)
    for member, at in enumerate(times, 2):
        lane.plan(at + 0.5, member, 5.0)
    lane.run()
    for begun in lane.log:
        if begun.member != 1:
            between = [other for other in lane.log if begun.sent < (other.begun or 0.0) < (begun.begun or 0.0)]
            assert sum(other.member == 1 for other in between) <= 1
            assert all(other.sent <= begun.sent for other in between if other.member != 1)


def test_twice_the_weight_is_twice_the_seconds() -> None:
    lane = Lane()
    for _ in range(30):
        lane.plan(0.0, 1, 10.0, weight=2.0)
        lane.plan(0.0, 2, 10.0)
    lane.run(until=295.0)
    assert [sum(begun.member == member for begun in lane.log) for member in (1, 2)] == [20, 10]


def test_what_a_job_really_took_counts() -> None:
    lane = Lane()
    for _ in range(4):
        lane.plan(0.0, 1, 30.0, thought=5.0)
        lane.plan(0.0, 2, 5.0)
    lane.run()
    assert [begun.member for begun in lane.log] == [1, 2, 2, 2, 2, 1, 1, 1]


def test_what_was_stopped_while_it_waited_costs_nothing() -> None:
    lane = Lane()
    lane.plan(0.0, 3, 50.0)
    for at in (1.0, 2.0, 3.0):
        lane.plan(at, 1, 100.0)
    lane.plan(4.0, 2, 10.0)
    lane.plan(5.0, 2, 10.0)
    lane.run(until=10.0)
    first, second, third = (each for each in lane.sent.values() if each.member == 1)
    assert lane.waiting()[-2:] == [second, third]
    lane.cancel(second)
    lane.cancel(first)
    assert lane.waiting()[0] == third


def test_a_turn_comes_forward_to_the_present_and_no_further() -> None:
    assert shift(-50.0, first_turn=120.0, lane_turn=100.0) == -20.0
    assert shift(-50.0, first_turn=90.0, lane_turn=100.0) == 0.0
    assert shift(-50.0, first_turn=None, lane_turn=100.0) == -50.0
    assert shift(50.0, first_turn=120.0, lane_turn=100.0) == 50.0


@pytest.mark.parametrize(
    ("spent_s", "worked_s", "was_handed_out", "cost"),
    [
        (0.0, None, False, 0.0),  # stopped while it waited
        (0.0, 70.0, True, 70.0),
        (30.0, 70.0, True, 100.0),
        (30.0, None, True, 30.0),  # stopped while it waited again
        (0.0, None, True, 60.0),  # nobody said when it began
        (0.0, 8 * 3600.0, True, 1200.0),  # the bot was away
    ],
)
def test_the_cost_of_a_job_that_is_over(
    spent_s: float, worked_s: float | None, was_handed_out: bool, cost: float
) -> None:
    assert measured_cost(60.0, spent_s, worked_s, was_handed_out=was_handed_out) == cost


async def test_a_new_bot_goes_on_where_the_last_one_was(world: World) -> None:
    of_ada = [await world.imagine("ada") for _ in range(3)]
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.hear(Started(job_id=of_ada[0].id, attempt=1, worker_id="w1", at=0.0))
    world.clock.now += 60
    await world.hear(Delivered(job_id=of_ada[0].id, attempt=1, channel_id=200, message_id=1, at=0.0))
    of_ben = [await world.imagine("ben") for _ in range(3)]
    again = Dispatcher(world.database, world.queue, world.blobs, world.outbox, clock=world.clock)
    await world.beat(imagine=4, worker_id="w1")
    assert [job.id for job in await again.tick()] == [job.id for job in [*of_ben, of_ada[1]]]


async def test_attempts_that_were_broken_off_count_too(world: World) -> None:
    job = await world.imagine()
    await world.beat(imagine=1)
    await world.dispatcher.tick()
    await world.hear(Started(job_id=job.id, attempt=1, worker_id="w1", at=0.0))
    world.clock.now += 40
    taken = partial(jobs.take_back, job_id=job.id, attempt=1, now=world.clock.now, counts=False)
    assert await world.database.write(taken) is not None
    await world.dispatcher.tick()
    await world.hear(Started(job_id=job.id, attempt=2, worker_id="w1", at=0.0))
    world.clock.now += 30
    await world.hear(Delivered(job_id=job.id, attempt=2, channel_id=200, message_id=1, at=0.0))
    assert (await world.job(job.id)).cost_s == 70.0


async def test_a_job_is_thought_to_cost_what_it_asks_for(world: World) -> None:
    info = base_info()
    one = await world.imagine()
    assert (one.cost_s, expected_cost(one, None)) == (PICTURE_S, PICTURE_S)
    four = await world.imagine(count=4)
    assert expected_cost(four, info) == 4 * PICTURE_S
    large = await world.imagine(width=128, num_inference_steps=50)
    assert expected_cost(large, info) == pytest.approx(4 * PICTURE_S)
    drawn = msgspec.structs.replace(
        one.imagine.drawings[0], settings=DrawingSettings(high_res=HighRes(scale=2.0, strength=0.5))
    )
    twice = msgspec.structs.replace(one, spec=msgspec.structs.replace(one.imagine, drawings=(drawn,)))
    assert expected_cost(twice, info) == pytest.approx(3 * PICTURE_S)
    training = await world.train()
    assert (training.cost_s, MERGE_S < TRAINING_S) == (TRAINING_S, True)


async def test_entering_a_job_again_changes_no_turn(world: World) -> None:
    job = await world.imagine()
    await world.database.write(lambda tx: enter(tx, job))
    later = await world.imagine()
    assert [place.job_id for place in await world.jobs.places()] == [job.id, later.id]
    turns = await world.database.read(lambda tx: [row[0] for row in tx.execute("SELECT turn FROM jobs ORDER BY id")])
    assert turns == [0.0, PICTURE_S]
