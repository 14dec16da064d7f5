"""Discord's rules, asked over plain HTTP: what is refused, with which status and code."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sandbox import permissions
from sandbox.exchange import Exchange
from sandbox.interactions import COMMAND, COMPONENT, Interaction
from sandbox.server import Sandbox


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Bot:
    """A bare client: requests with the bot's token."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession, clock: Clock) -> None:
        self.sandbox, self.http, self.clock = sandbox, http, clock
        self.channel = f"/channels/{sandbox.place('general').id}"

    async def ask(self, method: str, path: str, body: Any = None, files: dict[str, bytes] | None = None) -> Any:
        """(status, code or document) of a request."""
        headers = {"Authorization": f"Bot {self.sandbox.token}"}
        data: Any = {"json": body} if body is not None else {}
        if files is not None:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("payload_json", json.dumps(body or {}), content_type="application/json")
            for number, (name, content) in enumerate(files.items()):
                form.add_field(
                    f"files[{number}]", io.BytesIO(content), filename=name, content_type="application/octet-stream"
                )
            data = {"data": form}
        async with self.http.request(method, self.sandbox.api_base + path, headers=headers, **data) as response:
            document = await response.json() if response.status != 204 else None
            return response.status, document["code"] if response.status >= 400 else document

    async def send(self, **body: Any) -> Any:
        """POST a message into general."""
        return await self.ask("POST", f"{self.channel}/messages", body)

    def interact(self, kind: int = COMMAND, message_id: str | None = None) -> Interaction:
        """An interaction of ada's, as if she had used a command or pressed a button."""
        ada, place = self.sandbox.member("ada"), self.sandbox.place("general")
        source = self.sandbox.state.messages[int(message_id)] if message_id else None
        data = {"id": "1", "name": "train", "type": 1} if kind == COMMAND else {"custom_id": "a", "component_type": 2}
        exchange = Exchange(ada.id, place.id, "command", "train")
        interaction = self.sandbox.interactions.start(kind, ada.user, place, data, exchange, source)
        interaction.heard = True  # this client has no gateway connection that could tell it
        return interaction

    async def answer(self, interaction: Interaction, kind: int, **data: Any) -> Any:
        """POST the callback."""
        path = f"/interactions/{interaction.id}/{interaction.token}/callback"
        return await self.ask("POST", path, {"type": kind, "data": data} if data else {"type": kind})

    def hook(self, interaction: Interaction, tail: str = "") -> str:
        """Path of the interaction's webhook."""
        return f"/webhooks/{self.sandbox.application_id}/{interaction.token}{tail}"


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    """A sandbox whose clock stands still, without rate limits, and a bare client."""
    clock = Clock()
    async with Sandbox(clock=clock, rate_limits=False) as sandbox, aiohttp.ClientSession() as http:
        yield Bot(sandbox, http, clock)


def button(custom_id: str, **more: Any) -> dict[str, Any]:
    """A row with one button."""
    return {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": custom_id, **more}]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": ""}, 50006),
        ({"content": "", "components": [button("a")]}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"embeds": [{"title": "x"}] * 11}, 50035),
        ({"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]}, 50035),
        ({"embeds": [{"fields": [{"name": "", "value": "x"}]}]}, 50035),
        ({"content": "x", "components": [button("a" * 101)]}, 50035),
        ({"content": "x", "components": [button("a"), button("a")]}, 50035),
        ({"content": "x", "components": [button(str(n)) for n in range(6)]}, 50035),
        ({"content": "x", "components": [button("a", label="x" * 81)]}, 50035),
        ({"content": "x", "components": [{"type": 10, "content": "text"}]}, 50035),
        ({"content": "x", "flags": 1 << 15, "components": [{"type": 10, "content": "text"}]}, 50035),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "attachments": [{"id": "0", "filename": "missing.png"}]}, 50035),
    ],
)
async def test_refused_messages(bot: Bot, body: dict[str, Any], code: int) -> None:
    assert await bot.send(**body) == (400, code)
    assert bot.sandbox.messages() == []
    assert bot.sandbox.violations


async def test_a_select_takes_25_options(bot: Bot) -> None:
    def menu(count: int) -> list[dict[str, Any]]:
        options = [{"label": str(n), "value": str(n)} for n in range(count)]
        return [{"type": 1, "components": [{"type": 3, "custom_id": "m", "options": options}]}]

    assert (await bot.send(content="x", components=menu(25)))[0] == 200
    assert await bot.send(content="x", components=menu(26)) == (400, 50035)


async def test_files_are_limited_in_number_and_size(bot: Bot) -> None:
    path = f"{bot.channel}/messages"
    status, message = await bot.ask("POST", path, files={f"{n}.bin": b"x" for n in range(10)})
    assert (status, len(message["attachments"])) == (200, 10)
    assert await bot.ask("POST", path, files={f"{n}.bin": b"x" for n in range(11)}) == (400, 50035)
    assert await bot.ask("POST", path, files={"big.bin": bytes((10 << 20) + 1)}) == (413, 40005)
    bot.sandbox.guild.boost_tier = 2
    assert (await bot.ask("POST", path, files={"big.bin": bytes((10 << 20) + 1)}))[0] == 200


async def test_edits_replace_keep_or_add_attachments(bot: Bot) -> None:
    _, message = await bot.ask("POST", f"{bot.channel}/messages", files={"a.txt": b"a", "b.txt": b"b"})
    path = f"{bot.channel}/messages/{message['id']}"
    first = message["attachments"][0]["id"]

    async def names(body: dict[str, Any], files: dict[str, bytes] | None = None) -> list[str]:
        _, edited = await bot.ask("PATCH", path, body, files)
        return [a["filename"] for a in edited["attachments"]]

    assert await names({}, {"c.txt": b"c"}) == ["a.txt", "b.txt", "c.txt"]
    assert await names({"attachments": [{"id": first}]}) == ["a.txt"]
    assert await names({"attachments": [{"id": 0, "filename": "d.txt"}]}, {"d.txt": b"d"}) == ["d.txt"]
    assert await bot.ask("PATCH", path, {"attachments": []}) == (400, 50006)
    assert await names({"content": "x", "attachments": []}) == []


async def test_a_nonce_makes_posting_idempotent_for_minutes(bot: Bot) -> None:
    _, first = await bot.send(content="x", nonce="job-1", enforce_nonce=True)
    _, again = await bot.send(content="other", nonce="job-1", enforce_nonce=True)
    assert (again["id"], again["content"]) == (first["id"], "x")
    bot.clock.now += 301
    _, later = await bot.send(content="x", nonce="job-1", enforce_nonce=True)
    assert later["id"] != first["id"]
    await bot.ask("DELETE", f"{bot.channel}/messages/{later['id']}")
    assert await bot.send(content="x", nonce="job-1", enforce_nonce=True) == (404, 10008)


async def test_old_messages_take_few_edits(bot: Bot) -> None:
    _, message = await bot.send(content="x")
    path = f"{bot.channel}/messages/{message['id']}"
    bot.clock.now += 3601
    statuses = [(await bot.ask("PATCH", path, {"content": str(n)}))[0] for n in range(3)]
    assert statuses == [200, 200, 200]
    assert await bot.ask("PATCH", path, {"content": "once more"}) == (429, 30046)


async def test_others_messages_and_missing_permissions(bot: Bot) -> None:
    posted = await bot.sandbox.member("ada").post("hers")
    path = f"{bot.channel}/messages/{posted.id}"
    assert await bot.ask("PATCH", path, {"content": "mine"}) == (403, 50005)
    assert await bot.ask("DELETE", path) == (403, 50013)
    place = bot.sandbox.place("general")
    place.denied[bot.sandbox.application_id] = permissions.SEND_MESSAGES
    assert await bot.send(content="x") == (403, 50013)
    place.denied[bot.sandbox.application_id] = permissions.VIEW_CHANNEL
    assert await bot.send(content="x") == (403, 50001)


async def test_a_token_is_needed(bot: Bot) -> None:
    async with bot.http.get(bot.sandbox.api_base + "/users/@me", headers={"Authorization": "Bot no"}) as response:
        assert response.status == 401
        assert (await response.json())["code"] == 0


async def test_an_interaction_is_answered_once_and_within_three_seconds(bot: Bot) -> None:
    interaction = bot.interact()
    assert await bot.ask("POST", bot.hook(interaction), {"content": "too early"}) == (404, 10015)
    assert await bot.answer(interaction, 4, content="hi") == (204, None)
    assert await bot.answer(interaction, 4, content="hi") == (400, 40060)
    late = bot.interact()
    bot.clock.now += 3.1
    assert await bot.answer(late, 4, content="hi") == (404, 10062)
    assert [v.rule for v in bot.sandbox.violations] == ["accepted by Discord"] * 2


async def test_a_token_lasts_fifteen_minutes_and_the_bot_may_go_on(bot: Bot) -> None:
    interaction = bot.interact()
    await bot.answer(interaction, 4, content="hi")
    original = bot.hook(interaction, "/messages/@original")
    bot.clock.now += 899
    status, message = await bot.ask("PATCH", original, {"content": "still"})
    assert (status, message["content"]) == (200, "still")
    bot.clock.now += 2
    assert await bot.ask("PATCH", original, {"content": "no more"}) == (401, 50027)
    path = f"{bot.channel}/messages/{message['id']}"
    assert (await bot.ask("PATCH", path, {"content": "as the bot"}))[0] == 200


async def test_ephemeral_answers_are_not_there_for_the_bots_token(bot: Bot) -> None:
    interaction = bot.interact()
    await bot.answer(interaction, 4, content="hi", flags=64)
    _, message = await bot.ask("GET", bot.hook(interaction, "/messages/@original"))
    assert message["flags"] & 64
    assert await bot.ask("PATCH", f"{bot.channel}/messages/{message['id']}", {"content": "x"}) == (404, 10008)
    assert await bot.ask("GET", f"{bot.channel}/messages") == (200, [])
    assert await bot.ask("DELETE", bot.hook(interaction, "/messages/@original")) == (204, None)


async def test_a_follow_up_fills_in_a_deferred_answer(bot: Bot) -> None:
    interaction = bot.interact()
    await bot.answer(interaction, 5, flags=64)
    assert interaction.exchange.state == "thinking"
    _, filled = await bot.ask("POST", bot.hook(interaction), {"content": "there"})
    assert (filled["id"], filled["flags"] & 64) == (str(interaction.original_id), 64)
    _, more = await bot.ask("POST", bot.hook(interaction), {"content": "more"})
    assert more["id"] != filled["id"]
    assert more["flags"] & 64 == 0


async def test_kinds_of_answers(bot: Bot) -> None:
    assert await bot.answer(bot.interact(), 7, content="no message to update") == (400, 50035)
    assert await bot.answer(bot.interact(), 8, choices=[]) == (400, 50035)
    form = {"custom_id": "f", "title": "t" * 46, "components": [{"type": 10, "content": "x"}]}
    assert await bot.answer(bot.interact(), 9, **form) == (400, 50035)
    _, message = await bot.send(content="x", components=[button("a")])
    pressed = bot.interact(COMPONENT, message["id"])
    assert await bot.answer(pressed, 6) == (204, None)
    await bot.ask("PATCH", f"{bot.channel}/messages/{message['id']}", {"content": "updated"})
    assert (await pressed.exchange.response()).text == "updated"


async def test_commands_are_checked(bot: Bot) -> None:
    path = f"/applications/{bot.sandbox.application_id}/commands"
    option = {"description": "d", "type": 3}
    good = {"name": "train", "type": 1, "description": "d"}
    status, (kept,) = await bot.ask("PUT", path, [good])
    assert status == 200
    assert (await bot.ask("PUT", path, [good]))[1][0]["id"] == kept["id"]
    for bad in (
        {**good, "name": "Train"},
        {**good, "description": ""},
        {**good, "options": [option | {"name": "a"}, option | {"name": "b", "required": True}]},
        {**good, "options": [option | {"name": f"o{n}"} for n in range(26)]},
    ):  # fmt: skip
        assert await bot.ask("PUT", path, [bad]) == (400, 50035)
    assert (await bot.ask("GET", path))[1] == [kept]


async def test_an_unknown_path_is_noted(bot: Bot) -> None:
    assert await bot.ask("GET", "/stickers/1") == (404, 0)
    assert bot.sandbox.violations[0].rule == "a path that the sandbox has"
