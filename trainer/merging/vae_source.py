"""A VAE of choice, out of a whole model, a file of its own or a folder in diffusers format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import cast

import torch

from trainer.adapters.checkpoint_files import original_vae
from trainer.errors import BadAdapterFile, UserFault
from trainer.merging.lazy import LazyTensor, lazy_tensors
from trainer.merging.models import open_model, read_part
from trainer.merging.plans import ModelFile
from trainer.merging.tensor_file import TensorFile
from trainer.models.families import FAMILIES, Family
from trainer.models.header import UNET, VAE
from trainer.models.vaes import bare_name, is_weight

Tensors = dict[str, LazyTensor]


@contextmanager
def open_vae(file: ModelFile | None, family: Family | None) -> Iterator[Mapping[str, LazyTensor]]:
    """The VAE's tensors by their names in the original layout, without what whole models have in front; none for None.

    Raises :class:`UserFault` for what holds no VAE, and for the VAE of a model whose latents are others than those of
    ``family``.
    """
    with ExitStack() as held:
        yield _read(file, family, held) if file else {}


def _read(file: ModelFile, family: Family | None, held: ExitStack) -> Tensors:
    try:
        tensors = _read_alone(file, held)
    except (BadAdapterFile, OSError) as error:
        raise UserFault(f"{file.name} can't be read as a VAE: {str(error)[:200]}; take another one") from error
    if tensors is None:
        model = open_model(file, held)
        _check_scale(file, model.family, family)
        own = model.tensors.items()
        tensors = {key.removeprefix(model.vae_prefix): t for key, t in own if key.startswith(model.vae_prefix)}
    if not any(key.startswith("decoder.") for key in tensors):
        raise UserFault(f"{file.name} holds no VAE; take a VAE's file, or a whole model")
    return tensors


def _read_alone(file: ModelFile, held: ExitStack) -> Tensors | None:
    """Of a VAE that lies alone; None for a whole model."""
    if file.path.is_dir():
        if (file.path / "model_index.json").is_file():
            return None
        tensors = read_part(file.path, held, "vae")
    else:
        tensors = lazy_tensors(held.enter_context(TensorFile(file.path)))
        if any(key.startswith((UNET, "unet.")) for key in tensors):
            return None
    bare = {bare_name(key): tensor for key, tensor in tensors.items() if is_weight(key)}
    if not any(key.startswith("decoder.up_blocks.") for key in bare):
        return bare
    named = original_vae(cast("Mapping[str, torch.Tensor]", bare))
    return {key.removeprefix(VAE): LazyTensor.of(tensor) for key, tensor in named.items()}


def _check_scale(file: ModelFile, theirs: Family | None, ours: Family | None) -> None:
    scales = [FAMILIES[family].scaling_factor if family else None for family in (theirs, ours)]
    if scales[0] != scales[1]:
        raise UserFault(
            f"the VAE of {file.name} is for latents of another kind than this model's; take one of its family"
        )
