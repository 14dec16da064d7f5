"""Whose adapters and models a merge takes, and whether they may and can be put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from bot import vaes
from bot.adapters import require_visible
from bot.errors import UserError, quoted
from bot.orders import Origin
from bot.store import bases
from bot.store.records import Adapter, Parent
from bot.versions import find, split_version
from trainer.contract.drawings import AdapterUse
from trainer.contract.events import BaseInfo
from trainer.contract.merges import Model
from trainer.contract.prompt import Network

MOST_PARENTS = 16


@dataclass(frozen=True)
class Found:
    """A name as it was written, and the member's adapter or checkpoint that it means; None: a base."""

    written: str
    adapter: Adapter | None
    base: str

    @property
    def model(self) -> Model:
        """As a whole model, which it has to be."""
        return Model(name=self.written, base=self.base, blob=None if self.adapter is None else self.adapter.blob)


def look_again(tx: Connection, found: Found, origin: Origin) -> Found:
    """The same as it is now, if the member may still use it, and it may be merged. Raises UserError."""
    if found.adapter is None:
        return found
    _, version = split_version(found.written)
    newest = require_visible(tx, found.adapter.id, origin.member_id, origin.guild_id)
    adapter = find(tx, newest, version)
    if adapter.hidden_at is not None:
        raise UserError(
            f"{quoted(found.written)} was reported, and nothing is made of it until moderators have decided: leave it"
            " out."
        )
    _check_licence(found.written, adapter, origin.member_id)
    return Found(found.written, adapter, adapter.base)


def _check_licence(written: str, adapter: Adapter, member_id: int) -> None:
    """Who trained an adapter may merge it whatever they allow others; of others' files their makers' word counts."""
    if adapter.derivatives or (adapter.owner_id == member_id and adapter.origin == "trained"):
        return
    if adapter.owner_id != member_id:
        raise UserError(
            f"{quoted(written)} may not be merged, for {adapter.owner_name} does not allow it: ask them, or leave it"
            " out."
        )
    raise UserError(f"{quoted(written)} may not be merged, by the licence that it came with: leave it out.")


def use_of(adapter: Adapter, network: Network) -> AdapterUse:
    """An adapter with the weights of its tag."""
    return AdapterUse(
        name=network.name, blob=adapter.blob, weight=network.weight, kind=adapter.kind, trigger=adapter.trigger,
        te_weight=network.te_weight,
    )  # fmt: skip


def parent_of(adapter: Adapter, weight: float | None = None) -> Parent:
    """As it stands in the lineage."""
    name = f"{adapter.owner_name}/{adapter.name}@{adapter.version}"
    return Parent(adapter_id=adapter.id, owner_id=adapter.owner_id, name=name, weight=weight)


def one_family(tx: Connection, found: Sequence[Found]) -> str:
    """The base of the first, which what is made belongs to. Raises UserError for parents that do not fit together.

    Adapters of one model do; so do those of models that are alike: of one family, and as wide where that is known.
    """
    known = {info.name: info for info in bases.known(tx)}
    first = found[0]
    for each in found:
        if not each.base:
            raise UserError(f"No model here fits {quoted(each.written)}, so nothing can be made of it: leave it out.")
    for other in found[1:]:
        if not _alike(first.base, other.base, known):
            raise UserError(
                f"{quoted(first.written)} is for the model `{first.base}` and {quoted(other.written)} for"
                f" `{other.base}`: they can't be put together, so leave one of them out."
            )
    return first.base


def _alike(one: str, other: str, known: dict[str, BaseInfo]) -> bool:
    if one == other:
        return True
    a, b = known.get(one), known.get(other)
    if a is None or b is None or a.embedded or b.embedded:
        return False
    return a.family == b.family and a.context_width is not None and a.context_width == b.context_width


def find_vae(tx: Connection, written: str, base: str) -> Model:
    """A VAE that the operator offers, or a base's own. Raises UserError that names those that there are."""
    known = {info.name: info for info in bases.known(tx)}
    info = known.get(base)
    if info is not None and (name := vaes.find(written, info)) is not None:
        return Model(name=name, base="")
    if written.strip() in known:
        return Model(name=written.strip(), base=written.strip())
    there = [*(info.vaes if info is not None else ()), *known]
    raise UserError(
        f"There is no VAE {quoted(written)}: choose one of {', '.join(f'`{name}`' for name in there[:10])}."
    )
