"""Going on from a finished adapter: what it learned, and the recipe that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import torch

from trainer.adapters.bank import MAGNITUDE, A
from trainer.adapters.embedding_files import check_embedding, read_embedding
from trainer.adapters.lora_files import read_lora
from trainer.contract.requests import Method
from trainer.errors import BadAdapterFile, UserFault
from trainer.models.loading import Base
from trainer.training.pivotal import VECTORS
from trainer.training.recipes import ResolvedRecipe


@dataclass(frozen=True)
class Source:
    """A finished adapter's tensors, as :meth:`trainer.training.learner.Learner.load` takes them."""

    weights: Mapping[str, torch.Tensor]

    def fit(self, recipe: ResolvedRecipe, text_encoder_learning_rate: float) -> ResolvedRecipe:
        """The recipe with the adapter's own layers, rank and number of vectors; the rest is as it was asked for."""
        changes: dict[str, object] = {}
        downs = {key: tensor for key, tensor in self.weights.items() if key.endswith(f".{A}")}
        vectors = [t for key, t in self.weights.items() if key.startswith(VECTORS) or ".lora_" not in key]
        if vectors:
            changes["vectors"] = len(vectors[0])
        if downs:
            ranks = {len(tensor) for tensor in downs.values()}
            if len(ranks) > 1:
                raise UserFault("this adapter has layers of several ranks, which can't go on learning: train a new one")
            of_unet = [key for key in downs if key.startswith("unet.")]
            changes |= {
                "rank": ranks.pop(),
                "target_modules": tuple(key.removeprefix("unet.").removesuffix(f".{A}") for key in of_unet),
                "dora": any(key.endswith(MAGNITUDE) for key in self.weights),
            }
            changes["lora_alpha"] = float(changes["rank"])  # type: ignore[arg-type]
            if len(of_unet) < len(downs) and not recipe.text_encoder_learning_rate:
                changes["text_encoder_learning_rate"] = text_encoder_learning_rate
        return msgspec.structs.replace(recipe, **changes)


def read_source(base: Base, data: bytes, method: Method, trigger: str) -> Source:
    """Read the adapter that goes on learning. Raises :class:`BadAdapterFile` for one that this method never made."""
    widths = {tower.name: tower.width for tower in base.towers}
    if method == "textual_inversion":
        return Source(dict(read_embedding(data, trigger, widths)[0].vectors))
    file = read_lora(data)
    vectors: dict[str, torch.Tensor] = {}
    for embedding in file.embeddings:
        checked = check_embedding(embedding.trigger, embedding.vectors, widths)
        vectors |= {f"{VECTORS}{tower}": tensor for tower, tensor in checked.vectors.items()}
    if bool(vectors) != (method == "pivotal"):
        raise BadAdapterFile(f"the adapter was not made by the method {method}: go on with the one that made it")
    return Source(file.weights | vectors)
