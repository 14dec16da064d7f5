"""What a merge takes over from what it was made of: of each rule the strictest. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.likeness import inherited
from bot.store.records import Adapter, Likeness


@dataclass(frozen=True)
class Inherited:
    """The rules of a merge. With whom it may be shared is asked of its parents anew each time: `store/adapters.py`."""

    likeness: Likeness = "none"
    age_restricted: bool = False
    credit: bool = True
    commercial: bool = False
    derivatives: bool = True


def inherit(parents: Sequence[Adapter], owner_id: int) -> Inherited:
    """The rules of what ``owner_id`` makes of these; of bases alone there are none to take over."""
    return Inherited(
        likeness=inherited(parents, owner_id),
        age_restricted=any(parent.age_restricted for parent in parents),
        credit=any(parent.credit for parent in parents) or not parents,
        commercial=bool(parents) and all(parent.commercial for parent in parents),
        derivatives=all(parent.derivatives for parent in parents),
    )
