"""What happens to every request, in order: journal, fault, token, rate limit, schema, handler, fault."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.errors import NOT_FOUND, OLD_MESSAGE_EDITS, UNAUTHORIZED, ApiError
from sandbox.faults import Fault
from sandbox.journal import RequestRecord
from sandbox.ratelimits import Verdict
from sandbox.rest.call import Call, Reply, read_body
from sandbox.state import Json
from sandbox.views import File

if TYPE_CHECKING:
    from sandbox.server import Sandbox

PREFIX = "/api/v10"
Handler = Callable[[Call], Awaitable[Reply]]

EXPECTED_REFUSALS = {401, 403, 404, 413, 429}
"""Refusals that a careful client may meet; any other (400) means that it broke a rule."""


class Pipeline:
    """Wraps handlers for one sandbox."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox

    def wrap(self, route: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The aiohttp handler of a route template such as "/channels/{channel_id}"."""

        async def handle(request: web.Request) -> web.Response:
            return await self._run(request, route, handler)

        return handle

    async def refuse_unknown(self, request: web.Request) -> web.Response:
        """A path the sandbox does not have: 404, noted, because the real Discord may well have it."""
        path = request.path.removeprefix(PREFIX)
        record = RequestRecord(request.method, path, self._sandbox.clock(), status=404)
        self._sandbox.requests.append(record)
        self._sandbox.violate("a path that the sandbox has", f"{request.method} {path}", record)
        return _answer(ApiError(NOT_FOUND).body, 404, {})

    async def _run(self, request: web.Request, route: str, handler: Handler) -> web.Response:
        sandbox = self._sandbox
        record = RequestRecord(request.method, request.path.removeprefix(PREFIX), sandbox.clock())
        sandbox.requests.append(record)
        fault = sandbox.faults.take(record.method, record.path)
        headers: dict[str, str] = {}
        try:
            document, files = await read_body(request)
            record.json = document
            record.files = [(f.filename, len(f.data)) for f in files.values()]
            if fault is not None:
                record.fault = fault.description
                self._excuse(request)
                if fault.before == "apply":
                    await asyncio.sleep(fault.delay_s)
                    if fault.cut or fault.status:
                        return self._strike(request, record, fault)
            self._authorise(request, route)
            verdict = sandbox.rate_limits.check(record.method, route, request.match_info)
            headers = verdict.headers
            if verdict.retry_after_s is not None:
                record.status = 429
                return _answer(_limited(verdict), 429, headers)
            self._hold_against_schema(record, document, files)
            reply = await handler(Call(sandbox, request.match_info, request.query, document, files))
        except ApiError as error:
            excused = self._is_excused(request, error)
            return self._refuse(record, error, headers, excused)
        if fault is not None and fault.before == "answer":
            await asyncio.sleep(fault.delay_s)
            if fault.cut or fault.status:
                return self._strike(request, record, fault)
        record.status = reply.status
        return _answer(reply.data, reply.status, headers)

    def _authorise(self, request: web.Request, route: str) -> None:
        if "{token}" in route or route == "/gateway":
            return  # the token in the path is enough
        if request.headers.get("Authorization") != f"Bot {self._sandbox.token}":
            raise ApiError(UNAUTHORIZED)

    def _excuse(self, request: web.Request) -> None:
        interaction = self._sandbox.interactions.by_token.get(request.match_info.get("token", ""))
        if interaction is not None:
            interaction.faulted = True

    def _is_excused(self, request: web.Request, error: ApiError) -> bool:
        """Whether an answer is late through no fault of the client: it was disconnected, or a fault was injected."""
        interaction = self._sandbox.interactions.by_token.get(request.match_info.get("token", ""))
        return error.code == 10062 and interaction is not None and (interaction.faulted or not interaction.heard)

    def _strike(self, request: web.Request, record: RequestRecord, fault: Fault) -> web.Response:
        record.status = 0 if fault.cut else fault.status or 500
        return fault.response(request)

    def _hold_against_schema(self, record: RequestRecord, document: Any, files: dict[int, File]) -> None:
        schemas = self._sandbox.body_schemas
        if schemas is None or (document is None and not files):
            return
        record.openapi_errors = schemas.errors(record.method, record.path, {} if document is None else document)
        for error in record.openapi_errors:
            self._sandbox.violate("Discord's OpenAPI description", f"{record.method} {record.path}: {error}", record)

    def _refuse(self, record: RequestRecord, error: ApiError, headers: dict[str, str], excused: bool) -> web.Response:
        record.status = error.status
        body = error.body
        if (error.status, error.code) == OLD_MESSAGE_EDITS[:2]:
            body |= {"retry_after": 5.0, "global": False}
            headers = headers | {"Via": "1.1 google", "Retry-After": "5"}
        late_answer = error.code == 10062
        if (error.status not in EXPECTED_REFUSALS or late_answer) and not excused:
            self._sandbox.violate("accepted by Discord", f"{record.method} {record.path}: {error}", record)
        return _answer(body, error.status, headers)


def _limited(verdict: Verdict) -> Json:
    return {
        "message": "You are being rate limited.",
        "retry_after": verdict.retry_after_s,
        "global": verdict.is_global,
    }


def _answer(data: Any, status: int, headers: dict[str, str]) -> web.Response:
    # clients check that the content type is exactly application/json, without a charset
    if status == 204:
        return web.Response(status=204, headers=headers)
    response = web.json_response(data, status=status, headers=headers)
    response.headers["Content-Type"] = "application/json"
    return response
