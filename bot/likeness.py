"""Whose likeness an adapter is, by what its owner said, and what is made of others inherits. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.errors import UserError
from bot.store.records import Adapter, Likeness
from trainer.contract.requests import Kind

PERSONS: dict[Likeness, str] = {"self": "me", "other": "somebody else", "none": "nobody real"}  # as /train asks it
_STATED: dict[Likeness, str] = {
    "self": "They show me.", "other": "They show somebody else.", "none": "They show nobody real.",
}  # fmt: skip
_ORDER: tuple[Likeness, ...] = ("none", "self", "other")


def read_likeness(said: Likeness | None, kind: Kind) -> Likeness:
    """Whose likeness a training makes. Raises UserError: of a face that has to be said."""
    if said is None and kind == "face":
        raise UserError(
            "Say whose face this is, with `person`: me, somebody else, or nobody real. It decides with whom the adapter"
            " can be shared."
        )
    return said or "none"


def stated(consent: str, likeness: Likeness) -> str:
    """The words of a consent as they are kept: what was agreed to, and whose photos these were said to be."""
    return f"{consent} {_STATED[likeness]}"


def strictest(values: Iterable[Likeness]) -> Likeness:
    """What several make together; of nothing: nobody's."""
    return max(values, key=_ORDER.index, default="none")


def inherited(parents: Iterable[Adapter], owner_id: int) -> Likeness:
    """Whose likeness something is that this member makes of these; another owner's own is somebody else's to them."""
    return strictest(
        "other" if parent.likeness == "self" and parent.owner_id != owner_id else parent.likeness for parent in parents
    )
