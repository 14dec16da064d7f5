"""The one exception tree of the bot.

::

    DarkroomError           logged under a reference code that the member is shown
    ├── UserError           its message is written for the member: names the value and the way out
    ├── StartupFault        one sentence on stderr, no traceback; ends the process with ``exit_code``
    └── QueueDown           Redis does not answer; what was accepted is kept and goes on when it is back
"""

from __future__ import annotations

import secrets

from common.errors import DarkroomError, StartupFault
from trainer.contract import looks

__all__ = ["DarkroomError", "QueueDown", "StartupFault", "UserError", "new_reference", "quoted"]


class UserError(DarkroomError):
    """The member's own input can't be served. ``message`` is shown to that member alone, as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class QueueDown(DarkroomError):
    """Redis does not answer."""


def new_reference() -> str:
    """A short code that joins what a member is shown to what stands in the log."""
    return secrets.token_hex(4).upper()


def quoted(value: str, longest: int = 40) -> str:
    """``value`` in backticks for an error message: shortened, on one line, and unable to mention anybody."""
    flat = looks.cut(" ".join(looks.clean(value).split()).replace("`", "'"), longest).replace("@", "@\u200b")
    return f"`{flat or ' '}`"
