"""What base models there are, for who may not import torch: `python -m trainer.models.inventory`, JSON in, JSON out."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from trainer.contract.inventory import Look, Seen, SeenBase
from trainer.errors import MissingBases
from trainer.models import hashes
from trainer.models.registry import BaseSpec, Found, look_for_bases, read_place


def look(asked: Look) -> Seen:
    """What lies at the place, or in the whole folder."""
    try:
        if asked.place is not None:
            found = Found((read_place(Path(asked.place)),))
        else:
            found = look_for_bases(Path(asked.folder) if asked.folder else None)
    except MissingBases as fault:
        return Seen(refused=(str(fault),))
    book = Path(asked.hashes) if asked.hashes else None
    if book is not None:
        hashes.recall(book)
    seen = Seen(tuple(describe(base, hashed=book is not None) for base in found.bases), found.refused)
    if book is not None:
        hashes.write_down(book)
    return seen


def describe(base: BaseSpec, *, hashed: bool) -> SeenBase:
    """A base in few words; its hash takes as long as reading its weights does, the first time."""
    place = base.file or base.folder
    sizes = [place] if base.file else [path for path in place.rglob("*") if path.is_file()]
    return SeenBase(
        base.name,
        str(place),
        base.family,
        base.defaults.width,
        base.defaults.height,
        sum(path.stat().st_size for path in sizes),
        base.hash if hashed else "",
        base.embedded,
    )


if __name__ == "__main__":
    answer = look(msgspec.json.decode(sys.stdin.buffer.read(), type=Look))
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
