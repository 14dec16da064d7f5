"""`/adapter list | show | share | unshare | delete`: told to the member alone."""

from __future__ import annotations

import pytest

from sandbox.members import Member, Message
from tests.discord.backend import BASE
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def say(who: Member, command: str, **options: str) -> Message:
    """A subcommand's answer, which only the member sees."""
    answer = await (await who.slash(f"adapter {command}", channel=CHANNEL, **options)).response(PATIENCE_S)
    assert answer.ephemeral_to == who.id
    return answer


async def offered(who: Member, command: str, typed: str = "") -> list[str]:
    choices = await who.autocomplete(f"adapter {command}", focused="name", value=typed, channel=CHANNEL)
    return [choice["value"] for choice in choices]


async def test_from_nothing_to_a_shared_one_and_back_to_nothing(home: House) -> None:
    assert "None yet. `/train` makes one from 3 to 10 photos." in (await say(home.ada, "list")).text
    await home.trained(home.ada, "thnos", class_word="monster")

    listed = await say(home.ada, "list")
    assert f"Yours\n`<lora:thnos:0.8>` monster · {BASE}" in listed.text
    assert "shared" not in listed.text
    shown = await say(home.ada, "show", name="thnos")
    for words in (
        "Write `<lora:thnos:0.8>` in a prompt",
        "3 photos, 4 steps",
        "Only you can use it.",
        f"<@{home.ada.id}>",
    ):
        assert words in shown.text
    assert await offered(home.ben, "show") == []
    assert await offered(home.ada, "delete", "thn") == ["thnos"]

    assert "`<lora:ada/thnos:0.8>`" in (await say(home.ada, "share", name="thnos")).text
    assert "· shared" in (await say(home.ada, "list")).text
    assert "so can everybody on this server" in (await say(home.ada, "show", name="thnos")).text
    assert "Shared with this server\n`<lora:ada/thnos:0.8>`" in (await say(home.ben, "list")).text
    assert "Write `<lora:ada/thnos:0.8>`" in (await say(home.ben, "show", name="ada/thnos")).text
    assert await offered(home.ben, "show") == ["ada/thnos"]
    for command in ("share", "unshare", "delete"):
        assert await offered(home.ben, command) == []

    assert "`thnos`: Only you can use it." in (await say(home.ada, "unshare", name="thnos")).text
    assert "None yet" in (await say(home.ben, "list")).text

    asked = await say(home.ada, "delete", name="thnos")
    assert "was trained on 3 photos, which are gone" in asked.text
    assert labels(asked) == ["Delete thnos for good"]
    assert await offered(home.ada, "show") == ["thnos"]  # nothing happened yet
    gone = await (await home.ada.click(asked, "Delete thnos for good")).response(PATIENCE_S)
    assert gone.id == asked.id
    assert gone.buttons == []
    assert "`thnos` is deleted; its file goes within the hour." in gone.text
    assert "None yet" in (await say(home.ada, "list")).text
    assert (await home.services.sweeper.collect_garbage()) != []


async def test_names_that_are_not_there_and_those_of_others(home: House) -> None:
    await home.trained(home.ada, "robot")
    await say(home.ada, "share", name="robot")
    for command in ("share", "unshare"):
        refused = await home.refusal(await home.ben.slash(f"adapter {command}", channel=CHANNEL, name="ada/robot"))
        assert refused == "`ada/robot` belongs to ada: only they can share, unshare or delete it."
    refused = await home.refusal(await home.ben.slash("adapter delete", channel=CHANNEL, name="ada/robot"))
    assert refused == "`ada/robot` belongs to ada: only they can share, unshare or delete it."
    for command in ("show", "share", "unshare", "delete"):
        refused = await home.refusal(await home.ada.slash(f"adapter {command}", channel=CHANNEL, name="robbot"))
        assert "Did you mean `robot`?" in refused
    refused = await home.refusal(await home.ada.slash("adapter show", channel=CHANNEL, name="@everyone"))
    assert "@everyone" not in refused  # a zero-width space stands in it


async def test_the_same_name_shared_by_two(home: House) -> None:
    for who in (home.ben, home.cleo):
        await home.trained(who, "twin")
        await say(who, "share", name="twin")
    refused = await home.refusal(await home.imagine(home.ada, "<lora:twin> at the beach"))
    assert refused == "Several members share an adapter `twin`: say whose you mean, `ben/twin`, `cleo/twin`."
    assert (await home.drawn(home.ada, "<lora:cleo/twin> at the beach")).files
    assert "twin at 1" in (await home.drawn(home.ben, "<lora:twin> at the beach")).text  # one's own comes first


async def test_many_adapters_are_listed_in_one_card(home: House) -> None:
    names = {f"an-adapter-with-a-long-name-{number:02}" for number in range(20)}
    for name in names:
        await home.train(home.cleo, name)

    async def all_there() -> bool:
        there = await home.services.adapters.visible(viewer_id=home.cleo.id, guild_id=None)
        return names <= {adapter.name for adapter in there}

    await home.until(all_there)
    own = await home.services.adapters.visible(viewer_id=home.cleo.id, guild_id=None)
    listed = await say(home.cleo, "list")
    (field,) = [field for field in listed.embeds[0]["fields"] if field["name"] == "Yours"]
    *lines, last = field["value"].splitlines()
    assert all(line.startswith("`<lora:") and line.endswith(BASE) for line in lines), field["value"]
    assert last == f"and {len(own) - len(lines)} more; typing in `adapter` finds them"
