"""Merging: whole models into one, adapters into one, adapters into a model and out of two; resizing and exporting.

Each door takes a frozen plan, files, the path to write and ``on_progress(done, of)``, and returns
:class:`trainer.merging.plans.Merged`. Memory holds a few tensors at a time, whatever the models weigh. What a person
can mend is raised as :class:`trainer.errors.UserFault`. The formulas stand in ``docs/merging.md``.
"""

from trainer.merging.adapters import merge_adapters
from trainer.merging.baking import bake
from trainer.merging.checkpoints import merge_checkpoints
from trainer.merging.exporting import export_adapter
from trainer.merging.extracting import extract
from trainer.merging.plans import (
    AdapterFile,
    AdapterPlan,
    BakePlan,
    CheckpointPlan,
    ExportPlan,
    ExtractionPlan,
    Merged,
    ModelFile,
)

__all__ = [
    "AdapterFile",
    "AdapterPlan",
    "BakePlan",
    "CheckpointPlan",
    "ExportPlan",
    "ExtractionPlan",
    "Merged",
    "ModelFile",
    "bake",
    "export_adapter",
    "extract",
    "merge_adapters",
    "merge_checkpoints",
]
