"""The gateway, version 10, JSON: HELLO, IDENTIFY, READY, RESUME with replay, heartbeats, close codes, dispatch."""

import asyncio
import json
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web

from sandbox import payloads
from sandbox.compression import Compressor, make_compressor
from sandbox.feed import Change
from sandbox.intents import MEMBERS, PRIVILEGED, VALID, visible_part
from sandbox.state import Json

if TYPE_CHECKING:
    from sandbox.server import Sandbox

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, REQUEST_MEMBERS = 0, 1, 2, 3, 4, 6, 7, 8
INVALID_SESSION, HELLO, HEARTBEAT_ACK, SOUNDBOARD = 9, 10, 11, 31
REPLAYED = 1000
"""Events kept for a session that may come back."""

UNKNOWN_ERROR, UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED, AUTHENTICATION_FAILED = 4000, 4001, 4002, 4003, 4004
ALREADY_AUTHENTICATED, INVALID_SEQUENCE, TIMED_OUT, INVALID_VERSION = 4005, 4007, 4009, 4012
INVALID_INTENTS, DISALLOWED_INTENTS = 4013, 4014


class Closed(Exception):
    """The connection is to be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(eq=False, slots=True)
class Connection:
    """One WebSocket. Frames go out in order through a queue, compressed as the client asked."""

    socket: web.WebSocketResponse
    compressor: Compressor | None
    outbox: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    session: "Session | None" = None

    def send(self, opcode: int, data: object = None, event: str | None = None, sequence: int | None = None) -> None:
        """Queue one payload."""
        self.outbox.put_nowait({"op": opcode, "d": data, "t": event, "s": sequence})

    async def write(self) -> None:
        """Send what is queued until the connection is gone."""
        with suppress(ConnectionError):
            while True:
                text = json.dumps(await self.outbox.get(), separators=(",", ":"))
                if self.compressor is None:
                    await self.socket.send_str(text)
                else:
                    await self.socket.send_bytes(self.compressor.compress(text.encode()))


@dataclass(eq=False, slots=True)
class Session:
    """What survives a lost connection: the intents, the sequence number and the last events."""

    id: str
    intents: int
    shard: tuple[int, int]
    connection: Connection | None
    sequence: int = 0
    events: deque[tuple[int, str, Json]] = field(default_factory=lambda: deque(maxlen=REPLAYED))

    def dispatch(self, event: str, data: Json) -> bool:
        """Number, keep and send an event; whether somebody is connected to hear it."""
        self.sequence += 1
        self.events.append((self.sequence, event, data))
        if self.connection is None:
            return False
        self.connection.send(DISPATCH, data, event, self.sequence)
        return True


class Gateway:
    """All sessions of the bot, and the endpoint at /gateway."""

    def __init__(self, sandbox: "Sandbox", heartbeat_interval_s: float, privileged_intents: int) -> None:
        self._sandbox = sandbox
        self._heartbeat_interval_s = heartbeat_interval_s
        self._privileged_intents = privileged_intents
        self.sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()

    def add_routes(self, app: web.Application) -> None:
        """Listen at /gateway, with or without a slash at its end."""
        app.router.add_get("/gateway", self._serve)
        app.router.add_get("/gateway/", self._serve)

    @property
    def connected(self) -> bool:
        """Whether a bot is connected and identified."""
        return any(session.connection is not None for session in self.sessions.values())

    def dispatch(self, event: str, data: Json, guild_id: int | None, author_id: int | None = None) -> int:
        """Send an event to every session that is to have it, as far as its intents go; how many were connected."""
        shard_key = int(guild_id or data.get("guild_id") or 0) >> 22
        heard = 0
        for session in list(self.sessions.values()):
            if shard_key % session.shard[1] != session.shard[0]:
                continue
            part = visible_part(event, data, session.intents, str(self._sandbox.application_id))
            if part is not None:
                heard += session.dispatch(event, part)
        return heard

    async def cut(self, *, resumable: bool, code: int = UNKNOWN_ERROR) -> None:
        """Close every connection; not resumable: forget the sessions as well, so that RESUME is refused."""
        if not resumable:
            self.sessions.clear()
        for connection in list(self._connections):
            self._detach(connection)
            await connection.socket.close(code=code, message=b"cut by the sandbox")

    async def request_reconnect(self) -> None:
        """Opcode 7 on every connection."""
        for connection in list(self._connections):
            connection.send(RECONNECT)

    async def close(self) -> None:
        """Say goodbye to every client."""
        for connection in list(self._connections):
            with suppress(ConnectionError):
                await connection.socket.close(code=WSCloseCode.GOING_AWAY, message=b"the sandbox stops")

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0, compress=False)
        await socket.prepare(request)
        query = request.query
        if query.get("v", "10") != "10" or query.get("encoding", "json") != "json":
            await socket.close(code=INVALID_VERSION, message=b"only version 10 in JSON")
            return socket
        try:
            compressor = make_compressor(query.get("compress"))
        except ValueError as error:
            await socket.close(code=DECODE_ERROR, message=str(error).encode())
            return socket
        connection = Connection(socket, compressor)
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write())
        try:
            await self._converse(connection)
        except Closed as closed:
            await socket.close(code=closed.code, message=closed.reason.encode())
        finally:
            self._connections.discard(connection)
            self._detach(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _converse(self, connection: Connection) -> None:
        connection.send(HELLO, {"heartbeat_interval": int(self._heartbeat_interval_s * 1000), "_trace": ["sandbox"]})
        while True:
            try:
                frame = await connection.socket.receive(timeout=self._heartbeat_interval_s * 1.5)
            except TimeoutError:
                raise Closed(TIMED_OUT, "Session timed out.") from None
            if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                if connection.socket.close_code in (1000, 1001) and connection.session is not None:
                    self.sessions.pop(connection.session.id, None)  # a clean goodbye ends the session
                return
            try:
                payload = json.loads(frame.data)
                opcode, data = payload["op"], payload.get("d")
            except (ValueError, KeyError, TypeError):
                raise Closed(DECODE_ERROR, "Error while decoding payload.") from None
            self._handle(connection, opcode, data)

    def _handle(self, connection: Connection, opcode: int, data: Json) -> None:
        if opcode == HEARTBEAT:
            connection.send(HEARTBEAT_ACK)
        elif opcode in (IDENTIFY, RESUME):
            if connection.session is not None:
                raise Closed(ALREADY_AUTHENTICATED, "Already authenticated.")
            if data.get("token", "").removeprefix("Bot ") != self._sandbox.token:
                raise Closed(AUTHENTICATION_FAILED, "Authentication failed.")
            (self._identify if opcode == IDENTIFY else self._resume)(connection, data)
        elif connection.session is None:
            raise Closed(NOT_AUTHENTICATED, "Not authenticated.")
        elif opcode == REQUEST_MEMBERS:
            self._send_members(connection.session, data)
        elif opcode not in (PRESENCE, VOICE, SOUNDBOARD):
            raise Closed(UNKNOWN_OPCODE, "Unknown opcode.")

    def _identify(self, connection: Connection, data: Json) -> None:
        intents = int(data.get("intents", 0))
        if intents & ~VALID:
            raise Closed(INVALID_INTENTS, "Invalid intent(s).")
        if intents & PRIVILEGED & ~self._privileged_intents:
            raise Closed(DISALLOWED_INTENTS, "Disallowed intent(s).")
        first, count = data.get("shard") or (0, 1)
        for old in [s for s in self.sessions.values() if s.connection is None and s.shard == (first, count)]:
            del self.sessions[old.id]
        session = Session(secrets.token_hex(16), intents, (first, count), connection)
        self.sessions[session.id] = session
        connection.session = session
        sandbox = self._sandbox
        guilds = [g for g in sandbox.state.guilds.values() if (g.id >> 22) % count == first]
        ready: Json = {
            "v": 10,
            "user": payloads.own_user(sandbox.state.users[sandbox.application_id]),
            "user_settings": {},
            "guilds": [{"id": str(g.id), "unavailable": True} for g in guilds],
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": sandbox.gateway_url,
            "shard": [first, count],
            "application": {"id": str(sandbox.application_id), "flags": 0},
        }
        session.dispatch("READY", ready)
        for guild in guilds:
            data = payloads.guild_create(sandbox, guild)
            if not intents & MEMBERS:
                data["members"] = [m for m in data["members"] if m["user"]["id"] == str(sandbox.application_id)]
            part = visible_part("GUILD_CREATE", data, intents, str(sandbox.application_id))
            if part is not None:
                session.dispatch("GUILD_CREATE", part)
        self._tell_page()

    def _resume(self, connection: Connection, data: Json) -> None:
        session = self.sessions.get(data.get("session_id", ""))
        if session is None:
            connection.send(INVALID_SESSION, False)
            return
        sequence = data.get("seq") or 0
        if sequence > session.sequence:
            raise Closed(INVALID_SEQUENCE, "Invalid seq.")
        missed = [event for event in session.events if event[0] > sequence]
        if missed and missed[0][0] > sequence + 1:  # some are no longer kept
            del self.sessions[session.id]
            connection.send(INVALID_SESSION, False)
            return
        if session.connection is not None:
            session.connection.session = None
        session.connection, connection.session = connection, session
        for number, event, event_data in missed:
            connection.send(DISPATCH, event_data, event, number)
        session.dispatch("RESUMED", {})
        self._tell_page()

    def _send_members(self, session: Session, data: Json) -> None:
        guild = self._sandbox.state.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        users = [self._sandbox.state.users[i] for i in guild.members]
        wanted = {
            str(i)
            for i in ([data["user_ids"]] if isinstance(data.get("user_ids"), str) else data.get("user_ids") or [])
        }
        query = data.get("query") or ""
        found = [u for u in users if (str(u.id) in wanted if wanted else u.name.startswith(query))]
        chunk: Json = {
            "guild_id": str(guild.id),
            "members": [payloads.member(self._sandbox, guild, u) for u in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": sorted(wanted - {str(u.id) for u in found}),
        }
        if "nonce" in data:
            chunk["nonce"] = data["nonce"]
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk)

    def _detach(self, connection: Connection) -> None:
        if connection.session is not None:
            connection.session.connection = None
            connection.session = None
            self._tell_page()

    def _tell_page(self) -> None:
        self._sandbox.feed.publish(Change("gateway", {"connected": self.connected}))
