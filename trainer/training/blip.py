"""The captioner: BLIP (Li et al. 2022), from a folder of the operator's."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import BertTokenizer, BlipForConditionalGeneration, BlipImageProcessorPil

from trainer.errors import MissingBases, MissingCaptioner
from trainer.models.header import read_shapes
from trainer.training.dataset import on_white

_NEEDED = ("config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors")
_PARTS = ("vision_model.", "text_decoder.")
_LONGEST = 40  # tokens
_BEAMS = 3  # as BLIP's authors caption with
_NO_WORD = re.compile(r"\baraff?e?e?[ds]?\b ?")  # which BLIP's large model says of much that it sees


def check_captioner(folder: Path) -> None:
    """Raise :class:`MissingCaptioner`, which says what is not there, is something else, or can't be read."""
    for name in _NEEDED:
        if not (folder / name).is_file():
            pickled = name == "model.safetensors" and (folder / "pytorch_model.bin").is_file()
            more = ", only a pickle, which is never opened" if pickled else ""
            raise _missing(folder, f"{folder / name} is not there{more}")
    try:
        config = json.loads((folder / "config.json").read_text())
        what = config["architectures"] if config["model_type"] == "blip" else [config["model_type"]]
        if what != ["BlipForConditionalGeneration"]:
            raise _missing(folder, f"it holds a model of another kind ({', '.join(what)[:100]})")
        shapes = read_shapes(folder / "model.safetensors")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _missing(folder, f"{folder / 'config.json'} is not that of a model") from error
    except MissingBases as error:
        raise _missing(folder, "model.safetensors is no whole .safetensors file") from error
    if not all(any(name.startswith(part) for name in shapes) for part in _PARTS):
        raise _missing(folder, "model.safetensors holds the weights of another model")
    _load(folder)


def _missing(folder: Path, what: str) -> MissingCaptioner:
    return MissingCaptioner(
        f"DARKROOM_CAPTIONER is {folder}, but {what}; put the files of a BLIP captioning model there, with weights as"
        " safetensors (docs/settings.md says which), or unset DARKROOM_CAPTIONER"
    )


def _load(folder: Path) -> tuple[Any, Any, Any]:
    """The model on the CPU, its tokenizer and its image processor. Raises :class:`MissingCaptioner`."""
    only_here: dict[str, Any] = {"local_files_only": True}
    try:
        model, info = BlipForConditionalGeneration.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **only_here
        )
        if info["missing_keys"]:  # which transformers fills with random numbers
            raise ValueError(f"there are no weights {sorted(info['missing_keys'])[0]!r}")
        tokenizer = BertTokenizer.from_pretrained(folder, **only_here)
        # the one for Pillow: transformers' first choice needs torchvision
        eyes = BlipImageProcessorPil.from_pretrained(folder, **only_here)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        said = " ".join(str(error).split())[:200]
        raise _missing(folder, f"what is there can't be read ({said})") from error
    return model.requires_grad_(False).eval(), tokenizer, eyes


class BlipCaptioner:
    """BLIP's captioning models. In memory only while it describes, in float32."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder, self._device = folder, device

    def describe(self, images: Sequence[Image.Image]) -> Generator[None, None, list[str]]:
        """As :class:`trainer.training.captioner.Captioner` says. Raises :class:`MissingCaptioner`."""
        model, tokenizer, eyes = _load(self._folder)
        texts = []
        try:
            model.to(self._device)
            yield
            for image in images:
                pixels = eyes(on_white(image), return_tensors="pt").pixel_values  # (1, 3, H, W)
                with torch.no_grad():
                    ids = model.generate(
                        pixels.to(self._device), max_new_tokens=_LONGEST, num_beams=_BEAMS, do_sample=False
                    )
                texts.append(_NO_WORD.sub("", tokenizer.decode(ids[0], skip_special_tokens=True)))
                yield
        finally:
            del model
            torch.cuda.empty_cache()
        return texts
