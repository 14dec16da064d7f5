"""Rate limits: a bucket for each route and major parameter, and 50 requests a second over all.

Discord publishes no figures for its buckets; these are what clients have long seen. The window is measured in real time
(not by the sandbox's clock), because clients really wait.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAJOR_PARAMETERS = ("channel_id", "guild_id", "webhook_id", "token")
GLOBAL_LIMIT = 50

LIMITS: dict[tuple[str, str], tuple[int, float]] = {
    ("POST", "/channels/{channel_id}/messages"): (5, 5.0),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 5.0),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (5, 1.0),
    ("POST", "/webhooks/{webhook_id}/{token}"): (5, 2.0),
    ("PATCH", "/webhooks/{webhook_id}/{token}/messages/{message_id}"): (5, 2.0),
}
"""(method, route) → (requests, seconds)."""

DEFAULT_LIMIT = (50, 1.0)
UNLIMITED = "/interactions/"
"""Answers to interactions have no bucket and do not count towards the global limit."""


@dataclass(slots=True)
class Bucket:
    """One window: how many requests it takes, how many are left, and when it begins anew (monotonic seconds)."""

    key: str
    limit: int
    window_s: float
    remaining: int
    resets_at: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Headers for the answer; `retry_after_s` is set when the request is refused."""

    headers: dict[str, str]
    retry_after_s: float | None = None
    is_global: bool = False


class RateLimits:
    """Counts requests. With `enabled` False the headers are still sent, but nothing is refused."""

    def __init__(self, *, enabled: bool = True, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled
        self.limits = dict(LIMITS)
        self._monotonic = monotonic
        self._buckets: dict[tuple[str, ...], Bucket] = {}

    def check(self, method: str, route: str, parameters: Mapping[str, str]) -> Verdict:
        """Count one request to a route template like "/channels/{channel_id}/messages"."""
        if route.startswith(UNLIMITED):
            return Verdict({})
        exempt = route.startswith("/webhooks/")  # interaction tokens do not count towards the bot's global limit
        overall = self._bucket(("global",), "global", GLOBAL_LIMIT, 1.0)
        limit, window_s = self.limits.get((method, route), DEFAULT_LIMIT)
        majors = tuple(parameters[name] for name in MAJOR_PARAMETERS if name in parameters)
        key = hashlib.sha256(f"{method} {route}".encode()).hexdigest()[:32]
        bucket = self._bucket((method, route, *majors), key, limit, window_s)
        if self.enabled and not exempt and overall.remaining == 0:
            return self._refuse(overall, {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}, True)
        if self.enabled and bucket.remaining == 0:
            return self._refuse(bucket, self._headers(bucket) | {"X-RateLimit-Scope": "user"}, False)
        if not exempt:
            overall.remaining = max(0, overall.remaining - 1)
        bucket.remaining = max(0, bucket.remaining - 1) if self.enabled else bucket.limit - 1
        return Verdict(self._headers(bucket))

    def _bucket(self, name: tuple[str, ...], key: str, limit: int, window_s: float) -> Bucket:
        now = self._monotonic()
        bucket = self._buckets.get(name)
        if bucket is None or now >= bucket.resets_at:
            bucket = self._buckets[name] = Bucket(key, limit, window_s, limit, now + window_s)
        return bucket

    def _headers(self, bucket: Bucket) -> dict[str, str]:
        left_s = max(0.0, bucket.resets_at - self._monotonic())
        return {
            "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(bucket.remaining),
            "X-RateLimit-Reset": f"{time.time() + left_s:.3f}",
            "X-RateLimit-Reset-After": f"{left_s:.3f}",
            "X-RateLimit-Bucket": bucket.key,
        }

    def _refuse(self, bucket: Bucket, headers: dict[str, str], is_global: bool) -> Verdict:
        left_s = round(max(0.001, bucket.resets_at - self._monotonic()), 3)
        # Via is what tells Discord's own 429 from one of Cloudflare's.
        headers = headers | {"Retry-After": str(max(1, round(left_s))), "Via": "1.1 google"}
        return Verdict(headers, left_s, is_global)
