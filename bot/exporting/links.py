"""Links to exported files: signed, for one member, and good for a while. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.store.records import Job
from trainer.contract import looks

GOOD_FOR_S = 30 * 60.0
_TOKEN = re.compile(r"(\d{1,20})\.(\d{1,20})\.(\d{1,12})\.[0-9a-f]{16}\.([0-9a-f]{64})")


class LinkExpired(Exception):
    """It was one of ours, and is too old."""


@dataclass(frozen=True)
class Grant:
    """What a token says: this member may fetch what that job exported."""

    job_id: str
    member_id: int
    expires_at: int


class Links:
    """Makes and reads them. The key is drawn at each start of the bot, and stands nowhere: old links end with it."""

    def __init__(self, address: str, *, key: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        """``address``: where members' browsers find this bot, such as https://darkroom.example."""
        self._address, self._clock = address.rstrip("/"), clock
        self._key = secrets.token_bytes(32) if key is None else key

    @property
    def words(self) -> str:
        """What is said beside a link."""
        return f"The link is yours alone and good for {looks.duration(GOOD_FOR_S)}."

    def make(self, job: Job) -> str:
        """A link to what the job exported, for its owner. The file's name is told by the answer, not by the address."""
        said = f"{job.id}.{job.owner_id}.{int(self._clock() + GOOD_FOR_S)}.{secrets.token_hex(8)}"
        return f"{self._address}/exports/{said}.{self._sign(said)}"

    def read(self, token: str) -> Grant | None:
        """What a token grants; None: it is none of ours. Raises LinkExpired."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        said, signature = token.rsplit(".", 1)
        if not hmac.compare_digest(signature, self._sign(said)):
            return None
        grant = Grant(found[1], int(found[2]), int(found[3]))
        if self._clock() >= grant.expires_at:
            raise LinkExpired
        return grant

    def _sign(self, said: str) -> str:
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()
