"""One thing a person did (a command, a click, a form) and what came of it."""

import asyncio
from collections.abc import Callable
from typing import Literal

from sandbox.state import Json
from sandbox.views import Message, Modal

State = Literal["waiting", "acknowledged", "thinking", "answered", "modal", "failed"]

NO_ANSWER = "The application did not respond"


class ExchangeFailed(Exception):
    """The person was shown an error instead of an answer; its text is that error."""


class Exchange:
    """What a person sees of one interaction. Changes while the bot works; `changed` is called after every change.

    Attributes:
        id: snowflake of the interaction (0 when the client refused before sending one).
        kind: "command", "component", "modal" or "autocomplete".
        acknowledged_after_s: seconds until the bot's first answer, or None.
        ephemeral: whether the answer is for this person alone; None until there is one.
        message: the answer, once it is more than "is thinking…"; for an update the message that was clicked.
        modal: the form that the bot opened, if it did.
        error: what the person was told instead, e.g. a required option is missing, or the application did not respond.
        choices: what an autocomplete gave.
    """

    def __init__(self, member_id: int, channel_id: int, kind: str, name: str) -> None:
        self.id = 0
        self.member_id = member_id
        self.channel_id = channel_id
        self.kind = kind
        self.name = name
        self.acknowledged_after_s: float | None = None
        self.ephemeral: bool | None = None
        self.message: Message | None = None
        self.placeholder: Message | None = None
        self.modal: Modal | None = None
        self.choices: list[Json] | None = None
        self.error: str | None = None
        self.changed: Callable[[Exchange], None] = lambda _: None
        self._waiting: set[asyncio.Event] = set()

    def __repr__(self) -> str:
        return f"<Exchange {self.kind} {self.name!r} {self.state} error={self.error!r} message={self.message!r}>"

    @property
    def state(self) -> State:
        """How far it has come, for the page."""
        if self.error is not None:
            return "failed"
        if self.modal is not None:
            return "modal"
        if self.message is not None or self.choices is not None:
            return "answered"
        if self.placeholder is not None:
            return "thinking"
        return "waiting" if self.acknowledged_after_s is None else "acknowledged"

    def touch(self) -> None:
        """Tell everybody who waits that something changed."""
        for event in self._waiting:
            event.set()
        self.changed(self)

    def fail(self, error: str) -> None:
        """The person is shown this error."""
        self.error = error
        self.touch()

    async def answered(self, timeout_s: float = 10.0) -> "Exchange":
        """Wait for the bot's first answer of any kind, or for an error; returns itself."""
        await self._wait(lambda: self.acknowledged_after_s is not None or self.error is not None, timeout_s)
        return self

    async def response(self, timeout_s: float = 10.0) -> Message:
        """The answer's message, waiting for a deferred one to be filled in.

        Raises:
            ExchangeFailed: the person was shown an error.
            TimeoutError: nothing came in time.
        """
        await self._wait(lambda: self.message is not None or self.error is not None, timeout_s)
        if self.error is not None or self.message is None:
            raise ExchangeFailed(self.error)
        return self.message

    async def _wait(self, ready: Callable[[], bool], timeout_s: float) -> None:
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(timeout_s):
                while not ready():
                    event.clear()
                    await event.wait()
        except TimeoutError:
            raise TimeoutError(f"nothing came within {timeout_s} s for {self!r}") from None
        finally:
            self._waiting.discard(event)

    def to_json(self) -> Json:
        """For the page."""
        shown = self.message or self.placeholder
        return {
            "id": str(self.id),
            "kind": self.kind,
            "name": self.name,
            "member_id": str(self.member_id),
            "channel_id": str(self.channel_id),
            "state": self.state,
            "error": self.error,
            "ephemeral": self.ephemeral,
            "message_id": str(shown.id) if shown else None,
            "modal": self.modal.to_json() if self.modal else None,
        }
