"""What A1111's checkpoint merger makes of state dicts, in plain words: whole models in memory, key by key.

Written from its documentation and from reading ``modules/extras.py`` (1.6 to 1.10); none of it is copied.
"""

from __future__ import annotations

import torch

Tensors = dict[str, torch.Tensor]
SKIPPED = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def merge(method: str, a: Tensors, b: Tensors, c: Tensors | None, m: float) -> Tensors:
    """``weighted_sum`` or ``add_difference`` of whole state dicts."""
    second = dict(b)
    if method == "add_difference":
        assert c is not None
        for key in b:
            if "model" in key and key != SKIPPED:
                second[key] = b[key] - c[key] if key in c else torch.zeros_like(b[key])
    result = {}
    for key, mine in a.items():
        theirs = second.get(key)
        if theirs is None or "model" not in key or key == SKIPPED:
            result[key] = mine
        elif mine.shape == theirs.shape:
            result[key] = _join(method, mine, theirs, m)
        else:  # an inpainting model: its first four channels are those of the others
            assert mine.shape[1] in (8, 9)
            assert theirs.shape[1] == 4
            result[key] = torch.cat([_join(method, mine[:, :4], theirs, m), mine[:, 4:]], dim=1)
    only = {key: theirs for key, theirs in second.items() if key not in a and "model" in key and key != SKIPPED}
    return result | only


def _join(method: str, mine: torch.Tensor, theirs: torch.Tensor, m: float) -> torch.Tensor:
    if method == "weighted_sum":
        return (1 - m) * mine + m * theirs
    return mine + m * theirs
