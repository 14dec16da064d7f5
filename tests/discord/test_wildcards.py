"""`/wildcard`, and prompts that choose from its lists."""

from __future__ import annotations

import pytest

from sandbox.members import File
from tests.discord.house import CHANNEL, PATIENCE_S, House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def put(home: House, name: str, text: str, who: str = "ada") -> str:
    """Through the form."""
    member = getattr(home, who)
    opened = await member.slash("wildcard set", channel=CHANNEL, name=name)
    sent = await member.submit(opened.modal, {"Lines": text})
    answer = await sent.response(PATIENCE_S)
    assert answer.ephemeral_to == member.id
    return answer.content


async def test_a_list_is_made_changed_shown_and_deleted(home: House) -> None:
    words = await put(home, "Birds", "owl\nrobin\n\nwren")
    assert words == "`__birds__` has 3 lines now. In a prompt it is one of them, another with each seed."
    opened = await home.ada.slash("wildcard set", channel=CHANNEL, name="birds")
    assert opened.modal is not None
    assert opened.modal.field("Lines").data["value"] == "owl\nrobin\nwren"
    shown = await (await home.ben.slash("wildcard show", channel=CHANNEL, name="birds")).response(PATIENCE_S)
    assert shown.content == "`__birds__`, made by ada:\n```\nowl\nrobin\nwren\n```"
    assert shown.ephemeral_to == home.ben.id
    listed = await (await home.ben.slash("wildcard list", channel=CHANNEL)).response(PATIENCE_S)
    assert "`__birds__` · 3 lines · owl, robin, wren" in listed.text
    gone = await (await home.ada.slash("wildcard delete", channel=CHANNEL, name="birds")).response(PATIENCE_S)
    assert gone.content.startswith("`__birds__` is deleted. This stood in it:")


async def test_a_file_does_as_well_as_the_form(home: House) -> None:
    text = "\n".join(f"fish number {number}" for number in range(400))
    sent = await home.ada.slash("wildcard set", channel=CHANNEL, name="fish", file=File("fish.txt", text.encode()))
    await sent.response(PATIENCE_S)
    answer = await home.sandbox.wait_for(
        lambda message: message.ephemeral_to == home.ada.id and "400 lines" in message.content, seen_by=home.ada
    )
    assert "`__fish__` has 400 lines now" in answer.content
    shown = await (await home.ben.slash("wildcard show", channel=CHANNEL, name="fish")).response(PATIENCE_S)
    assert [file.filename for file in shown.files] == ["fish.txt"]
    words = await home.refusal(await home.ada.slash("wildcard set", channel=CHANNEL, name="fish"))
    assert "more than a form has room for: attach it" in words
    picture = File("a.txt", b"\x89PNG\xff")
    words = await home.refusal(await home.ada.slash("wildcard set", channel=CHANNEL, name="other", file=picture))
    assert words == "`a.txt` is no text: save it as plain text in UTF-8."


async def test_the_maker_and_moderators_change_a_list_and_nobody_else(home: House) -> None:
    await put(home, "colours", "red\nblue")
    for command in ("wildcard set", "wildcard delete"):
        words = await home.refusal(await home.ben.slash(command, channel=CHANNEL, name="colours"))
        assert "was made by ada: they, or a moderator, may change it" in words
    assert "has 1 line now" in await put(home, "colours", "green", "cleo")  # a moderator
    gone = await home.cleo.slash("wildcard delete", channel=CHANNEL, name="colours")
    assert "green" in (await gone.response(PATIENCE_S)).content


async def test_a_form_that_was_open_meanwhile_changes_nothing_that_is_anothers(home: House) -> None:
    opened = await home.ben.slash("wildcard set", channel=CHANNEL, name="raced")
    await put(home, "raced", "mine")
    words = await home.refusal(await home.ben.submit(opened.modal, {"Lines": "his"}))
    assert "was made by ada" in words


async def test_names_and_lists_that_can_not_be_are_refused(home: House) -> None:
    words = await home.refusal(await home.ada.slash("wildcard set", channel=CHANNEL, name="a b"))
    assert words.startswith("`a b` is no name for a list: take letters and digits")
    opened = await home.ada.slash("wildcard set", channel=CHANNEL, name="loop")
    words = await home.refusal(await home.ada.submit(opened.modal, {"Lines": "a __loop__"}))
    assert words == "The list `__loop__` calls itself: `__loop__` → `__loop__`; take one of them out of its list."


async def test_names_are_offered(home: House) -> None:
    await put(home, "offered/one", "x")
    await put(home, "offered/two", "x\ny")
    choices = await home.ben.autocomplete("wildcard show", focused="name", value="ED/TW", channel=CHANNEL)
    assert choices == [{"name": "offered/two · 2 lines", "value": "offered/two"}]


async def test_pictures_choose_from_the_servers_lists(home: House) -> None:
    await put(home, "beasts", "\n".join(f"beast{number}" for number in range(40)))
    exchange = await home.imagine(home.ben, "a __beasts__ in a {red|blue} suit", count=4, seed=3)
    card = await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    texts = [drawing.prompt for drawing in job.imagine.drawings]
    assert len(set(texts)) == 4
    assert all("beast" in text and "__" not in text and "{" not in text for text in texts)
    assert (await home.settings_of(home.ben, card)).startswith(texts[0])
    again = await home.drawn(home.ada, "a __beasts__ in a {red|blue} suit", seed=3)
    assert (await home.settings_of(home.ada, again)).splitlines()[0] == texts[0]


async def test_again_chooses_anew_for_whoever_clicks(home: House) -> None:
    await put(home, "many", "\n".join(f"thing{number}" for number in range(400)))
    card = await home.drawn(home.ada, "a __many__", seed=3)
    clicked = await home.ben.click(card, "Again")
    await home.result(clicked)
    job = await home.job(clicked.id)
    assert job is not None
    (drawing,) = job.imagine.drawings
    assert drawing.template == "a __many__"
    assert drawing.prompt.startswith("a thing")


async def test_an_unknown_list_is_told_on_the_card(home: House) -> None:
    exchange = await home.imagine(home.ada, "a __nowhere__ fox, endless")
    card = await exchange.response(PATIENCE_S)
    job = await home.job(exchange.id)
    assert job is not None
    assert job.imagine.ignored == ("There is no list `__nowhere__`, so it is text.",)
    assert card.id


async def test_in_a_direct_message_everybody_has_lists_of_their_own(home: House) -> None:
    await put(home, "shared", "x")
    place = home.sandbox.direct_channel(home.ada)
    opened = await home.ada.slash("wildcard set", channel=place, name="secret")
    await (await home.ada.submit(opened.modal, {"Lines": "a\nb"})).response(PATIENCE_S)
    listed = (await (await home.ada.slash("wildcard list", channel=place)).response(PATIENCE_S)).text
    assert "secret" in listed
    assert "shared" not in listed
    listed = (await (await home.ada.slash("wildcard list", channel=CHANNEL)).response(PATIENCE_S)).text
    assert "secret" not in listed
