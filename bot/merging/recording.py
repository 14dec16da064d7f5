"""Entering what a merge made, within a transaction of the caller."""

from __future__ import annotations

from sqlite3 import Connection

from bot.merging.inheriting import inherit
from bot.store import adapters, garbage, lineage
from bot.store.lineage import Relation
from bot.store.records import Adapter, Job
from trainer.contract.events import AdapterResult, Outcome
from trainer.contract.merges import ExtractAdapter
from trainer.contract.names import outcome_path


def record_merge(tx: Connection, job: Job, outcome: Outcome, made: AdapterResult, name: str, now: float) -> None:
    """Enter it with the strictest rules of its parents, and with its lineage.

    If one of them was deleted or taken down while it was made, there is nobody to take rules over from: it goes, too.
    """
    spec = job.merge
    parents = [adapters.get(tx, parent.adapter_id) for parent in spec.parents]
    found = [parent for parent in parents if parent is not None]
    if len(found) < len(parents):
        garbage.add(tx, [made.file.blob, outcome_path(job.id)], now)
        return
    rules = inherit(found, job.owner_id)
    low, best, high = made.weights
    adapter = Adapter(
        id=spec.adapter_id, job_id=job.id, owner_id=job.owner_id, owner_name=job.owner_name, guild_id=job.guild_id,
        name=name, kind=made.kind, subject_kind=spec.subject_kind, trigger=spec.trigger, class_word=spec.class_word,
        base=made.base, base_hash=made.base_hash, blob=made.file.blob, size_bytes=made.file.size_bytes, rank=made.rank,
        steps=0, photos=0, seconds=made.seconds, final_loss=0.0, trainer_version=made.trainer_version, created_at=now,
        method=spec.method, weight_low=low, weight_best=best, weight_high=high, fidelity=made.fidelity,
        report=outcome.report, origin="merged", trigger_words=spec.trigger_words, credit=rules.credit,
        commercial=rules.commercial, derivatives=rules.derivatives, age_restricted=rules.age_restricted,
        likeness=rules.likeness,
    )  # fmt: skip
    adapters.insert(tx, adapter)
    relation: Relation = "extracted" if isinstance(spec.work, ExtractAdapter) else "merged"
    lineage.add(tx, adapter.id, spec.parents, relation)
