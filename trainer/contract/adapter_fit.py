"""Which base an adapter's file can act on, told before a job is queued."""

from __future__ import annotations

from collections.abc import Iterable

from trainer.contract.adapter_headers import AdapterIdentity
from trainer.contract.adapter_marks import TITLES
from trainer.contract.events import BaseInfo


def fits(found: AdapterIdentity, base: BaseInfo) -> bool:
    """Whether the file may act on that base: of its family, and as wide where both are known."""
    width, theirs = found.context_width, base.context_width
    return base.family in found.families and (width is None or theirs is None or width == theirs)


def nearest_base(found: AdapterIdentity, bases: Iterable[BaseInfo]) -> BaseInfo | None:
    """The base to use it with: the one that it was trained on, or else the first that it fits; None: there is none.

    A base whose width is known to be its own comes before one that does not tell.
    """
    fitting = [base for base in bases if fits(found, base)]
    same = [base for base in fitting if found.base is not None and base.name.lower() == found.base.lower()]
    told = [base for base in fitting if found.context_width and base.context_width == found.context_width]
    return next(iter([*same, *told, *fitting]), None)


def explain_mismatch(name: str, found: AdapterIdentity, base: BaseInfo, bases: Iterable[BaseInfo]) -> str | None:
    """None where the file fits the base; else one sentence for the member, with the nearest base that it fits."""
    if fits(found, base):
        return None
    if found.made_for == TITLES[base.family] and found.context_width:
        made_for = f"{found.made_for} of another width ({found.context_width:,} channels)"
    else:
        made_for = found.made_for
    nearest = nearest_base(found, bases)
    way_out = f"choose the model {nearest.name}" if nearest else "no model here fits it, so leave it out"
    return f"{name} was made for {made_for} and the model {base.name} is {TITLES[base.family]}: {way_out}"
