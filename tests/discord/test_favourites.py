"""Pictures that members keep: each their own, as long as the picture is there."""

from __future__ import annotations

import pytest

from sandbox.members import Member, Message
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def listed(home: House, who: Member) -> Message:
    answer = await (await who.slash("favourites", channel=CHANNEL)).response(PATIENCE_S)
    assert answer.ephemeral_to == who.id
    return answer


def lines(answer: Message) -> list[str]:
    return str(answer.embeds[0]["description"]).split("\n")


async def keep(home: House, who: Member, card: Message, label: str = "Favourite") -> str:
    return (await (await who.click(card, label)).response(PATIENCE_S)).content


async def test_each_member_keeps_their_own(home: House) -> None:
    card = await home.drawn(home.ada, "a fox that ben keeps")
    assert await keep(home, home.ben, card) == "Among your favourites: `/favourites` shows them."
    (line,) = lines(await listed(home, home.ben))
    assert line.startswith("1. [a fox that ben keeps](https://discord.com/channels/")
    assert str(card.id) in line
    assert lines(await listed(home, home.ada)) == ["None yet. **Favourite** under a picture keeps it here."]
    assert await keep(home, home.ben, card) == "Not among your favourites any more."
    assert "None yet" in lines(await listed(home, home.ben))[0]


async def test_one_of_several_is_kept_and_opened_from_the_list(home: House) -> None:
    card = await home.drawn(home.ada, "a fox", count=3, seed=7)
    panel = await (await home.cleo.click(card, "2")).response(PATIENCE_S)
    await home.cleo.click(panel, "Favourite")
    await home.sandbox.wait_for(
        lambda message: message.id == panel.id and "No favourite any more" in labels(message), seen_by=home.cleo
    )
    answer = await listed(home, home.cleo)
    assert ", picture 2 ·" in lines(answer)[0]
    (option,) = answer.components[0]["components"][0]["options"]
    opened = await (await home.cleo.select(answer, "Choose a picture", [option["value"]])).response(PATIENCE_S)
    assert opened.content == "Picture 2 of 3, seed 8"
    await home.cleo.click(opened, "No favourite any more")
    await home.until(lambda: _keeps_none(home, home.cleo))


async def _keeps_none(home: House, who: Member) -> bool:
    page = await home.services.favourites.page(0, member_id=who.id, guild_id=home.sandbox.guild.id)
    return not page.kept


async def test_a_deleted_picture_is_nobodys_favourite(home: House) -> None:
    card = await home.drawn(home.ada, "a fox")
    for who in (home.ada, home.ben):
        await keep(home, who, card)
    answer = await listed(home, home.ben)
    (option,) = answer.components[0]["components"][0]["options"]
    await home.ada.click(card, "Delete")
    for who in (home.ada, home.ben):
        await home.until(lambda who=who: _keeps_none(home, who))
    words = await home.refusal(await home.ben.select(answer, "Choose a picture", [option["value"]]))
    assert words == "These pictures were deleted, and their settings with them."


async def test_in_a_direct_message_there_are_ones_own_alone(home: House) -> None:
    for who in (home.ada, home.ben):
        await keep(home, home.ben, await home.drawn(who, f"a fox of {who.name}"))
    direct = home.sandbox.direct_channel(home.ben)
    answer = await (await home.ben.slash("favourites", channel=direct)).response(PATIENCE_S)
    (line,) = lines(answer)
    assert "a fox of ben" in line
    page = await home.services.favourites.page(0, member_id=home.ben.id, guild_id=1)  # another server
    assert [job.imagine.prompt for job, _ in page.kept] == ["a fox of ben"]


async def test_pages_outlive_a_restart(home: House) -> None:
    await home.until(lambda: _let_go(home, home.ada))
    exchange = await home.ada.slash("grid", channel=CHANNEL, prompt="a fox", x="seed(1-6)", y="guidance(1-4)")
    await keep(home, home.ada, await home.result(exchange))
    answer = await listed(home, home.ada)
    assert answer.embeds[0]["footer"]["text"] == "Page 1 of 3"
    assert labels(answer) == ["Older"]
    await home.restart_bot()
    for page, buttons in ((2, ["Newer", "Older"]), (3, ["Newer"])):
        await home.ada.click(answer, "Older")
        await home.sandbox.wait_for(
            lambda message, page=page: (
                message.id == answer.id and message.embeds[0]["footer"]["text"] == f"Page {page} of 3"
            ),
            seen_by=home.ada,
            timeout_s=PATIENCE_S,
        )
        assert labels(answer) == buttons
    assert len(lines(answer)) == 4
    assert lines(answer)[0].startswith("21. ")


async def _let_go(home: House, who: Member) -> bool:
    page = await home.services.favourites.page(0, member_id=who.id, guild_id=None)
    for job, kept in page.kept:
        await home.services.favourites.toggle(job.id, kept.position, member_id=who.id, guild_id=None)
    return not page.kept
