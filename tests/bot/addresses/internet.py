"""A small internet on loopback: the real names of the sites over real TLS, answered by what a test writes.

The certificate beside this file is for those names and signed by nobody; its key is no secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.addresses.connecting import IPAddress, is_outside

HERE = Path(__file__).parent
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WEIGHTS = b"the weights of an adapter" * 4000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


class Internet(AbstractResolver):
    """Names, what they resolve to, and what is answered under them."""

    def __init__(self) -> None:
        self.port = 0
        self.lies: dict[str, list[str]] = {}  # names that resolve to other addresses, one after the other
        self.answers: dict[str, Handler] = {}  # by host and path
        self.asked: list[web.Request] = []

    def answer(self, address: str, handler: Handler | dict[str, Any] | bytes | web.StreamResponse) -> None:
        """What stands at ``address`` (host and path): JSON, bytes, a ready answer, or a function that answers."""
        self.answers[address] = handler if callable(handler) else lambda request: _say(handler)

    def redirect(self, address: str, location: str) -> None:
        """``address`` sends on to ``location``."""
        self.answers[address] = lambda request: _say(web.Response(status=307, headers={"Location": location}))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Everything is here, except for what a test says otherwise."""
        lie = self.lies.get(host)
        address, at = (lie.pop(0) if len(lie) > 1 else lie[0], port) if lie else ("127.0.0.1", self.port)
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [ResolveResult(hostname=host, host=address, port=at, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""

    def may_connect(self, address: IPAddress, port: int) -> bool:
        """The real rule, and beside it this one door."""
        return is_outside(address, port) or (address, port) == (ipaddress.ip_address("127.0.0.1"), self.port)

    @property
    def context(self) -> ssl.SSLContext:
        """Trusts the certificate of this place alone."""
        return ssl.create_default_context(cafile=str(HERE / "certificate.pem"))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Find what stands there."""
        self.asked.append(request)
        handler = self.answers.get(f"{request.host}{request.path}")
        if handler is None:
            return web.json_response({"error": "not found"}, status=404)
        return await handler(request)


async def _say(answer: Any) -> web.StreamResponse:
    if isinstance(answer, web.Response):  # a new one each time
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
    if isinstance(answer, bytes):
        return web.Response(body=answer, content_type="binary/octet-stream")
    return web.json_response(answer)


async def endless(request: web.Request) -> web.StreamResponse:
    """Bytes for ever, and no word of how many."""
    response = web.StreamResponse()
    await response.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await response.write(b" " * 65536)
        await asyncio.sleep(0)  # the one who reads is in the same loop
    return response


@asynccontextmanager
async def a_stand_in(host: str) -> AsyncIterator[tuple[Internet, str]]:
    """One of the sites without TLS, and its address, for CIVITAI_BASE or HF_BASE."""
    internet = Internet()

    async def handle(request: web.Request) -> web.StreamResponse:
        handler = internet.answers.get(f"{host}{request.path}")
        internet.asked.append(request)
        return await handler(request) if handler else web.json_response({"error": "not found"}, status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield internet, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def an_internet() -> AsyncIterator[Internet]:
    """Listening on a port of its own."""
    internet = Internet()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", internet.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(HERE / "certificate.pem", HERE / "key.pem")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    internet.port = runner.addresses[0][1]
    yield internet
    await runner.cleanup()


def civitai_file(**changes: Any) -> dict[str, Any]:
    """A file as https://developer.civitai.com/site/reference/model-versions describes it."""
    return {
        "id": 2402203,
        "sizeKB": len(WEIGHTS) / 1024,
        "name": "moss_v2.safetensors",
        "type": "Model",
        "pickleScanResult": "Success",
        "virusScanResult": "Success",
        "metadata": {"format": "SafeTensor", "size": None, "fp": None},
        "hashes": {"AutoV2": SHA256[:10].upper(), "SHA256": SHA256.upper(), "CRC32": "DAEE95B7"},
        "downloadUrl": "https://civitai.com/api/download/models/456?fileId=2402203",
        "primary": True,
    } | changes


def civitai_version(**changes: Any) -> dict[str, Any]:
    """A version in a model's answer."""
    return {
        "id": 456,
        "name": "v2.0",
        "baseModel": "SDXL 1.0",
        "description": "<p>Recommended weight: <strong>0.6&nbsp;-&nbsp;0.8</strong></p>",
        "trainedWords": ["moss monster, green fur", "moss monster"],
        "availability": "Public",
        "usageControl": "Download",
        "earlyAccessEndsAt": None,
        "files": [civitai_file()],
        "images": [{"url": "https://image.civitai.com/a.jpeg", "nsfwLevel": 1}],
        "downloadUrl": "https://civitai.com/api/download/models/456",
    } | changes


def civitai_model(*versions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The answer of GET /api/v1/models/{id}."""
    return {
        "id": 123,
        "name": "Moss Monster",
        "description": "<p>A monster of moss.</p>",
        "type": "LORA",
        "nsfw": False,
        "poi": False,
        "minor": False,
        "allowNoCredit": True,
        "allowCommercialUse": ["Image", "RentCivit"],
        "allowDerivatives": True,
        "allowDifferentLicense": False,
        "creator": {"username": "ada", "image": None},
        "tags": ["monster"],
        "modelVersions": list(versions) or [civitai_version(), civitai_version(id=455, name="v1.0")],
    } | changes


def hub_repository(**changes: Any) -> dict[str, Any]:
    """The answer of GET /api/models/{repo}/revision/{revision}?blobs=true."""
    return {
        "_id": "66a0",
        "id": "ada/moss",
        "author": "ada",
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "private": False,
        "gated": False,
        "disabled": False,
        "tags": ["diffusers", "lora", "license:creativeml-openrail-m"],
        "cardData": {
            "license": "creativeml-openrail-m",
            "base_model": "stabilityai/stable-diffusion-xl-base-1.0",
            "instance_prompt": "a photo of mossy",
            "tags": ["lora"],
        },
        "siblings": [
            {"rfilename": ".gitattributes", "size": 1519, "blobId": "a6"},
            {"rfilename": "README.md", "size": 900, "blobId": "a7"},
            hub_file("moss.safetensors"),
        ],
    } | changes


def hub_file(name: str, body: bytes = WEIGHTS) -> dict[str, Any]:
    """A large file of a repository."""
    sha256 = hashlib.sha256(body).hexdigest()
    lfs = {"sha256": sha256, "size": len(body), "pointerSize": 134}
    return {"rfilename": name, "size": len(body), "blobId": "a8", "lfs": lfs}
