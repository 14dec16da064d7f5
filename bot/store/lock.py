"""One process alone may open the database of a data folder; two connections could corrupt it (see `database.py`)."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import StartupFault


class Taken(StartupFault):
    """Another process has the data folder."""


@contextmanager
def hold_data_folder(folder: Path) -> Iterator[None]:
    """Have the folder's database alone while the block runs. The kernel lets go when the process dies.

    Raises Taken.
    """
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Taken(
                f"A bot runs already with DARKROOM_DATA {str(folder.absolute())!r}: stop it first, or name another"
                " folder.",
                exit_code=2,
            ) from error
        yield
