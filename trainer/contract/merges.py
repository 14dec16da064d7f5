"""What is merged, and how: the work of a job of the lane ``merge``. The mathematics are in :mod:`trainer.merging`."""

from __future__ import annotations

from typing import Literal

from trainer.contract.drawings import AdapterUse
from trainer.contract.message import Message

AdapterMethod = Literal["exact", "linear", "ties", "dare"]
ModelMethod = Literal["weighted_sum", "add_difference", "slerp"]
BlockWeights = str | tuple[float, ...]
EXTRACTED_RANK = 32
FileForm = Literal["kohya", "diffusers"]
Precision = Literal["float32", "float16", "bfloat16", "float8_e4m3fn"]


class Model(Message, frozen=True):
    """A whole model: a base by its name, or the checkpoint that a member made of that base."""

    name: str  # as people know it
    base: str
    blob: str | None = None  # path of the member's file


class MergeAdapters(Message, tag="merge_adapters", frozen=True):
    """Adapters into one; of each the weights of its :class:`AdapterUse`, as in a prompt."""

    adapters: tuple[AdapterUse, ...]
    method: AdapterMethod = "exact"
    rank: int | None = None  # None: as many as all together have, so that exact is exact
    density: float = 0.5  # the share of values that TIES and DARE keep
    seed: int = 0  # of DARE


class MergeModels(Message, tag="merge_models", frozen=True):
    """Whole models into one: A and B, and C of ``add_difference``."""

    models: tuple[Model, ...]
    method: ModelMethod = "weighted_sum"
    alpha: float = 0.5  # A1111's multiplier
    blocks: BlockWeights | None = None  # of the UNet, in place of alpha
    vae: Model | None = None  # whose VAE it gets; None: that of A


class BakeAdapters(Message, tag="bake_adapters", frozen=True):
    """A whole model with adapters put into its weights."""

    model: Model
    adapters: tuple[AdapterUse, ...]


class ExtractAdapter(Message, tag="extract_adapter", frozen=True):
    """The LoRA that makes ``tuned`` of ``original``, as near as one of its rank comes."""

    original: Model
    tuned: Model
    rank: int = EXTRACTED_RANK


class ExportFile(Message, tag="export_file", frozen=True):
    """An adapter's file for other programs, smaller where a rank or a precision is given."""

    adapter: AdapterUse
    form: FileForm = "kohya"
    rank: int | None = None  # None: its own
    precision: Precision = "float16"


Work = MergeAdapters | MergeModels | BakeAdapters | ExtractAdapter | ExportFile


def adapters_of(work: Work) -> tuple[AdapterUse, ...]:
    """The adapters that it takes."""
    match work:
        case MergeAdapters() | BakeAdapters():
            return work.adapters
        case ExportFile():
            return (work.adapter,)
        case _:
            return ()


def models_of(work: Work) -> tuple[Model, ...]:
    """The whole models that it takes."""
    match work:
        case MergeModels():
            return work.models if work.vae is None else (*work.models, work.vae)
        case BakeAdapters():
            return (work.model,)
        case ExtractAdapter():
            return (work.original, work.tuned)
        case _:
            return ()


def blobs_of(work: Work) -> tuple[str, ...]:
    """The paths of all files that it takes, each once."""
    models = [model.blob for model in models_of(work) if model.blob is not None]
    return tuple(dict.fromkeys([*(use.blob for use in adapters_of(work)), *models]))


_HOW: dict[AdapterMethod | ModelMethod, str] = {
    "exact": "exactly", "linear": "weight by weight", "ties": "by TIES", "dare": "by DARE",
    "weighted_sum": "as a weighted sum", "add_difference": "by what B differs from C in", "slerp": "by SLERP",
}  # fmt: skip


def describe(work: Work) -> str:
    """What is done, in words for a card; names are as people wrote them, for the caller to make harmless."""
    match work:
        case MergeAdapters():
            rank = f", to rank {work.rank}" if work.rank is not None else ""
            return f"{_listed(work.adapters)}, {_HOW[work.method]}{rank}"
        case MergeModels():
            how = "block by block" if work.blocks is not None else f"at {work.alpha:g}"
            vae = f", with the VAE of {work.vae.name}" if work.vae is not None else ""
            return f"{' and '.join(model.name for model in work.models)}, {_HOW[work.method]} {how}{vae}"
        case BakeAdapters():
            return f"{_listed(work.adapters)} put into {work.model.name}"
        case ExtractAdapter():
            return f"what {work.tuned.name} has over {work.original.name}, as a LoRA of rank {work.rank}"
        case ExportFile():
            rank = f", rank {work.rank}" if work.rank is not None else ""
            return f"{work.adapter.name} for {work.form}{rank}, {work.precision}"


def _listed(adapters: tuple[AdapterUse, ...]) -> str:
    return " and ".join(f"{use.name} at {use.weight:g}" for use in adapters)
