"""`/settings`: managers change what holds for everybody at once."""

from __future__ import annotations

import pytest

from sandbox.permissions import MANAGE_GUILD
from sandbox.world import GENERAL_ID, MODERATOR_ROLE_ID
from tests.discord.house import CHANNEL, PATIENCE_S, House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def say(home: House, command: str, **options: object) -> str:
    """By cleo, who manages the server; what she is told."""
    answer = await (await home.cleo.slash(f"settings {command}", channel=CHANNEL, **options)).response(PATIENCE_S)
    assert answer.ephemeral_to == home.cleo.id
    return answer.text


async def test_what_is_set_is_shown_and_holds(home: House) -> None:
    shown = await say(home, "roles", may="draw", role=MODERATOR_ROLE_ID)
    assert f"<@&{MODERATOR_ROLE_ID}>" in shown
    words = await home.refusal(await home.imagine(home.ada, "a fox"))
    assert words.startswith(f"To draw here takes the role <@&{MODERATOR_ROLE_ID}>")
    await home.drawn(home.cleo, "a fox")
    await say(home, "roles", may="draw", role=MODERATOR_ROLE_ID, allowed=False)
    shown = await say(home, "limits", pictures=3, account_days=2)
    assert "3 pictures" in shown
    assert "at least 2 days old" in shown
    words = await home.refusal(await home.imagine(home.ada, "a fox", count=4))
    assert "with 4 more it would be above the 3 of this server" in words
    assert "no limits" in await say(home, "limits", pictures=0, account_days=0)
    await home.drawn(home.ada, "a fox")


async def test_channels_are_named_and_forgotten(home: House) -> None:
    assert f"only <#{GENERAL_ID}>" in await say(home, "channels", place="general", used="only")
    words = await home.refusal(await home.imagine(home.ada, "a fox"))
    assert words.endswith(f"use it in <#{GENERAL_ID}>.")
    assert f"but not <#{GENERAL_ID}>" in await say(home, "channels", place="general", used="never")
    await home.drawn(home.ada, "a fox")
    assert "not <#" not in await say(home, "channels", place="general", used="as usual")


async def test_explicit_words_are_kept_to_age_restricted_channels(home: House) -> None:
    assert "in age-restricted channels" in await say(home, "explicit", words=False)
    words = await home.refusal(await home.imagine(home.ada, "a nude statue"))
    assert words.startswith("`nude` is said in age-restricted channels alone on this server")
    await say(home, "explicit", words=True)


async def test_members_are_blocked_and_let_in_again(home: House) -> None:
    await say(home, "block", member=home.ben.id, reason="@everyone spam")
    assert "spam" in await say(home, "show")
    words = await home.refusal(await home.imagine(home.ben, "a fox"))
    assert words.startswith("You are blocked from Darkroom on this server")
    await say(home, "unblock", member=home.ben.id)
    await home.drawn(home.ben, "a fox")


async def test_who_is_blocked_leaves_nothing_on_the_server_and_hides_nothing(home: House) -> None:
    await home.trained(home.ben, "thnos")
    drawn = await home.drawn(home.ada, "a fox")
    form = await home.ben.slash("wildcard set", channel=CHANNEL, name="animals")
    await say(home, "block", member=home.ben.id)
    blocked = "You are blocked from Darkroom on this server"
    for exchange in (
        await home.ben.slash("adapter share", channel=CHANNEL, name="thnos"),
        await home.ben.submit(form.modal, {form.modal.fields[0].label: "a cat"} if form.modal else {}),
    ):
        assert (await exchange.response(PATIENCE_S)).content.startswith(blocked)
    await home.ben.slash("adapter share", channel=CHANNEL, name="thnos", member="ada")  # by name, wherever they are
    await home.drawn(home.ada, "<lora:ben/thnos> in a suit")
    report = await home.ben.click(drawn, "Report")
    told = await (await home.ben.submit(report.modal, {"What is wrong with it?": "spam"})).response(PATIENCE_S)
    assert "It stays until the moderators" in told.content
    assert home.sandbox.message(drawn.id).files
    assert "spam" in (await (await home.cleo.slash("reports", channel=CHANNEL)).response(PATIENCE_S)).text
    await say(home, "unblock", member=home.ben.id)


async def test_words_are_blocked_also_on_buttons_that_draw_again(home: House) -> None:
    card = await home.drawn(home.ada, "a spider in a web")
    assert "“spider” is blocked" in await say(home, "forbid", word="Spider")
    assert "spider" in await say(home, "words")
    words = await home.refusal(await home.imagine(home.ada, "a sp1der"))
    assert words == "This holds `spider`, which is not to be said here: leave it out."
    assert "`spider`" in await home.refusal(await home.ben.click(card, "Again"))
    await say(home, "allow", word="spider")
    await home.drawn(home.ada, "a spider")


async def test_somebody_who_may_not_manage_the_server_is_refused_whatever_discord_shows(home: House) -> None:
    for command in home.sandbox.state.commands_for(None):
        if command["name"] == "settings":
            assert int(command["default_member_permissions"]) == MANAGE_GUILD
            command["default_member_permissions"] = None  # a server may change that
    for name, options in (("show", {}), ("explicit", {"allowed": True}), ("block", {"member": home.cleo.id})):
        words = await home.refusal(await home.ada.slash(f"settings {name}", channel=CHANNEL, **options))
        assert words == "The settings are for members with Manage Server: ask one of them."
