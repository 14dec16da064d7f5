"""The roots of both sides' exceptions."""

from __future__ import annotations


class DarkroomError(Exception):
    """Base of everything that Darkroom raises itself."""


class StartupFault(DarkroomError):
    """The process can't start. ``message`` is one sentence that says what to do."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
