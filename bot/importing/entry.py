"""From what was found in a file, and on its page, to the adapter's record. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

from bot.errors import UserError, quoted
from bot.importing.found import Found, Licence, Page
from bot.importing.notes import clean, clean_words
from bot.orders import Order, Origin
from bot.store.records import Adapter, Likeness
from trainer.contract.adapter_fit import fits, nearest_base
from trainer.contract.events import PROPOSED_WEIGHTS, BaseInfo

LONGEST_DESCRIPTION = 1_000
_WORD = re.compile(r"[\w-]{1,60}")
_AROUND = 0.2  # how far from the best weight others do well, where nobody says


class Wanted(Order, frozen=True):
    """What the member says of the adapter, which goes before the page and the file."""

    name: str
    likeness: Likeness = "none"  # whether it shows a real person
    trigger: str | None = None
    licence: Licence | None = None


def fitting_bases(found: Found, known: Sequence[BaseInfo]) -> tuple[BaseInfo, ...]:
    """The bases that the file fits: the one that it was trained on first, by its hash or its name."""
    fitting = [base for base in known if fits(found.identity, base)]
    by_hash = [base for base in fitting if found.base_hash and base.hash and found.base_hash.startswith(base.hash)]
    nearest = nearest_base(found.identity, fitting)
    ordered = [*by_hash, *([nearest] if nearest is not None else []), *fitting]
    return tuple({base.name: base for base in ordered}.values())


def adapter_of(
    found: Found, page: Page | None, wanted: Wanted, origin: Origin, *, base: BaseInfo | None, blob: str, now: float
) -> Adapter:
    """The adapter as it is entered. ``base``: the best of those that it fits. Raises UserError: no word for a trigger.

    What the member says goes before the page, and that before the file's own header.
    """
    identity = found.identity
    given = [wanted.trigger] if wanted.trigger and wanted.trigger.strip() else []
    words = clean_words([*given, *((page.trigger_words if page is not None else ()) or found.trigger_words)])
    low, best, high = _weights(found, page)
    terms = wanted.licence or (page.licence if page is not None else None) or Licence()
    kind: Literal["lora", "textual_inversion"] = "lora" if identity.kind == "lora" else "textual_inversion"
    return Adapter(
        id=uuid4().hex,
        job_id=origin.job_id,
        owner_id=origin.member_id,
        owner_name=origin.member_name,
        guild_id=origin.guild_id,
        name=wanted.name,
        kind=kind,
        subject_kind="subject",
        trigger=_trigger(found, words, wanted),
        class_word="",
        base=base.name if base is not None else "",
        base_hash=base.hash if base is not None else "",
        blob=blob,
        size_bytes=found.size_bytes,
        rank=found.ranks[1],
        steps=0,
        photos=0,
        seconds=0.0,
        final_loss=0.0,
        trainer_version="",
        created_at=now,
        method="pivotal" if identity.bundled else kind,
        weight_low=low,
        weight_best=best,
        weight_high=high,
        origin="imported",
        source=page.address if page is not None else None,
        trigger_words=words,
        identity=identity,
        description=clean(page.description, LONGEST_DESCRIPTION) if page is not None else "",
        credit=terms.credit,
        commercial=terms.commercial,
        derivatives=terms.derivatives,
        age_restricted=page is not None and page.age_restricted,
        likeness=wanted.likeness,
    )


def _trigger(found: Found, words: Sequence[str], wanted: Wanted) -> str:
    """The word that stands for vectors: without it a textual inversion does nothing. Of a LoRA it is only offered."""
    if found.identity.bundled:
        return found.identity.bundled[0]
    if found.identity.kind == "lora":
        return words[0] if words else ""
    if wanted.trigger is not None and not _WORD.fullmatch(wanted.trigger.strip()):
        raise UserError(
            f"{quoted(wanted.trigger)} can't be the trigger of a textual inversion: take one word of letters, digits,"
            " `-` and `_`."
        )
    return next((word.lower() for word in words if _WORD.fullmatch(word)), wanted.name)


def _weights(found: Found, page: Page | None) -> tuple[float, float, float]:
    if page is not None and page.weights is not None:
        return page.weights
    if found.weight is None:
        return PROPOSED_WEIGHTS
    return max(0.0, round(found.weight - _AROUND, 2)), found.weight, round(found.weight + _AROUND, 2)
