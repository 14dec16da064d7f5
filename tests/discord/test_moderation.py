"""What is reported is hidden at once; moderators show it again, or take it down with all that came of it."""

from __future__ import annotations

import pytest

from bot.store import adapters, garbage
from sandbox.members import Member, Message
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")

REASON = "this is my face"


async def report(home: House, who: Member, message: Message, reason: str = REASON) -> str:
    form = await who.click(message, "Report")
    answer = await (await who.submit(form.modal, {"What is wrong with it?": reason})).response(PATIENCE_S)
    assert answer.ephemeral_to == who.id
    return answer.content


async def queue(home: House) -> Message:
    return await (await home.cleo.slash("reports", channel=CHANNEL)).response(PATIENCE_S)


async def decide(home: House, who: Member, words: str) -> str:
    listed = await queue(home)
    (label,) = [label for label in labels(listed) if label.startswith(words)][-1:]
    return (await (await who.click(listed, label)).response(PATIENCE_S)).text


async def test_reported_pictures_are_hidden_and_shown_again_when_they_are_kept(home: House) -> None:
    drawn = await home.drawn(home.ada, "a fox")
    assert "hidden until" in await report(home, home.ben, drawn)
    hidden = await home.sandbox.wait_for(lambda message: message.id == drawn.id and not message.files)
    assert labels(hidden) == []
    described = await home.ben.message_command("Describe picture", hidden)
    assert "were reported" in (await described.response(PATIENCE_S)).content
    card = (await queue(home)).text
    assert REASON in card
    assert f"<@{home.ada.id}>" in card
    assert "kept" in await decide(home, home.cleo, "Keep")
    shown = await home.sandbox.wait_for(lambda message: message.id == drawn.id and len(message.files) == 1)
    assert "Again" in labels(shown)
    await home.result(await home.ben.click(shown, "Again"))
    # what was kept is not hidden by the next report
    assert "It stays until" in await report(home, home.ben, shown, "I still do not like it")
    assert home.sandbox.message(drawn.id).files
    await decide(home, home.cleo, "Keep")


async def test_pictures_that_are_taken_down_are_gone(home: House) -> None:
    drawn = await home.drawn(home.ada, "another fox")
    job_id = drawn.buttons[0].custom_id.split(":")[2]
    await report(home, home.ben, drawn)
    assert "taken down" in await decide(home, home.cleo, "Take down")
    await home.until(lambda: _is_gone(home, drawn))
    assert await home.services.pictures.of_job(job_id) == []


async def _is_gone(home: House, message: Message) -> bool:
    return message.id not in {each.id for each in home.shown()}


async def test_an_adapter_is_taken_down_with_its_copies_and_can_not_come_back(home: House) -> None:
    card = await home.trained(home.ada, "mask")
    await home.ada.slash("adapter share", channel=CHANNEL, name="mask")
    mask = await home.adapter(home.ada, "mask")
    services = home.services
    case = await services.moderation.report_adapter(mask.id, home.ben.id, mask.guild_id, REASON)
    assert case.hides
    refused = await home.refusal(await home.imagine(home.ben, "<lora:ada/mask:0.8> in a suit"))
    assert "no adapter" in refused
    await home.drawn(home.ada, "<lora:mask:0.8> in a suit")  # its owner still sees it
    assert "mask" in (await queue(home)).text
    assert "taken down" in await decide(home, home.cleo, "Take down")
    told = await home.sandbox.wait_for(
        lambda message: "taken down `mask`" in message.content,
        channel=home.sandbox.direct_channel(home.ada), timeout_s=PATIENCE_S,
    )  # fmt: skip
    assert REASON in told.content
    assert await services.adapters._database.read(lambda tx: adapters.get(tx, mask.id)) is None
    await home.until(lambda: _is_gone(home, card))  # with its examples
    assert mask.blob in await services.adapters._database.write(lambda tx: garbage.collectable(tx, 9e12))


async def test_only_moderators_of_the_server_decide(home: House) -> None:
    drawn = await home.drawn(home.ada, "a third fox")
    await report(home, home.ben, drawn)
    listed = await queue(home)
    (keep,) = [button for button in listed.buttons if button.label.startswith("Keep")][-1:]
    report_id = int(keep.custom_id.split(":")[2])
    exchange = await home.ben.slash("reports", channel=CHANNEL)
    assert exchange.error is not None  # Discord does not offer it
    moderation = home.services.moderation
    for guild_id, moderator in ((home.sandbox.guild.id, False), (None, True), (77, True)):
        with pytest.raises(Exception, match=r"Only moderators|Reports go to|no such report"):
            await moderation.decide(report_id, home.ben.id, guild_id, "kept", moderator=moderator)
    await home.cleo.click(listed, keep.label)
    again = await (await home.cleo.click(listed, keep.label)).response(PATIENCE_S)
    assert "decided already" in again.content


async def test_reports_are_posted_where_moderators_want_them(home: House) -> None:
    await home.cleo.slash("settings log", channel=CHANNEL, where="general")
    drawn = await home.drawn(home.ada, "a fourth fox")
    await report(home, home.ben, drawn, "@everyone <@1> **look**")
    posted = await home.sandbox.wait_for(lambda message: "Report" in message.text, channel="general")
    assert not posted.record.mention_everyone
    assert posted.record.mention_ids == ()
    assert [label.split()[0] for label in labels(posted)] == ["Keep", "Take"]
    await home.cleo.click(posted, labels(posted)[0])


async def test_one_s_own_is_not_reported_and_nothing_twice(home: House) -> None:
    drawn = await home.drawn(home.ada, "a fifth fox")
    assert "your own" in await report(home, home.ada, drawn)
    await report(home, home.ben, drawn)
    job_id = drawn.buttons[0].custom_id.split(":")[2]
    with pytest.raises(Exception, match="were reported"):
        await home.services.moderation.report_pictures(job_id, home.cleo.id, home.sandbox.guild.id, "me too")
    await decide(home, home.cleo, "Keep")
