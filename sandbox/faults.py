"""Faults on purpose: a status, a delay or a cut connection, before or after the request takes effect."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from sandbox.state import Json


@dataclass(slots=True)
class Fault:
    """One fault to inject into the next `times` requests that match.

    Attributes:
        method: HTTP method, or "*" for any.
        path_regex: searched in the path (without /api/v10).
        status: answer with this status; None lets the request's own answer through (after the delay).
        cut: close the connection without an answer.
        delay_s: wait that long first.
        before: "apply": the request has no effect. "answer": it takes effect, and then its answer is lost to the fault.
        retry_after_s: for a 429.
        cloudflare: a 429 as Cloudflare sends it: text, no Via header. Clients take that for a ban.
        code: Discord's own error code in the body, such as 50083 (the thread is archived).
        struck: how often it has happened.
    """

    method: str
    path_regex: str
    status: int | None = None
    times: int = 1
    delay_s: float = 0.0
    cut: bool = False
    before: Literal["apply", "answer"] = "apply"
    retry_after_s: float = 0.1
    cloudflare: bool = False
    code: int = 0
    struck: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether it is to happen to this request."""
        return (
            self.struck < self.times and self.method in ("*", method) and re.search(self.path_regex, path) is not None
        )

    @property
    def description(self) -> str:
        """For the journal."""
        what = "cut" if self.cut else f"status {self.status}" if self.status else f"delay {self.delay_s} s"
        return f"{what} before {self.before}"

    def response(self, request: web.Request) -> web.Response:
        """The answer that the client gets; for a cut the connection is closed under it."""
        if self.cut:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # nobody is there to read it
        status = self.status or 500
        if status == 429 and not self.cloudflare:
            body: Json = {"message": "You are being rate limited.", "retry_after": self.retry_after_s, "global": False}
            return _json(body, 429, {"Via": "1.1 google", "Retry-After": str(max(1, round(self.retry_after_s)))})
        if status == 429 or status >= 500:
            return web.Response(status=status, text=f"error code: {status}")
        return _json({"message": f"{status}: injected by the sandbox", "code": self.code}, status, {})


def _json(body: Json, status: int, headers: dict[str, str]) -> web.Response:
    """JSON under exactly Discord's content type: with a charset behind it, discord.py takes it for text."""
    headers = {"Content-Type": "application/json", **headers}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers)


class Faults:
    """The faults that are waiting to happen; the first that matches strikes."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(
        self,
        method: str,
        path_regex: str,
        *,
        status: int | None = None,
        times: int = 1,
        delay_s: float = 0.0,
        cut: bool = False,
        before: Literal["apply"] | None = None,
        after: Literal["apply"] | None = None,
        retry_after_s: float = 0.1,
        cloudflare: bool = False,
        code: int = 0,
    ) -> Fault:
        """Inject a fault; `after="apply"` lets the request take effect first. Returns it, to look at `struck`."""
        if before and after:
            raise ValueError("a fault strikes before or after the request is applied, not both")
        moment: Literal["apply", "answer"] = "answer" if after else "apply"
        fault = Fault(method, path_regex, status, times, delay_s, cut, moment, retry_after_s, cloudflare, code)
        self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults."""
        self.waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that happens to this request, counted as struck."""
        for fault in self.waiting:
            if fault.matches(method, path):
                fault.struck += 1
                return fault
        return None

    async def strike(self, method: str, path: str) -> Fault | None:
        """For requests without effect: take a fault, wait its delay, and return it if it replaces the answer."""
        fault = self.take(method, path)
        if fault is None:
            return None
        await asyncio.sleep(fault.delay_s)
        return fault if fault.cut or fault.status else None
