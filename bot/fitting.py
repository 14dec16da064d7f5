"""Which base an adapter draws with: what was made here with its own, what was brought in with all that it fits."""

from __future__ import annotations

from collections.abc import Sequence

from bot.errors import UserError, quoted
from bot.store.records import Adapter, AdapterPick
from trainer.contract import looks
from trainer.contract.adapter_fit import explain_mismatch, fits, nearest_base
from trainer.contract.events import BaseInfo

_Found = Sequence[tuple[AdapterPick, Adapter]]


def base_for(adapters: Sequence[Adapter], known: Sequence[BaseInfo]) -> str | None:
    """The base to draw with where none was asked for; None: the default.

    That of the first adapter that was made here, else the best for the first one. ``known``: the bases that workers
    offer, the default first.
    """
    adapter = next((each for each in adapters if each.identity is None), next(iter(adapters), None))
    if adapter is None:
        return None
    if adapter.identity is None or any(base.name == adapter.base for base in known):
        return adapter.base
    nearest = nearest_base(adapter.identity, known)
    return nearest.name if nearest is not None else None


def suits(adapter: Adapter, base: str, known: Sequence[BaseInfo]) -> bool:
    """Whether the adapter acts on that base. What was brought in was made for a whole family."""
    info = next((each for each in known if each.name == base), None)
    if adapter.identity is None or info is None:
        return adapter.base == base
    return fits(adapter.identity, info)


def check(tagged: _Found, base: str, known: Sequence[BaseInfo]) -> None:
    """All adapters that were named draw with ``base``. Raises UserError: one does not, and which base it fits."""
    for pick, adapter in tagged:
        info = next((each for each in known if each.name == base), None)
        if adapter.identity is not None and info is not None:
            mismatch = explain_mismatch(quoted(pick.written), adapter.identity, info, known)
            if mismatch is not None:
                raise UserError(looks.sentence(mismatch))
    _check_made_here([(pick, adapter) for pick, adapter in tagged if adapter.identity is None], base)


def _check_made_here(tagged: _Found, base: str) -> None:
    """Trained on one model, and that draws."""
    for pick, adapter in tagged:
        first, first_adapter = tagged[0]
        if adapter.base != first_adapter.base:
            raise UserError(
                f"{quoted(first.written)} was trained on the model `{first_adapter.base}` and {quoted(pick.written)} on"
                f" `{adapter.base}`: they can't draw together, so leave one out."
            )
    if tagged and tagged[0][1].base != base:
        pick, adapter = tagged[0]
        raise UserError(
            f"{quoted(pick.written)} was trained on the model `{adapter.base}` and can't draw with `{base}`: choose the"
            f" model `{adapter.base}`, or leave the model out."
        )
