"""Redis or the worker is away while people use the commands: the card says so, and the job goes on later."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import OwnRedis
from tests.discord.house import CHANNEL, PATIENCE_S, House, house, labels

NO_QUEUE = "The queue does not answer at the moment. This goes on as soon as it does; nothing is lost."
NO_WORKER = "No worker with the model emoji-64 is running at the moment. This starts as soon as one does."


async def say(home: House, command: str, **options: str) -> str:
    answer = await (await home.ada.slash(command, channel=CHANNEL, **options)).response(PATIENCE_S)
    assert answer.ephemeral_to == home.ada.id
    return answer.text


async def test_while_redis_is_away_jobs_are_accepted_and_they_go_on_when_it_is_back(
    tmp_path: Path, own_redis: OwnRedis
) -> None:
    async with house(tmp_path / "data", own_redis.url) as home:
        own_redis.stop()
        picture, training = await home.imagine(home.ada, "a fox"), await home.train(home.ada, "thnos")
        for exchange in (picture, training):
            card = await exchange.response(PATIENCE_S)
            assert NO_QUEUE in card.text
            assert labels(card)[-1] == "Cancel"
        unwanted = await home.imagine(home.ada, "no more of this")
        await unwanted.response(PATIENCE_S)
        assert "no more of this" in await say(home, "jobs")
        assert "is stopped" in await say(home, "cancel", job=str(unwanted.id))
        assert "None yet" in await say(home, "adapter list")
        assert "There is no adapter" in await home.refusal(await home.imagine(home.ada, "<lora:x>"))
        own_redis.start()  # it has forgotten everything
        for exchange in (picture, training):
            card = await home.result(exchange)
            assert card.id == (await exchange.response()).id
        stopped = await unwanted.response()
        await home.sandbox.wait_for(lambda message: message.id == stopped.id and "Cancelled" in message.text)


async def test_a_running_job_can_be_stopped_while_redis_is_away(tmp_path: Path, own_redis: OwnRedis) -> None:
    async with house(tmp_path / "data", own_redis.url) as home:
        exchange = await home.imagine(home.ada, "endless fox")
        card = await home.running(exchange)
        own_redis.stop()
        answer = await (await home.ada.click(card, "Cancel")).response(PATIENCE_S)
        assert answer.content == "It stops after the step it is at."
        own_redis.start()
        await home.sandbox.wait_for(lambda message: message.id == card.id and "Cancelled" in message.text)


async def test_while_no_worker_runs_the_card_says_so(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url, worker=False) as home:
        for _ in range(2):  # before any worker has ever been there, and after one has left
            exchange = await home.imagine(home.ada, "a fox")
            card = await exchange.response(PATIENCE_S)
            assert NO_WORKER in card.text
            assert labels(card) == ["Cancel"]
            await home.start_worker()
            await home.result(exchange)
            await home.stop_worker()
        exchange = await home.imagine(home.ada, "a fox")
        await home.ada.click(await exchange.response(PATIENCE_S), "Cancel")
        card = await exchange.response()
        await home.sandbox.wait_for(lambda message: message.id == card.id and "Cancelled" in message.text)


async def test_before_the_first_worker_has_said_what_it_offers(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url, worker=False, darkroom_bases=tmp_path / "bases") as home:
        words = await home.refusal(await home.imagine(home.ada, "a fox"))
        assert "No worker has started yet, so there is no model to work with: try again in a minute" in words
        for option in ("model", "size"):
            assert await home.ada.autocomplete("imagine", focused=option, value="", channel=CHANNEL) == []


async def test_a_training_goes_on_after_its_worker_was_stopped(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        exchange = await home.imagine(home.ada, "endless fox")
        card = await home.running(exchange)
        await home.stop_worker()
        await home.sandbox.wait_for(lambda message: message.id == card.id and "In the queue again" in message.text)
        assert labels(card) == ["Cancel"]
        await home.start_worker()
        await home.running(exchange)
        await home.ada.click(card, "Cancel")
        await home.sandbox.wait_for(lambda message: message.id == card.id and "Cancelled" in message.text)
