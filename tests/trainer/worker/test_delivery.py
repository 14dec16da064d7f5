"""Delivery against the sandbox: once, in the right place, whatever breaks on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import discord
import pytest

from sandbox.server import Sandbox
from trainer.cards import Face
from trainer.contract.names import CARD_STALE_AFTER_S
from trainer.contract.requests import Card
from trainer.delivery import EDIT_EVERY_S, Attached, Delivery
from trainer.errors import UserFault

PICTURE = Attached("thnos.png", b"\x89PNG\r\n\x1a\n" + b"x" * 100)


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.waited: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def _restore_discord_address() -> Iterator[None]:
    base = discord.http.Route.BASE
    yield
    discord.http.Route.BASE = base


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def delivery(sandbox: Sandbox, clock: Clock) -> AsyncIterator[Delivery]:
    delivery = Delivery(sandbox.api_base, clock=clock, wait=clock.wait)
    await delivery.open(sandbox.token)
    yield delivery
    await delivery.close()


@pytest.fixture
async def card(sandbox: Sandbox, clock: Clock, delivery: Delivery) -> Card:
    """A card that the bot posted."""
    channel = sandbox.place("darkroom").id
    posted = await delivery._client.get_partial_messageable(channel).send(embed=discord.Embed(title="queued"))
    return Card(channel_id=channel, message_id=posted.id, posted_at=clock.now, requester_id=sandbox.member("ada").id)


def result(title: str = "thnos") -> Face:
    return Face(title, "as it was asked for", 0)


async def test_progress_comes_at_most_once_in_five_seconds(
    sandbox: Sandbox, delivery: Delivery, card: Card, clock: Clock
) -> None:
    shown = [
        await delivery.show_progress("7", card, result("1")),
        await delivery.show_progress("7", card, result("2")),
    ]
    clock.now += EDIT_EVERY_S
    shown.append(await delivery.show_progress("7", card, result("3"), PICTURE))
    assert shown == [True, False, True]
    (message,) = sandbox.messages("darkroom")
    assert "3" in message.text
    assert sandbox.violations == []


async def test_a_result_replaces_the_card_and_a_repeat_changes_nothing(
    sandbox: Sandbox, delivery: Delivery, card: Card
) -> None:
    for _ in range(2):
        place = await delivery.deliver("7", card, result(), [PICTURE])
    (message,) = sandbox.messages("darkroom")
    assert place == (card.channel_id, message.id)
    assert [file.filename for file in message.files] == ["thnos.png"]
    assert not await delivery.show_progress("7", card, result("late"))
    assert sandbox.violations == []


@pytest.mark.parametrize("age", ["old", "deleted"])
async def test_a_card_that_is_old_or_gone_is_answered_once_by_a_new_message(
    sandbox: Sandbox, delivery: Delivery, card: Card, clock: Clock, age: str
) -> None:
    if age == "old":
        clock.now += CARD_STALE_AFTER_S + 1
    else:
        await delivery._message(card.channel_id, card.message_id or 0).delete()
    places = {await delivery.deliver("7", card, result(), [PICTURE]) for _ in range(2)}
    assert len(places) == 1
    with_picture = [message for message in sandbox.messages("darkroom") if message.files and not message.deleted]
    assert len(with_picture) == 1
    assert sandbox.violations == []


async def test_a_card_that_is_too_old_says_where_the_result_is(
    sandbox: Sandbox, delivery: Delivery, card: Card, clock: Clock
) -> None:
    clock.now += CARD_STALE_AFTER_S + 1
    _, posted = await delivery.deliver("7", card, result(), [PICTURE])
    old, new = sandbox.messages("darkroom")
    assert (old.id, new.id) == (card.message_id, posted)
    assert f"/{card.channel_id}/{posted})" in old.text
    assert old.buttons == []


async def test_in_a_thread_that_was_archived_meanwhile_the_result_is_posted_anew(
    sandbox: Sandbox, delivery: Delivery, card: Card
) -> None:
    sandbox.faults.add(method="PATCH", path_regex=r"/channels/\d+/messages", status=400, code=50083, times=9)
    _, posted = await delivery.deliver("7", card, result(), [PICTURE])
    assert posted != card.message_id
    assert [file.filename for file in sandbox.message(posted).files] == ["thnos.png"]


async def test_a_repeat_finds_its_result_also_in_a_lively_channel(
    sandbox: Sandbox, delivery: Delivery, card: Card, clock: Clock
) -> None:
    clock.now += CARD_STALE_AFTER_S + 1
    for number in range(60):
        await sandbox.member("ben").post(f"and another thing, {number}", channel="darkroom")
    places = {await delivery.deliver("7", card, result(), [PICTURE]) for _ in range(2)}
    assert len(places) == 1


async def test_faults_on_the_way_do_not_double_the_result(
    sandbox: Sandbox, delivery: Delivery, card: Card, clock: Clock
) -> None:
    clock.now += CARD_STALE_AFTER_S + 1
    sandbox.faults.add(method="POST", path_regex=r"/channels/\d+/messages", cut=True, after="apply", times=1)
    sandbox.faults.add(method="GET", path_regex=r"/channels/\d+/messages", status=503, times=1)
    await delivery.deliver("7", card, result(), [PICTURE])
    assert len([message for message in sandbox.messages("darkroom") if message.files]) == 1
    assert clock.waited


async def test_a_file_above_the_limit_becomes_a_sentence(sandbox: Sandbox, delivery: Delivery, card: Card) -> None:
    small = Card(**{**{f: getattr(card, f) for f in card.__struct_fields__}, "upload_limit_bytes": 50})
    await delivery.deliver("7", small, result(), [PICTURE])
    (message,) = sandbox.messages("darkroom")
    assert "thnos.png: above" in str(message.embeds)
    assert message.files == []


async def test_a_wrong_token_is_one_sentence(sandbox: Sandbox) -> None:
    delivery = Delivery(sandbox.api_base)
    with pytest.raises(UserFault, match="refused DISCORD_TOKEN"):
        await delivery.open("wrong.token.here")
    await delivery.close()
