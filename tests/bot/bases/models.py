"""The least that is a base model: the names by which it is known, and hardly a weight."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save

from bot.errors import UserError
from trainer.contract.inventory import Look, SeenBase
from trainer.models import inventory

_TEXT = "cond_stage_model.transformer.text_model."
SMALL_MODEL = save(
    {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, 4, 3, 3),
        "first_stage_model.post_quant_conv.weight": torch.zeros(4, 4, 1, 1),
        f"{_TEXT}embeddings.token_embedding.weight": torch.zeros(49_408, 2, dtype=torch.float16),
        f"{_TEXT}embeddings.position_embedding.weight": torch.zeros(77, 2),
        f"{_TEXT}encoder.layers.0.mlp.fc1.weight": torch.zeros(8, 2),
    }
)


def write_model(path: Path) -> Path:
    """A single file of the family sd1."""
    path.write_bytes(SMALL_MODEL)
    return path


async def look_here(place: Path) -> SeenBase:
    """As the child does, without its second of importing torch."""
    seen = inventory.look(Look(place=str(place)))
    if not seen.bases:
        raise UserError(seen.refused[0])
    return seen.bases[0]
