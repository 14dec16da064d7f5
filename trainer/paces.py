"""How fast trainings go on this machine, as they were last measured: for the estimate before the next begins."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from trainer.contract.requests import Method

Book = dict[str, dict[str, dict[Method, float]]]  # seconds a sample by device, base and method


class Paces:
    """Seconds that a sample takes, which :func:`trainer.contract.lengths.step_work` counts, by base and method."""

    def __init__(self, device: str = "", book: Path | None = None) -> None:
        """``book``: the file in which they are written down for the worker that is started next; None: nowhere."""
        self._device, self._path = device, book
        self._known: dict[str, dict[Method, float]] = self._read().get(device, {})

    def of(self, base: str) -> dict[Method, float]:
        """Those of a base, by method; what was not measured yet is not there."""
        return dict(self._known.get(base, {}))

    def remember(self, base: str, method: Method, seconds: float) -> None:
        """A training has just taken that long a sample."""
        self._known.setdefault(base, {})[method] = seconds
        if self._path is not None:
            self._write(self._path, self._read() | {self._device: self._known})

    def _read(self) -> Book:
        """What the book says; one that can't be read is as none."""
        if self._path is not None:
            with suppress(OSError, msgspec.DecodeError):
                return msgspec.json.decode(self._path.read_bytes(), type=Book)
        return {}

    def _write(self, path: Path, book: Book) -> None:
        """At once or not at all; a full disk costs an estimate and no training."""
        half = path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(msgspec.json.encode(book))
            half.replace(path)
