"""What of an adapter's metadata is public: what the file is and how to use it, and nothing of whoever made it.

sd-scripts writes folders, file names, every caption and the session's name beside it
(https://github.com/kohya-ss/sd-scripts, ``train_util.py``); ModelSpec is https://github.com/Stability-AI/ModelSpec. A
list of what is kept, for nobody knows what other programs will write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

LONGEST_NOTE = 4_000  # characters of one text; the configuration of peft, which is needed whole, may be longer
PEFT_CONFIG = "lora_adapter_metadata"
_MODELSPEC = (
    "sai_model_spec", "architecture", "implementation", "title", "author", "description", "usage_hint", "tags",
    "license", "trigger_phrase", "resolution", "prediction_type", "timestep_range", "encoder_layer", "merged_from",
)  # fmt: skip
_KOHYA = (
    "network_module", "network_dim", "network_alpha", "network_args", "network_dropout", "base_model_version", "v2",
    "sd_model_name", "sd_model_hash", "new_sd_model_hash", "output_name", "resolution", "num_train_images",
    "num_epochs", "steps", "learning_rate", "unet_lr", "text_encoder_lr", "clip_skip", "zero_terminal_snr",
    "min_snr_gamma", "noise_offset", "prediction_type",
)  # fmt: skip
_OWN = ("trigger", "class_word", "kind", "method", "base", "base_hash", "rank", "steps", "photos", "trainer")
PUBLIC = frozenset(
    {
        "format",
        "sshs_model_hash",
        "sshs_legacy_hash",
        *(f"modelspec.{name}" for name in _MODELSPEC),
        *(f"ss_{name}" for name in _KOHYA),
        *(f"darkroom.{name}" for name in _OWN),
    }
)
_NAMES = frozenset({"ss_sd_model_name", "ss_output_name", "darkroom.base", "modelspec.title"})  # which may be paths
# of peft's configuration: what the scale depends on, and what the layers are
_PEFT = frozenset({"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "target_modules",
                   "peft_type"})  # fmt: skip
_PATH = re.compile(r"(?<![A-Za-z])[A-Za-z]:[\\/]|\\\\\w|(?<![\w:/.])~?/(?:[\w.@ -]+/)+|file://")


def public_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata that may leave the machine where they were written: no paths, captions, dates, folders or sessions.

    What is a name but may be written as a path is kept as its last part; a text that holds a path is left out.
    """
    kept: dict[str, str] = {}
    for name, text in metadata.items():
        if name == PEFT_CONFIG:
            kept |= _peft_config(text)
        elif name in PUBLIC:
            plain = last_part(text) if name in _NAMES else text
            if plain and len(plain) <= LONGEST_NOTE and not holds_path(plain):
                kept[name] = plain
    return kept


def holds_path(text: str) -> bool:
    """Whether a file or a folder of somebody's machine is named in there; an address on the web is none."""
    return _PATH.search(text) is not None


def last_part(path: str) -> str:
    """A file's name without its folders, whichever system wrote them."""
    return re.split(r"[\\/]", path)[-1].strip()


def _peft_config(text: str) -> dict[str, str]:
    """What diffusers ≥ 0.34 writes of peft's configuration, without the address of the base; unreadable: as it is not.

    Its keys have the part of the pipeline in front: ``unet.lora_alpha``.
    """
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(config, dict):
        return {}
    kept = {key: value for key, value in config.items() if key.rpartition(".")[2] in _PEFT}
    return {PEFT_CONFIG: json.dumps(kept, sort_keys=True)} if kept else {}
