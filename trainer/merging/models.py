"""Whole models, tensor by tensor, under the names of the original layout whatever they lie in.

emoji-64, whose VAE has no place there, keeps diffusers' names with the part in front, as its checkpoints have them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from trainer.adapters.checkpoint_files import original_layout
from trainer.errors import BadAdapterFile, MissingBases, UserFault
from trainer.merging.lazy import LazyTensor, lazy_tensors
from trainer.merging.plans import ModelFile
from trainer.merging.tensor_file import TensorFile
from trainer.models.families import FAMILIES, Family
from trainer.models.folders import check_folder, weight_files
from trainer.models.header import UNET, VAE

# what A1111 reads as the same (sd_models.py): some merged models leave `text_model.` out
_CLIP = "cond_stage_model.transformer."
_CLIP_PARTS = ("embeddings.", "encoder.", "final_layer_norm.")
# diffusers before 0.15 named the VAE's attention so, and published folders still do
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_PARTS = ("unet.", "vae.", "text_encoder.", "text_encoder_2.")


@dataclass(frozen=True)
class Model:
    """A whole model that is open. ``family`` is None for one whose tensors are named by their parts."""

    name: str
    family: Family | None
    tensors: Mapping[str, LazyTensor]
    predicts_v: bool | None = None  # None: nobody says

    def read(self, name: str) -> torch.Tensor:
        """One tensor, as it is stored."""
        return self.tensors[name].read()

    @property
    def vae_prefix(self) -> str:
        """What the names of its VAE's tensors begin with."""
        return VAE if self.family else "vae."


@contextmanager
def open_models(files: Iterable[ModelFile]) -> Iterator[list[Model]]:
    """The models of ``files``, all of one family; they are closed behind it.

    Raises :class:`UserFault` for what is no whole model, and for models of different families.
    """
    with ExitStack() as held:
        models = [_with_prediction(open_model(file, held), file) for file in files]
        for other in models[1:]:
            if other.family != models[0].family:
                raise UserFault(
                    f"{other.name} is {_title(other.family)} and {models[0].name} is {_title(models[0].family)}: only"
                    " models of one family can be put together"
                )
            if other.predicts_v is not None and models[0].predicts_v == (not other.predicts_v):
                first, second = (models[0], other) if other.predicts_v else (other, models[0])
                raise UserFault(
                    f"{second.name} predicts v and {first.name} noise: what lies between them draws nothing; take two"
                    " models of one kind"
                )
        yield models


def _with_prediction(model: Model, file: ModelFile) -> Model:
    """What whoever asks knows of it; of SDXL a key in the file says so, too."""
    if file.prediction_type is None and model.family != "sdxl":
        return model
    return replace(model, predicts_v="v_pred" in model.tensors or file.prediction_type == "v_prediction")


def _title(family: Family | None) -> str:
    return FAMILIES[family].title if family else "a model in a layout of its own"


def open_model(file: ModelFile, held: ExitStack) -> Model:
    """One model, which ``held`` closes. Raises :class:`UserFault`."""
    try:
        if file.path.is_dir():
            return _open_folder(file, held)
        return name_model(file.name, lazy_tensors(held.enter_context(TensorFile(file.path))))
    except (BadAdapterFile, MissingBases, OSError) as error:
        raise UserFault(f"{file.name} can't be read as a whole model: {str(error)[:200]}; take another one") from error


def name_model(name: str, tensors: Mapping[str, LazyTensor]) -> Model:
    """A file's tensors as a model. Raises :class:`UserFault` for what is none."""
    if any(key.startswith("unet.") for key in tensors):
        return Model(name, None, {key: tensor for key, tensor in tensors.items() if key.startswith(_PARTS)})
    named = {_with_text_model(key): tensor for key, tensor in tensors.items()}
    has_unet = any(key.startswith(UNET) for key in named)
    for family, layout in FAMILIES.items():
        towers = [any(key.startswith(tower.prefix) for key in named) for tower in layout.towers]
        if has_unet and all(towers):
            return Model(name, family, named)
    raise UserFault(f"{name} is no whole Stable Diffusion 1.x, 2.x or XL model; take a checkpoint or a base")


def _with_text_model(key: str) -> str:
    rest = key.removeprefix(_CLIP)
    return f"{_CLIP}text_model.{rest}" if rest != key and rest.startswith(_CLIP_PARTS) else key


def _open_folder(file: ModelFile, held: ExitStack) -> Model:
    """A diffusers folder by the names of the original layout."""
    family = check_folder(file.path)
    names = ("unet", "vae", *(tower.name for tower in FAMILIES[family].towers))
    parts = {part: read_part(file.path / part, held) for part in names}
    if _has_tiny_vae(file.path):
        named = {f"{part}.{key}": tensor for part, state in parts.items() for key, tensor in state.items()}
        return Model(file.name, None, named)
    laid_out = original_layout(cast("Mapping[str, Mapping[str, torch.Tensor]]", parts), family)
    tensors = {key: LazyTensor.of(tensor) for key, tensor in laid_out.items()}
    if family == "sdxl" and _predicts_v(file.path):
        tensors["v_pred"] = LazyTensor.of(torch.zeros(0))
    return Model(file.name, family, tensors)


def read_part(folder: Path, held: ExitStack, part: str = "") -> dict[str, LazyTensor]:
    """The tensors of a part of a diffusers folder, or of one that lies alone, by the names of today."""
    tensors: dict[str, LazyTensor] = {}
    for path in weight_files(folder):
        tensors |= lazy_tensors(held.enter_context(TensorFile(path)))
    part = part or folder.name
    if part == "vae":
        return {_with_new_attention(key): tensor for key, tensor in tensors.items()}
    if part.startswith("text_encoder"):
        flat = {key.removeprefix("text_model."): tensor for key, tensor in tensors.items()}
        return {key: tensor for key, tensor in flat.items() if key != "embeddings.position_ids"}
    return tensors


def _with_new_attention(key: str) -> str:
    module, _, parameter = key.rpartition(".")
    rest, _, last = module.rpartition(".")
    return f"{rest}.{_OLD_ATTENTION[last]}.{parameter}" if last in _OLD_ATTENTION else key


def _has_tiny_vae(folder: Path) -> bool:
    return "AutoencoderTiny" in (folder / "model_index.json").read_text(encoding="utf-8")


def _predicts_v(folder: Path) -> bool:
    config = folder / "scheduler" / "scheduler_config.json"
    return config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("prediction_type") == "v_prediction"
