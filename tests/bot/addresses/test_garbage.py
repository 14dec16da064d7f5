"""Servers that do not speak HTTP, or speak it to do harm: each ends in a sentence, and in a moment."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bot.addresses import asking
from bot.addresses.door import Addresses
from bot.errors import UserError
from tests.bot.addresses.internet import HERE, Internet

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GARBAGE = {
    "nothing": b"",
    "no http": b"SSH-2.0-OpenSSH_9.9\r\n",
    "half a status": b"HTTP/1.1 2",
    "a status that is none": b"HTTP/1.1 999999 X\r\n\r\n",
    "a status below": b"HTTP/1.1 -1 X\r\n\r\n",
    "another protocol": b"HTTP/9.9 200 OK\r\n\r\n{}",
    "an endless header": OK + b"X: " + b"a" * 200_000,
    "a million headers": OK + b"a: b\r\n" * 200_000,
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}abc",
    "length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a negative length": OK + b"Content-Length: -5\r\n\r\n{}",
    "a length that is no number": OK + b"Content-Length: 0x10\r\n\r\n{}",
    "less than was promised": OK + b"Content-Length: 500\r\n\r\n{",
    "a chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk of 16 exabytes": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "chunks without an end": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "unknown coding": OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
    "two codings": OK + b"Content-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\n{}",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "a redirect of bytes": b"HTTP/1.1 302 Found\r\nLocation: https://\xff\xfe\x00\r\nContent-Length: 0\r\n\r\n",
    "a redirect as long as a book": b"HTTP/1.1 302 Found\r\nLocation: /" + b"a" * 15_000 + b"\r\n\r\n",
    "only informs": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "changes the protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{}",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a part that nobody asked for": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\n\r\n{}",
}


@asynccontextmanager
async def saying(internet: Internet, answer: bytes) -> AsyncIterator[None]:
    """Every name leads to a server that says this to whatever it is asked, and hangs up."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(HERE / "certificate.pem", HERE / "key.pem")
    server = await asyncio.start_server(say, "127.0.0.1", 0, ssl=context)
    internet.port = server.sockets[0].getsockname()[1]
    async with server:
        yield


@pytest.mark.parametrize("what", GARBAGE)
async def test_it_ends_in_a_sentence(
    internet: Internet, addresses: Addresses, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(asking, "JSON_TIMEOUT_S", 5.0)
    async with saying(internet, GARBAGE[what]):
        with pytest.raises(UserError, match=r"Civitai (does not work just now|sends us)"):
            await addresses.look_up("https://civitai.com/models/123")
