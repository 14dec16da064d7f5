"""Sharing through Discord: the panel under a training, the commands, and what each then says."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sharing import AGREEMENT
from bot.ui.consenting import AGREE, REFUSE, TAKE_BACK
from bot.ui.sharing import EVERYONE, MEMBERS, NOBODY, NOT_EVERYONE, NOT_SERVER, SERVER
from sandbox.members import Member, Message
from tests.discord.backend import EXAMPLES
from tests.discord.cast import Actor, Who, cast, furnish
from tests.discord.house import PATIENCE_S, House, house, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEARING = "<lora:ada/thnos:0.8> in a suit"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, module_redis_url: str) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("sharing"), module_redis_url, furnish=furnish) as home:
        yield home


@pytest_asyncio.fixture(loop_scope="module")
async def actors(place: House) -> AsyncIterator[dict[Who, Actor]]:
    yield cast(place)
    place.check()


async def say(actor: Actor, command: str, **options: object) -> str:
    """A subcommand's answer, which its member alone sees."""
    answer = await (await actor.slash(f"adapter {command}", **options)).response(PATIENCE_S)
    assert answer.ephemeral_to == actor.member.id
    return answer.content


async def pressed(who: Member, message: Message, label: str) -> Message:
    return await (await who.click(message, label)).response(PATIENCE_S)


async def may_draw(actor: Actor, prompt: str = WEARING) -> bool:
    exchange = await actor.slash("imagine", prompt=prompt)
    answer = await exchange.response(PATIENCE_S)
    return "that you can use" not in answer.content


async def test_the_panel_says_who_can_use_it_after_each_step(place: House, actors: dict[Who, Actor]) -> None:
    ada = place.ada
    card = await place.trained(ada, "thnos", class_word="monster")
    panel = await pressed(ada, card, "Share")
    assert panel.ephemeral_to == ada.id
    assert "Only you can use it." in panel.text
    assert labels(panel) == [SERVER, EVERYONE]
    nora, sam = actors["named"].member, actors["stranger"].member
    await (await ada.select(panel, MEMBERS, ["nora", "sam"])).response(PATIENCE_S)
    assert f"You can use it, and so can <@{nora.id}>, <@{sam.id}> anywhere." in panel.text
    assert await may_draw(actors["stranger"])
    await (await ada.select(panel, MEMBERS, ["nora"])).response(PATIENCE_S)
    assert not await may_draw(actors["stranger"])
    assert await may_draw(actors["named"])
    await pressed(ada, panel, SERVER)
    assert "so can everybody on this server and <@" in panel.text
    assert labels(panel) == [NOT_SERVER, EVERYONE, NOBODY]
    assert await may_draw(actors["member"])
    assert not await may_draw(actors["elsewhere"])
    await pressed(ada, panel, EVERYONE)
    assert "Everybody can use it, on every server that this bot is on and in direct messages." in panel.text
    assert await may_draw(actors["elsewhere"])
    await pressed(ada, panel, NOT_EVERYONE)
    assert not await may_draw(actors["elsewhere"])
    await pressed(ada, panel, NOBODY)
    assert "Only you can use it." in panel.text
    for who in ("named", "member", "elsewhere"):
        assert not await may_draw(actors[who])


async def test_the_command_takes_the_same_steps(actors: dict[Who, Actor]) -> None:
    owner, nora = actors["owner"], actors["named"].member
    assert f"so can <@{nora.id}> anywhere. Others write `<lora:ada/thnos:0.8>`" in await say(
        owner, "share", name="thnos", member="nora"
    )
    assert "everybody on this server" in await say(owner, "share", name="thnos", **{"with": "this server"})
    assert "Everybody can use it" in await say(owner, "share", name="thnos", **{"with": "everyone"})
    assert "everybody on this server and" in await say(owner, "unshare", name="thnos", **{"from": "everyone"})
    said = await say(owner, "unshare", name="thnos", member="nora")
    assert said.startswith("`thnos`: You can use it, and so can everybody on this server. Others write")
    assert "Only you can use it. Pictures that were made with it stay." in await say(
        owner, "unshare", name="thnos", **{"from": "all"}
    )
    await say(owner, "share", name="thnos", member="nora")
    listed = await (await actors["named"].slash("adapter list")).response(PATIENCE_S)
    assert "Shared with you\n`<lora:ada/thnos:0.8>`" in listed.text
    await say(owner, "share", name="thnos", **{"with": "everyone"})
    listed = await (await actors["elsewhere"].slash("adapter list")).response(PATIENCE_S)
    assert "Shared with everyone\n`<lora:ada/thnos:0.8>`" in listed.text
    await say(owner, "unshare", name="thnos", **{"from": "all"})
    for options, words in (
        ({"with": "member"}, "Whom do you mean?"),
        ({"with": "everyone", "member": "nora"}, "Share with one at a time"),
        ({"member": "ada"}, "is yours"),
        ({"member": "darkroom"}, "is a bot"),
    ):
        assert words in await say(owner, "share", name="thnos", **options)
    assert "back from one at a time" in await say(owner, "unshare", name="thnos", member="nora", **{"from": "all"})


async def test_a_moderator_takes_back_and_lets_in_again(actors: dict[Who, Actor]) -> None:
    owner, moderator = actors["owner"], actors["moderator"]
    await say(owner, "share", name="thnos", **{"with": "everyone"})
    assert "leave `from` and `member` out" in await say(moderator, "unshare", name="ada/thnos", **{"from": "everyone"})
    assert "is taken back from this server" in await say(moderator, "unshare", name="ada/thnos")
    assert not await may_draw(actors["member"])
    assert await may_draw(actors["elsewhere"])
    assert "Moderators took `thnos` back from this server" in await say(owner, "share", name="thnos")
    card = await (await owner.slash("adapter show", name="thnos")).response(PATIENCE_S)
    assert "but not on this one, where moderators took it back." in card.text
    assert "ada can share `thnos` with this server again." in await say(moderator, "share", name="ada/thnos")
    assert await may_draw(actors["member"])  # everybody has it, and so has this server again
    await say(owner, "unshare", name="thnos", **{"from": "all"})


async def test_a_likeness_waits_for_its_person(place: House, actors: dict[Who, Actor]) -> None:
    ada, ben, owner, member = place.ada, place.ben, actors["owner"], actors["member"]
    refused = await place.refusal(await place.train(ada, "ben-face", kind="face"))
    assert "with `person`: me, somebody else, or nobody real" in refused
    card = await place.trained(ada, "ben-face", kind="face", person="somebody else")
    panel = await pressed(ada, card, "Share")
    assert labels(panel) == [SERVER]  # never everyone
    assert "has not agreed yet: ask them" in (await pressed(ada, panel, SERVER)).content
    assert "nobody was asked yet" in await say(owner, "consent", name="ben-face")
    asked = await (await owner.slash("adapter consent", name="ben-face", member="ben")).response(PATIENCE_S)
    assert asked.ephemeral_to is None
    assert f"> {AGREEMENT}" in asked.text
    assert asked.record.mention_ids == ()
    for other in (ada, place.cleo):
        assert "Nobody has asked you" in (await pressed(other, asked, AGREE)).content
    assert f"<@{ben.id}> has not answered" in await say(owner, "consent", name="ben-face")
    await pressed(ben, asked, AGREE)
    assert labels(asked) == [TAKE_BACK]
    assert f"<@{ben.id}> agreed" in asked.text
    await pressed(ada, panel, SERVER)
    prompt = "<lora:ada/ben-face> in a suit"
    assert await may_draw(member, prompt)

    mine = await (await actors["member"].slash("adapter consent")).response(PATIENCE_S)
    assert mine.ephemeral_to == ben.id
    assert labels(mine) == ["Take back ada/ben-face"]
    await pressed(ben, mine, "Take back ada/ben-face")
    assert labels(mine) == ["Agree to ada/ben-face"]
    assert not await may_draw(member, prompt)
    assert await may_draw(owner, "<lora:ben-face> in a suit")
    assert f"<@{ben.id}> does not agree" in await say(owner, "consent", name="ben-face")
    assert "somebody who does not agree" in await say(owner, "share", name="ben-face")
    assert "never for everybody" in await say(owner, "share", name="ben-face", **{"with": "everyone"})
    assert f"<@{ben.id}> anywhere" in await say(owner, "share", name="ben-face", member="ben")


async def test_ones_own_likeness_is_ones_own_word(place: House, actors: dict[Who, Actor]) -> None:
    await place.trained(place.ada, "me", kind="face", person="me")
    owner = actors["owner"]
    assert "everybody on this server" in await say(owner, "share", name="me")
    assert "your own likeness" in await say(owner, "consent", name="me")
    assert "Your own word" in await say(owner, "consent", name="me", member="ben")
    assert "nobody real" in await say(owner, "consent", name="thnos")
    assert "Choose it as `name`" in await say(owner, "consent", member="ben")
    nobody = await (await actors["stranger"].slash("adapter consent")).response(PATIENCE_S)
    assert "Nobody has asked you" in nobody.text


async def test_no_is_an_answer_and_the_panel_outlives_the_bot(place: House, actors: dict[Who, Actor]) -> None:
    card = await place.trained(place.ada, "cleo-face", kind="face", person="somebody else")
    panel = await pressed(place.ada, card, "Share")
    asked = await (await actors["owner"].slash("adapter consent", name="cleo-face", member="cleo")).response()
    await place.restart_bot()
    await pressed(place.cleo, asked, REFUSE)
    assert labels(asked) == [AGREE]  # minds change
    assert "so no server has it" in asked.text
    await (await place.ada.select(panel, MEMBERS, ["cleo"])).response(PATIENCE_S)
    assert f"<@{place.cleo.id}> anywhere" in panel.text
    assert await may_draw(actors["moderator"], "<lora:ada/cleo-face> in a suit")
    await place.result(await place.cleo.click(card, EXAMPLES[0]))


async def test_what_waits_is_refused_on_its_card_when_access_is_lost(place: House, actors: dict[Who, Actor]) -> None:
    await say(actors["owner"], "share", name="thnos")
    await place.stop_worker()
    waiting = await actors["member"].slash("imagine", prompt=WEARING)
    card = await waiting.response(PATIENCE_S)
    await say(actors["owner"], "unshare", name="thnos")
    await place.start_worker()
    refused = await place.sandbox.wait_for(
        lambda message: message.id == card.id and "was taken back or deleted" in message.text, timeout_s=PATIENCE_S
    )
    assert labels(refused) == ["Try again"]
    assert "does not share it here" in (await pressed(place.ben, refused, "Try again")).content
