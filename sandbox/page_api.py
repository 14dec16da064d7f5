"""What the page asks for: its files, JSON over `sandbox.members`, and a WebSocket that pushes changes.

The page is the only client that is meant. A site elsewhere that a person's browser happens to be on may not use it: the
Host must be this server's, the Origin (where there is one) too, and writing needs a header that other origins cannot
send without being asked first.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, web

from sandbox.errors import ApiError
from sandbox.exchange import Exchange, ExchangeFailed
from sandbox.members import Member
from sandbox.permissions import MANAGE_MESSAGES
from sandbox.state import Json
from sandbox.views import FILE_UPLOAD, File, Modal

if TYPE_CHECKING:
    from sandbox.server import Sandbox

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
WRITE_HEADER = "X-Sandbox-Page"
HEARTBEAT_S = 20.0
SLASH, MESSAGE = 1, 3

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart request: the JSON part, and files in the order of their numbers."""

    data: Json
    files: list[File]


class Refused(Exception):
    """The page asked for something that is not there or not allowed; the text is shown to the person."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def add_routes(app: web.Application, sandbox: "Sandbox") -> None:
    """Serve the page at /, its files under /page/ and what it asks for under /sandbox/."""
    api = PageApi(sandbox)
    add = app.router.add_route
    add("GET", "/", api.index)
    add("GET", "/page/{path:.+}", api.asset)
    add("GET", "/sandbox/state", api.guarded(api.state))
    add("GET", "/sandbox/channels/{channel}/messages", api.guarded(api.messages))
    add("POST", "/sandbox/channels/{channel}/messages", api.guarded(api.post))
    add("DELETE", "/sandbox/channels/{channel}/messages/{message}", api.guarded(api.delete))
    add("POST", "/sandbox/interactions", api.guarded(api.interact))
    add("POST", "/sandbox/autocomplete", api.guarded(api.autocomplete))
    add("GET", "/sandbox/live", api.live)


class PageApi:
    """The handlers. Each acts as the member that `?member=` names (by name or id); without one the first."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox

    # The page's own files

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page."""
        return self._file(PAGE / "index.html")

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A style sheet, module or picture of the page."""
        path = (PAGE / request.match_info["path"]).resolve()
        if not path.is_relative_to(PAGE) or path.suffix not in TYPES or not path.is_file():
            raise web.HTTPNotFound(text="no such file")
        return self._file(path)

    def _file(self, path: Path) -> web.Response:
        headers = {"Content-Security-Policy": self._policy(), "Cache-Control": "no-cache", **COMMON_HEADERS}
        text = path.read_text("utf-8")
        return web.Response(text=text, content_type=TYPES[path.suffix], charset="utf-8", headers=headers)

    def _policy(self) -> str:
        here = f"{self._sandbox.host}:{self._sandbox.port}"
        return "; ".join(
            (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                # blob: shows a chosen file before it is sent; links to the CDN carry the server's own address
                f"img-src 'self' blob: http://{here}",
                f"connect-src 'self' ws://{here}",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
            )
        )

    # Who may ask

    def guarded(self, handler: Handler) -> Handler:
        """The handler behind the check of host and origin, its failures as JSON that the page can show."""

        async def guard(request: web.Request) -> web.StreamResponse:
            try:
                self._check_caller(request)
                return await handler(request)
            except Refused as error:
                return web.json_response({"error": str(error)}, status=error.status)
            except (ApiError, ExchangeFailed) as error:
                return web.json_response({"error": str(error)}, status=400)

        return guard

    def _check_caller(self, request: web.Request) -> None:
        host = urlsplit(f"//{request.host}").hostname
        if host not in LOOPBACK and host != self._sandbox.host:
            raise Refused(403, "This server answers on its own address only.")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.scheme}://{request.host}":
            raise Refused(403, "Another site may not use this server.")
        if request.method != "GET" and WRITE_HEADER not in request.headers:
            raise Refused(403, f"Changes need the header {WRITE_HEADER}.")

    def _member(self, request: web.Request) -> Member:
        key = request.query.get("member", "")
        for member in self._sandbox.members:
            if key in ("", member.name, str(member.id)):
                return member
        raise Refused(404, f"There is no member {key!r}.")

    def _channel_id(self, key: Any) -> int:
        for channel in self._sandbox.channels:
            if str(key) == str(channel.id):
                return channel.id
        raise Refused(404, f"There is no channel {key!r}.")

    # Looking

    async def state(self, request: web.Request) -> web.StreamResponse:
        """Everything but the messages: guild, people, channels, commands, and who one is."""
        sandbox, me = self._sandbox, self._member(request)
        guild = sandbox.guild
        people = [sandbox.state.users[user_id] for user_id in guild.members]
        app = sandbox.state.users[sandbox.application_id]
        shown = {
            "me": str(me.id),
            "guild": {
                "id": str(guild.id),
                "name": guild.name,
                "upload_limit": guild.upload_limit,
                "roles": [{"id": str(role.id), "name": role.name} for role in guild.roles.values()],
            },
            "application": {
                "id": str(sandbox.application_id),
                "user": {"id": str(app.id), "username": app.name, "global_name": app.display_name, "bot": True},
            },
            "connected": sandbox.gateway.connected,
            "members": [
                {
                    "id": str(user.id),
                    "name": user.name,
                    "display_name": user.display_name,
                    "bot": user.bot,
                    "moderator": bool(sandbox.state.guild_permissions(user.id, guild) & MANAGE_MESSAGES),
                }
                for user in people
            ],
            "channels": [{"id": str(c.id), "name": c.name, "topic": c.topic} for c in sandbox.channels],
            "commands": [*me.commands(SLASH), *me.commands(MESSAGE)],
        }
        return web.json_response(shown)

    async def messages(self, request: web.Request) -> web.StreamResponse:
        """Messages of a channel as Discord's API shows them, oldest first."""
        channel_id = self._channel_id(request.match_info["channel"])
        found = self._sandbox.messages(channel_id, seen_by=self._member(request))
        return web.json_response({"messages": [message.data for message in found]})

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket: one JSON object {"kind", "data"} for every change that this member may see."""
        try:
            self._check_caller(request)
            member = self._member(request)
        except Refused as error:
            return web.json_response({"error": str(error)}, status=error.status)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S)
        async with self._sandbox.subscribe(member) as changes:
            await socket.prepare(request)

            async def push() -> None:
                async for change in changes:
                    await socket.send_json({"kind": change.kind, "data": change.data})
                await socket.close(code=WSCloseCode.GOING_AWAY)

            pushing = asyncio.create_task(push())
            try:
                async for _ in socket:  # the page says nothing; this ends when it leaves
                    pass
            finally:
                pushing.cancel()
                await asyncio.gather(pushing, return_exceptions=True)
        return socket

    # Doing

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Write an ordinary message."""
        member, form = self._member(request), await read_form(request)
        channel_id = self._channel_id(request.match_info["channel"])
        message = await member.post(str(form.data.get("content", "")), files=form.files, channel=channel_id)
        return web.json_response({"id": str(message.id)})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Delete one's own message (anybody's, for a moderator), or dismiss an ephemeral one."""
        member = self._member(request)
        await member.delete(self._message(request.match_info["message"], member))
        return web.json_response({})

    async def autocomplete(self, request: web.Request) -> web.StreamResponse:
        """What the application offers for the option that is being typed."""
        member, data = self._member(request), (await read_form(request)).data
        options = {str(name): value for name, value in data.get("options", {}).items()}
        try:
            choices = await member.autocomplete(
                str(data["name"]),
                focused=str(data["focused"]),
                value=data["value"],
                channel=self._channel_id(data["channel_id"]),
                **options,
            )
        except ExchangeFailed as error:  # the application's fault, not the page's: no error status
            return web.json_response({"choices": None, "error": str(error)})
        return web.json_response({"choices": choices})

    async def interact(self, request: web.Request) -> web.StreamResponse:
        """A command, a click, a choice, a form. Answers when the application has, or has failed to."""
        member, form = self._member(request), await read_form(request)
        data = form.data
        acts: dict[str, Callable[[], Awaitable[Exchange]]] = {
            "slash": lambda: member.slash(
                str(data["name"]),
                channel=self._channel_id(data["channel_id"]),
                **{name: _with_file(value, form.files) for name, value in data.get("options", {}).items()},
            ),
            "message_command": lambda: member.message_command(
                str(data["name"]), self._message(data["message_id"], member)
            ),
            "click": lambda: member.click(self._message(data["message_id"], member), str(data["custom_id"])),
            "select": lambda: member.select(
                self._message(data["message_id"], member), str(data["custom_id"]), [str(v) for v in data["values"]]
            ),
            "submit": lambda: self._submit(member, data, form.files),
        }
        act = acts.get(str(data.get("kind")))
        if act is None:
            raise Refused(400, f"There is no kind of interaction {data.get('kind')!r}.")
        try:
            exchange = await act()
        except (KeyError, ValueError) as error:
            raise Refused(400, str(error.args[0] if error.args else error)) from None
        return web.json_response(exchange.to_json())

    async def _submit(self, member: Member, data: Json, files: list[File]) -> Exchange:
        modal = self._sandbox.modal(int(data["interaction_id"]))
        values = {str(name): _field_value(modal, str(name), value, files) for name, value in data["values"].items()}
        return await member.submit(modal, values)

    def _message(self, key: Any, member: Member) -> Any:
        try:
            message = self._sandbox.message(int(key))
        except (KeyError, ValueError):
            raise Refused(404, "This message is no longer there.") from None
        if message.deleted or message.ephemeral_to not in (None, member.id):
            raise Refused(404, "This message is no longer there.")
        return message


COMMON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


async def read_form(request: web.Request) -> Form:
    """`payload_json` and `files[n]` of a multipart body. Raises Refused when it is something else."""
    numbered: dict[int, File] = {}
    data: Any = None
    posted = await request.post()
    for name, value in posted.items():
        if isinstance(value, web.FileField):
            number = name.removeprefix("files[").removesuffix("]")
            if not number.isdigit():
                raise Refused(400, f"unexpected file field {name!r}")
            # Discord, too, goes by the file's name and not by what a client claims.
            numbered[int(number)] = File(value.filename, value.file.read())
        elif name == "payload_json" and isinstance(value, str):
            with contextlib.suppress(ValueError):
                data = json.loads(value)
    if not isinstance(data, dict):
        raise Refused(400, "payload_json is missing or no object")
    return Form(data, [numbered[n] for n in sorted(numbered)])


def _with_file(value: Any, files: list[File]) -> Any:
    return files[int(value["file"])] if isinstance(value, dict) else value


def _field_value(modal: Modal, name: str, value: Any, files: list[File]) -> Any:
    if modal.field(name).type == FILE_UPLOAD:
        return [files[int(n)] for n in value["files"]]
    return value
