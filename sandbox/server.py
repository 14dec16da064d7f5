"""The sandbox itself: everything on one loopback port, and the doors for tests, the demo and the page."""

import asyncio
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from sandbox import payloads, rest, world
from sandbox.cdn import Cdn
from sandbox.faults import Faults
from sandbox.feed import Change, Feed, Kind, Subscription
from sandbox.gateway import Gateway
from sandbox.interactions import Interactions
from sandbox.journal import RequestRecord, Violation
from sandbox.members import Member
from sandbox.ratelimits import RateLimits
from sandbox.state import Channel, Guild, Json, State, StoredMessage
from sandbox.views import Attachment, Message, Modal

if TYPE_CHECKING:
    from sandbox.openapi import BodySchemas

LOAD_LIMIT = 120 << 20
"""Bytes of one request; above Discord's own limit for ten files, so that the rules answer and not aiohttp."""


class Sandbox:
    """A Discord of one's own: `async with Sandbox() as sb`.

    Args:
        host: address to listen on; loopback only is meant.
        port: 0 takes any free one.
        clock: seconds since 1970. Ages of tokens, links and messages follow it, so tests need not wait.
        acknowledge_within_s: what an interaction may take to be acknowledged (Discord: 3 s).
        rate_limits: whether requests above Discord's limits are answered by 429.
        heartbeat_interval_s: what HELLO asks for; a connection silent for half as long again is closed.
        privileged_intents: intents switched on for the application; others that need it close the gateway with 4014.
        openapi: Discord's OpenAPI file to hold bodies against; by default the one that DISCORD_OPENAPI names, if any.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Callable[[], float] = time.time,
        acknowledge_within_s: float = 3.0,
        rate_limits: bool = True,
        heartbeat_interval_s: float = 41.25,
        privileged_intents: int = 0,
        openapi: Path | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.clock = clock
        self.application_id = world.APPLICATION_ID
        self.token = world.TOKEN
        self.state = State(clock)
        self.guild: Guild = world.furnish(self.state)
        self.feed = Feed()
        self.requests: list[RequestRecord] = []
        self.violations: list[Violation] = []
        self.old_edits: dict[int, list[float]] = {}  # by channel: when messages older than an hour were edited
        self.faults = Faults()
        self.rate_limits = RateLimits(enabled=rate_limits)
        named = os.environ.get("DISCORD_OPENAPI")
        path = openapi or (Path(named) if named else None)
        self.body_schemas = _load_schemas(path) if path else None
        self.cdn = Cdn(self)
        self.gateway = Gateway(self, heartbeat_interval_s, privileged_intents)
        self.interactions = Interactions(self, acknowledge_within_s)
        self._observers: set[Callable[[StoredMessage], None]] = set()
        self._runner: web.AppRunner | None = None

    # Addresses

    @property
    def page_url(self) -> str:
        """Where people type: the page."""
        return f"http://{self.host}:{self.port}/"

    @property
    def api_base(self) -> str:
        """For DISCORD_API_BASE."""
        return f"http://{self.host}:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        """For DISCORD_GATEWAY_URL."""
        return f"ws://{self.host}:{self.port}/gateway"

    @property
    def cdn_base(self) -> str:
        """For DISCORD_CDN_BASE."""
        return f"http://{self.host}:{self.port}/cdn"

    # Life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen. With port 0 the chosen port is in `port` afterwards."""
        app = web.Application(client_max_size=LOAD_LIMIT)
        rest.add_routes(app, self)
        self.gateway.add_routes(app)
        self.cdn.add_routes(app)
        _add_page(app, self)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Close every connection and stop listening."""
        self.feed.close()
        self.interactions.close()
        await self.gateway.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # People and places

    @property
    def members(self) -> list[Member]:
        """The scripted people of the default guild, ada first."""
        users = (self.state.users[user_id] for user_id in self.guild.members)
        return [Member(self, user) for user in users if not user.bot]

    def member(self, key: str | int) -> Member:
        """The person with this name or id. Raises KeyError naming the ones there are."""
        return Member(self, self.state.user(key))

    @property
    def channels(self) -> list[Channel]:
        """Channels of the default guild."""
        return [c for c in self.state.channels.values() if c.guild_id == self.guild.id]

    def place(self, channel: int | str | Channel | None) -> Channel:
        """The channel with this id or name; without one the guild's first."""
        return self.channels[0] if channel is None else self.state.channel(channel)

    def direct_channel(self, member: Member) -> Channel:
        """The bot's direct channel with this person."""
        return self.state.direct_channel(member.id)

    # What is to be seen

    def view(self, record: StoredMessage) -> Message:
        """A live view of a stored message."""
        return Message(record, lambda m: payloads.message(self, m), self._describe_files)

    def message(self, message_id: int) -> Message:
        """The message with this id, deleted ones too. Raises KeyError."""
        return self.view(self.state.messages[message_id])

    def messages(self, channel: int | str | Channel | None = None, seen_by: Member | None = None) -> list[Message]:
        """Messages of a channel, oldest first; ephemeral ones only for their person. Deleted ones are left out."""
        found = self.state.channel_messages(self.place(channel).id, seen_by.id if seen_by else None)
        return [self.view(record) for record in found]

    def modal(self, interaction_id: int) -> Modal:
        """The form opened in answer to this interaction. Raises KeyError when there is none."""
        modal = self.interactions.by_id[interaction_id].exchange.modal
        if modal is None:
            raise KeyError(f"interaction {interaction_id} opened no form")
        return modal

    async def wait_for(
        self,
        predicate: Callable[[Message], bool],
        channel: int | str | Channel | None = None,
        seen_by: Member | None = None,
        timeout_s: float = 60.0,
    ) -> Message:
        """The first message, there already or to come, new or edited, that satisfies the predicate.

        Without a channel every channel is watched. The predicate sees each state of a message as it happens.

        Raises:
            TimeoutError: none did in time; the text lists what was there instead.
        """
        place = None if channel is None else self.place(channel)
        reader = seen_by.id if seen_by else None
        found: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def consider(record: StoredMessage) -> None:
            hidden = record.deleted or record.ephemeral_to not in (None, reader)
            if found.done() or hidden or (place is not None and record.channel_id != place.id):
                return
            message = self.view(record)
            try:
                if predicate(message):
                    found.set_result(message)
            except Exception as error:  # a fault in the test's own predicate belongs to the test, not to the server
                found.set_exception(error)

        for record in list(self.state.messages.values()):
            consider(record)
        self._observers.add(consider)
        try:
            async with asyncio.timeout(timeout_s):
                return await found
        except TimeoutError:
            there = [self.view(m) for m in self.state.messages.values() if not m.deleted][-10:]
            raise TimeoutError(f"no such message within {timeout_s} s; the last ones are {there}") from None
        finally:
            self._observers.discard(consider)

    def subscribe(self, member: Member | None = None) -> Subscription:
        """Changes as they happen: `async with sb.subscribe(ada) as changes: async for change in changes: …`."""
        return self.feed.subscribe(member.id if member else None)

    def announce(self, kind: Kind, record: StoredMessage) -> None:
        """Tell the page and whoever waits that a message was created, edited or deleted."""
        data: Json = {"id": str(record.id), "channel_id": str(record.channel_id)}
        if kind != "message_delete":
            data = payloads.message(self, record)
        self.feed.publish(Change(kind, data, record.ephemeral_to))
        for observer in tuple(self._observers):
            observer(record)

    # The bot on the other side

    async def wait_ready(self, command: str | None = None, timeout_s: float = 30.0) -> None:
        """Wait until a bot is connected and, where given, has registered the command of this name."""
        async with asyncio.timeout(timeout_s), self.subscribe() as changes:
            if self._is_ready(command):
                return
            async for _ in changes:
                if self._is_ready(command):
                    return

    def _is_ready(self, command: str | None) -> bool:
        names = {c["name"] for c in self.state.commands_for(self.guild.id)}
        return self.gateway.connected and (command is None or command in names)

    async def cut_gateway(self, resumable: bool = True) -> None:
        """Cut the bot's gateway connection; not resumable means that its session is forgotten too."""
        await self.gateway.cut(resumable=resumable)

    async def request_reconnect(self) -> None:
        """Ask the bot to reconnect (opcode 7), as Discord does before it restarts a machine."""
        await self.gateway.request_reconnect()

    def violate(self, rule: str, detail: str, request: RequestRecord | None = None) -> None:
        """Note that the client broke a rule."""
        self.violations.append(Violation(rule, detail, request))

    def _describe_files(self, record: StoredMessage, embedded: bool) -> list[Attachment]:
        return [
            Attachment(u.id, u.filename, self.cdn.sign(u), len(u.data), u.content_type, u.data)
            for u in record.uploads
            if embedded or not u.in_embed
        ]


@functools.cache  # reading it takes a while, and it does not change
def _load_schemas(path: Path) -> "BodySchemas":
    from sandbox.openapi import BodySchemas  # jsonschema is there for development, not for the demo

    return BodySchemas(path)


def _add_page(app: web.Application, sandbox: Sandbox) -> None:
    try:
        from sandbox import page_api
    except ImportError:  # the page is optional: the doors for tests work without it
        return
    page_api.add_routes(app, sandbox)
