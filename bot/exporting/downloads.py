"""The small web server behind links to exported files: one path, and nothing to list."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

import structlog
from aiohttp import web

from bot.errors import StartupFault
from bot.exporting.exports import Exports
from bot.exporting.links import LinkExpired, Links
from bot.jobs import Jobs
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.events import OutputFile

log = structlog.get_logger(__name__)

MOST_STARTS = 3  # of a link, from the file's beginning; a download that broke off goes on by ranges
MOST_REQUESTS = 100  # of a link, with those that go on
PER_MINUTE = 30  # requests of one address
_MOST_ADDRESSES = 10_000
_UNKNOWN = "There is no such file."
_GONE = "This link is not good any more: use /adapter export again."


class Downloads:
    """Answers ``GET /exports/TOKEN``. Each request is authorised anew: what was deleted meanwhile is not sent."""

    def __init__(
        self,
        links: Links,
        exports: Exports,
        jobs: Jobs,
        blobs: Blobs,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._links, self._exports, self._jobs, self._blobs, self._clock = links, exports, jobs, blobs, clock
        # by token, as long as the bot lives, for its tokens do not outlive it
        self._starts: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._asked: dict[str, deque[float]] = {}  # by address: when, in the last minute

    def application(self) -> web.Application:
        """The server, to be run."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/exports/{token}", self._answer, allow_head=False)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._asks_too_often(request.remote or ""):
            raise web.HTTPTooManyRequests(text="Too many requests: wait a minute.", headers={"Retry-After": "60"})
        token = request.match_info["token"]
        file = await self._find(token)
        self._requests[token] += 1
        self._starts[token] += _begins_anew(request)
        if self._starts[token] > MOST_STARTS or self._requests[token] > MOST_REQUESTS:
            raise web.HTTPGone(text=_GONE)
        return await self._send(request, file)

    async def _find(self, token: str) -> OutputFile:
        """The file that a token grants now. Raises HTTPNotFound: it is none, HTTPGone: it is none any more."""
        try:
            grant = self._links.read(token)
        except LinkExpired:
            raise web.HTTPGone(text=_GONE) from None
        job = None if grant is None else await self._jobs.get(grant.job_id)
        if grant is None or job is None:
            raise web.HTTPNotFound(text=_UNKNOWN)
        outcome = await self._exports.outcome(job) if await self._exports.is_allowed(job, grant.member_id) else None
        if outcome is None or outcome.export is None:
            raise web.HTTPGone(text=_GONE)
        return outcome.export

    async def _send(self, request: web.Request, file: OutputFile) -> web.StreamResponse:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{file.filename}"',  # names are of a-z, 0-9, - and _
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        try:
            own = self._blobs.own_file(file.blob)
            if own is not None:
                return web.FileResponse(own, headers=headers)
            return await self._stream(request, file, headers)
        except BlobMissing:
            raise web.HTTPGone(text=_GONE) from None

    async def _stream(self, request: web.Request, file: OutputFile, headers: dict[str, str]) -> web.StreamResponse:
        """From a store that is no folder: chunk by chunk, and without ranges."""
        response = web.StreamResponse(headers=headers)
        response.content_length = file.size_bytes
        chunks = self._blobs.stream(file.blob)
        first = await anext(chunks, b"")
        await response.prepare(request)
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
        return response

    def _asks_too_often(self, address: str) -> bool:
        now = self._clock()
        if len(self._asked) > _MOST_ADDRESSES:
            self._asked = {each: times for each, times in self._asked.items() if times[-1] > now - 60}
        times = self._asked.setdefault(address, deque(maxlen=PER_MINUTE))
        too_often = len(times) == PER_MINUTE and times[0] > now - 60
        times.append(now)
        return too_often


def _begins_anew(request: web.Request) -> bool:
    try:
        return not request.http_range.start
    except ValueError:
        return True


async def open_downloads(downloads: Downloads, host: str, port: int) -> web.AppRunner:
    """Serve until the runner is cleaned up. Raises StartupFault."""
    runner = web.AppRunner(downloads.application(), access_log=None)  # it would log tokens
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise StartupFault(
            f"DARKROOM_DOWNLOADS_PORT {port} can't be used ({error.strerror}): choose another one.", exit_code=2
        ) from error
    return runner
