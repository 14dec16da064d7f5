"""discord.py takes the sandbox for Discord."""

import asyncio

import pytest

from sandbox.members import File
from sandbox.server import Sandbox
from tests.sandbox.dpy_bot import Client

PHOTO = File("photo.jpg", b"\xff\xd8 a photo")


async def test_slash_command_with_options_and_attachment(sandbox: Sandbox, client: Client) -> None:
    shown = await sandbox.member("ada").slash("echo", text="hi", times=2, loud=True, scale="0.5", photo=PHOTO)
    assert shown.error is None
    message = await shown.response()
    assert message.text == f"hihi loud=True scale=0.5 photo={len(PHOTO.data)}"
    assert message.author == "darkroom"
    assert shown.ephemeral is False
    assert sandbox.violations == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, "required"),
        ({"text": "x" * 21}, "between 1 and 20"),
        ({"text": "x", "times": 6}, "between 1 and 5"),
        ({"text": "x", "times": "many"}, "valid integer"),
        ({"text": "x", "nonsense": 1}, "no option 'nonsense'"),
        ({"text": "x", "photo": "a.jpg"}, "attach a file"),
        ({"text": "x", "photo": File("a.jpg", bytes((10 << 20) + 1))}, "too powerful"),
    ],
)
async def test_the_client_refuses_before_sending(
    sandbox: Sandbox, client: Client, options: dict[str, object], error: str
) -> None:
    shown = await sandbox.member("ada").slash("echo", **options)
    assert error in (shown.error or "")
    assert shown.acknowledged_after_s is None


async def test_deferred_card_with_picture_button_and_follow_up(sandbox: Sandbox, client: Client) -> None:
    ada = sandbox.member("ada")
    shown = await ada.slash("card", channel="darkroom")
    message = await shown.response()
    assert message.text == "A card\nwith a picture"
    assert message.attachments == []  # an embed shows it
    assert [f.data for f in message.files] == [b"not really a picture"]
    assert message.embeds[0]["image"]["url"].startswith(sandbox.cdn_base)
    extra = await sandbox.wait_for(lambda m: m.content == "and then", channel="darkroom", seen_by=ada)
    assert extra.ephemeral_to == ada.id
    assert all(m.content != "and then" for m in sandbox.messages("darkroom", seen_by=sandbox.member("ben")))

    pressed = await ada.click(message, "Again")
    assert (await pressed.response()) == message
    assert message.content == "again 7"
    assert sandbox.violations == []


async def test_ephemeral_deferral_stays_ephemeral(sandbox: Sandbox, client: Client) -> None:
    ben = sandbox.member("ben")
    shown = await ben.slash("card", secret=True)
    message = await shown.response()
    assert shown.ephemeral
    assert message.ephemeral_to == ben.id
    assert sandbox.messages(seen_by=sandbox.member("ada")) == []


async def test_autocomplete(sandbox: Sandbox, client: Client) -> None:
    choices = await sandbox.member("ada").autocomplete("echo", focused="text", value="th")
    assert choices == [{"name": "thnos", "value": "thnos"}, {"name": "thor", "value": "thor"}]
    assert sandbox.violations == []


async def test_form_with_text_files_select_and_checkbox(sandbox: Sandbox, client: Client) -> None:
    ada = sandbox.member("ada")
    opened = await ada.slash("form")
    assert opened.modal is not None
    assert [f.label for f in opened.modal.fields] == ["Name", "Photos", "Kind", "I may use them"]

    refused = await ada.submit(opened.modal, {"Name": "thnos", "Kind": "face"})
    assert "Photos: this field is required" in (refused.error or "")

    sent = await ada.submit(
        opened.modal, {"name": "thnos", "Photos": [PHOTO, PHOTO], "Kind": ["face"], "consent": True}
    )
    message = await sent.response()
    assert message.text == f"thnos ['photo.jpg', 'photo.jpg'] {2 * len(PHOTO.data)} bytes ['face'] True"
    assert sent.ephemeral
    assert sandbox.violations == []


async def test_message_command_reads_the_attachments(sandbox: Sandbox, client: Client) -> None:
    ben = sandbox.member("ben")
    posted = await ben.post("my cat", files=[PHOTO, PHOTO])
    shown = await ben.message_command("Count photos", posted)
    assert (await shown.response()).text == f"2 photos, {2 * len(PHOTO.data)} bytes"
    assert sandbox.violations == []


async def test_subcommand(sandbox: Sandbox, client: Client) -> None:
    shown = await sandbox.member("ada").slash("adapter list")
    assert (await shown.response()).text == "none yet"
    assert "needs a subcommand" in ((await sandbox.member("ada").slash("adapter")).error or "")


async def test_message_content_is_hidden_without_the_intent(sandbox: Sandbox, client: Client) -> None:
    await sandbox.member("ada").post("a private matter")
    await sandbox.member("ada").post(f"hello <@{sandbox.application_id}>")

    heard = [await asyncio.wait_for(client.heard.get(), 5) for _ in range(2)]
    assert heard == ["ada: ", f"ada: hello <@{sandbox.application_id}>"]


async def test_a_cut_connection_is_resumed_and_nothing_is_lost(sandbox: Sandbox, client: Client) -> None:
    session_ids = set(sandbox.gateway.sessions)
    await sandbox.cut_gateway(resumable=True)
    await sandbox.member("ada").post(f"<@{sandbox.application_id}> while you were away")
    await asyncio.wait_for(client.resumed.wait(), 15)
    assert set(sandbox.gateway.sessions) == session_ids
    assert "while you were away" in await asyncio.wait_for(client.heard.get(), 5)


async def test_an_invalid_session_is_identified_anew(sandbox: Sandbox, client: Client) -> None:
    await sandbox.cut_gateway(resumable=False)
    await sandbox.wait_ready(timeout_s=30)
    assert len(sandbox.gateway.sessions) == 1
    shown = await sandbox.member("ada").slash("echo", text="back")
    assert "back" in (await shown.response()).text


async def test_silence_is_shown_to_the_person_and_noted(client: Client, sandbox: Sandbox) -> None:
    sandbox.interactions.acknowledge_within_s = 0.2
    shown = await sandbox.member("ada").slash("sleep")
    assert shown.error == "The application did not respond"
    assert [v.rule for v in sandbox.violations] == ["acknowledge within 3 s"]


async def test_a_wrong_token_is_refused_by_rest_and_gateway(sandbox: Sandbox) -> None:
    import aiohttp
    import discord

    discord.http.Route.BASE = sandbox.api_base
    wrong = discord.Client(intents=discord.Intents.none())
    with pytest.raises(discord.LoginFailure):
        await wrong.login("not-the-token")
    await wrong.close()

    async with aiohttp.ClientSession() as http, http.ws_connect(sandbox.gateway_url) as socket:
        await socket.receive_json()
        await socket.send_json({"op": 2, "d": {"token": "not-the-token", "intents": 0}})
        await socket.receive()
        assert socket.close_code == 4004
