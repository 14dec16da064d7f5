"""Kohya's names of modules: flat, with underscores for dots, and SDXL's UNet by its original names.

What kohya-ss/sd-scripts writes (``networks/lora.py``) and A1111, Forge, ComfyUI and diffusers read: ``lora_unet_``
with diffusers' module names for SD1 and SD2, with the original ones for SDXL; ``lora_te_`` for the text encoder,
``lora_te1_`` and ``lora_te2_`` where there are two, with the ``text_model.`` that transformers has dropped since 5.6.
"""

from __future__ import annotations

import re

from trainer.contract.ldm_names import UNetShape, unet_to_ldm

PARTS = ("unet", "text_encoder", "text_encoder_2")
# words that have an underscore of their own, and so can't be told from two words but by knowing them
_WORDS = (
    r"input_blocks|middle_block|output_blocks|in_layers|out_layers|emb_layers|skip_connection|time_embed|label_emb|"
    r"down_blocks|mid_block|up_blocks|transformer_blocks|time_embedding|add_embedding|linear_[12]|time_emb_proj|"
    r"conv_shortcut|conv_in|conv_out|proj_in|proj_out|to_q|to_k|to_v|to_out|"
    r"text_model|text_projection|self_attn|[qkv]_proj|out_proj|token_embedding|position_embedding|c_fc|c_proj|ln_[12]"
)
_WORD = re.compile(rf"(?:{_WORDS}|[a-z0-9]+)(?=_|$)")
_UNET_MODULE = re.compile(
    r"(?:down_blocks\.\d+|up_blocks\.\d+|mid_block)\.(?:resnets|attentions|downsamplers|upsamplers)\.\d+\..+"
    r"|conv_in|conv_out|(?:time|add)_embedding\.linear_[12]"
)
_TEXT_MODULE = re.compile(r"encoder\.layers\.\d+\..+|text_projection|embeddings\..+")


def known_module(part: str, module: str) -> bool:
    """Whether a UNet or a CLIP text model can have a module of this name, ``part`` being unet or text_encoder…"""
    return bool((_UNET_MODULE if part == "unet" else _TEXT_MODULE).fullmatch(module))


def to_kohya(part: str, module: str, *, sdxl: bool) -> str:
    """The name in a kohya file. ``ValueError`` for a UNet's module that SDXL's original has not."""
    if part == "unet":
        name = unet_to_ldm(module, UNetShape()) if sdxl else module
        if name is None:
            raise ValueError(f"SDXL has no module {module!r}")
        return f"lora_unet_{name.replace('.', '_')}"
    prefix = {"text_encoder": "lora_te1_" if sdxl else "lora_te_", "text_encoder_2": "lora_te2_"}[part]
    return prefix + with_text_model(module).replace(".", "_")


def unflatten(name: str) -> str | None:
    """A module's name with its dots back; None for one with letters that no such name has."""
    words = _WORD.findall(name)
    return ".".join(words) if "_".join(words) == name else None


def with_text_model(module: str) -> str:
    """A text encoder's module as everybody but transformers ≥ 5.6 names it."""
    return module if module == "text_projection" else f"text_model.{flat(module)}"


def flat(module: str) -> str:
    """A text encoder's module as transformers ≥ 5.6 names it."""
    return module.removeprefix("text_model.")
