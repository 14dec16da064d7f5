"""Logging: structlog for our own, the same form for libraries, and secrets never."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

# Discord's interaction tokens stand in webhook addresses; bot tokens have three dotted parts; Redis has its password
_SECRETS = (
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w.-]{20,}"), r"\1…"),
    (re.compile(r"\b[\w-]{20,}\.[\w-]{5,}\.[\w-]{20,}\b"), "…"),
    (re.compile(r"(rediss?://[^:/@\s]*):[^@\s]+@"), r"\1:…@"),
)
_SECRET_KEYS = frozenset({"token", "authorization", "password", "secret"})


class _Redact:
    """A structlog processor: blanks out the given secrets, and whatever looks like one."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: "…" if key.lower() in _SECRET_KEYS else self.clean(value) for key, value in event.items()}

    def clean(self, value: Any) -> Any:
        """``value`` without secrets; containers are cleaned in their text form."""
        if isinstance(value, bool | int | float | None):
            return value
        text = value if isinstance(value, str) else str(value)
        cleaned = text
        for secret in self._secrets:
            cleaned = cleaned.replace(secret, "…")
        for pattern, replacement in _SECRETS:
            cleaned = pattern.sub(replacement, cleaned)
        return cleaned if isinstance(value, str) or cleaned != text else value


def configure_logging(
    level: str, form: Literal["auto", "console", "json"] = "auto", secrets: tuple[str, ...] = ()
) -> None:
    """Send everything, also what libraries log, to stderr in one form. ``secrets`` never appear."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Any = structlog.dev.ConsoleRenderer(colors=True) if console else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,  # before redaction: a traceback may hold an address with a token
                _Redact(tuple(secret for secret in secrets if secret)),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("discord", "aiohttp", "asyncio", "aiosqlite", "PIL"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
