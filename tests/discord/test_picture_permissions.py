"""Who may do what under a picture: checked at every click, whatever the button carries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.errors import UserError
from sandbox.members import Member, Message
from sandbox.views import walk_components
from tests.discord.house import CHANNEL, PATIENCE_S, REDRAWING, House

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "Darkroom knows of no picture here any more: draw one with `/imagine`."
DRAWING = ["Again", *REDRAWING]
LOOKING = ["Settings", "Favourite"]


def forge(message: Message, before: str, after: str) -> None:
    """Let the buttons of a message carry something else, as no client of Discord's can."""
    for component in _with_ids(message):
        component["custom_id"] = component["custom_id"].replace(before, after)


def _with_ids(message: Message) -> Iterator[dict[str, str]]:
    return (component for component in walk_components(message.components) if "custom_id" in component)


async def shared_thnos(home: House) -> None:
    await home.trained(home.ada, "thnos", class_word="monster")
    await (await home.ada.slash("adapter share", channel=CHANNEL, name="thnos")).response()


async def test_everybody_on_the_server_draws_and_looks(home: House) -> None:
    card = await home.drawn(home.ada, "a fox")
    for who in (home.ada, home.ben, home.cleo):
        for label in DRAWING:
            exchange = await who.click(card, label)
            await home.result(exchange)
            job = await home.job(exchange.id)
            assert job is not None
            assert job.owner_id == who.id  # it is theirs, and counts as theirs
        for label in LOOKING:
            answer = await (await who.click(card, label)).response(PATIENCE_S)
            assert answer.ephemeral_to == who.id
        assert (await who.click(card, "Remix")).modal is not None


async def test_access_that_was_lost_is_lost_to_all_that_draws(home: House) -> None:
    await shared_thnos(home)
    card = await home.drawn(home.ben, "<lora:ada/thnos:0.8> in a suit")  # his own picture
    await (await home.ada.slash("adapter unshare", channel=CHANNEL, name="thnos")).response()
    for label in (*DRAWING, "Remix"):
        assert "does not share it here" in await home.refusal(await home.ben.click(card, label)), label
    assert "in a suit" in await home.settings_of(home.ben, card)
    await home.result(await home.ada.click(card, "Vary (subtle)"))  # hers is hers


async def test_an_adapter_that_is_gone_draws_nothing(home: House) -> None:
    await home.trained(home.ada, "shortlived")
    card = await home.drawn(home.ada, "<lora:shortlived> in a suit")
    asked = await (await home.ada.slash("adapter delete", channel=CHANNEL, name="shortlived")).response()
    await (await home.ada.click(asked, "Delete shortlived for good")).response()
    for label in (*DRAWING, "Remix"):
        words = await home.refusal(await home.ada.click(card, label))
        assert words == "That adapter was deleted: `/adapter list` shows what you can use.", label


@pytest.mark.parametrize("name", ["ben", "cleo"])  # a moderator of the server is none elsewhere
async def test_a_picture_of_elsewhere_is_unknown_whatever_a_button_carries(home: House, name: str) -> None:
    who: Member = home.sandbox.member(name)
    theirs = await home.imagine(home.ada, "a fox of the server", seed=4711)
    await home.result(theirs)
    direct = await who.slash("imagine", channel=home.sandbox.direct_channel(who), prompt="mine")
    forged = await home.result(direct)
    forge(forged, str(direct.id), str(theirs.id))
    for label in (*DRAWING, *LOOKING, "Remix"):
        assert await home.refusal(await who.click(forged, label)) == UNKNOWN, label
    words = await home.refusal(await who.click(forged, "Delete"))
    assert words == "Darkroom knows of no picture here any more: a moderator can delete the message itself."
    assert len(await home.services.pictures.of_job(str(theirs.id))) == 1


async def test_a_moderator_of_another_server_deletes_nothing(home: House) -> None:
    theirs = await home.imagine(home.ada, "a fox")
    await home.result(theirs)
    with pytest.raises(UserError, match="knows of no picture"):
        await home.services.pictures.delete(str(theirs.id), home.cleo.id, guild_id=1, moderator=True)


@pytest.mark.parametrize("job", ["1", "9" * 30, "training"])
async def test_a_forged_job_is_unknown(home: House, job: str) -> None:
    exchange = await home.imagine(home.ben, "mine")
    card = await home.result(exchange)
    if job == "training":
        training = await home.train(home.ada, "elsewhat")
        await home.result(training)
        job = str(training.id)
    forge(card, str(exchange.id), job)
    for label in (*REDRAWING, "Remix", "Favourite", "Delete"):
        assert "Darkroom knows of no picture here any more" in await home.refusal(await home.ben.click(card, label))
    assert "Darkroom knows nothing of this card" in await home.refusal(await home.ben.click(card, "Again"))


async def test_a_forged_place_is_one_sentence(home: House) -> None:
    exchange = await home.imagine(home.ben, "mine")
    card = await home.result(exchange)
    forge(card, f"{exchange.id}:0", f"{exchange.id}:99")
    for label in REDRAWING:
        words = await home.refusal(await home.ben.click(card, label))
        assert words == "There is no picture 100 in here: the last one is 1.", label


async def test_a_draft_is_its_writers_alone(home: House) -> None:
    draft_ids = [component["custom_id"].split(":")[2] for component in await _refused_buttons(home, home.ada)]
    with pytest.raises(UserError, match="not kept any more"):
        home.services.drafts.get(draft_ids[0], home.ben.id)
    assert home.services.drafts.get(draft_ids[0], home.ada.id).prompt == "a fox"


async def _refused_buttons(home: House, who: Member) -> list[dict[str, str]]:
    exchange = await home.imagine(who, "a fox", steps=10_000)
    answer = await exchange.response(PATIENCE_S)
    return list(_with_ids(answer))
