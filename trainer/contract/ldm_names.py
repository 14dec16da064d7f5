"""The names that the original code gave to the same modules, and back.

Diffusers renamed the modules of Stable Diffusion when it took them over. Whole checkpoints, and LoRAs of SDXL as kohya
writes them, carry the original names: of the UNet in ``ldm/modules/diffusionmodules/openaimodel.py`` and the VAE in
``model.py`` beside it (https://github.com/CompVis/latent-diffusion; SDXL's are the same in ``sgm``), and of the text
encoders of SD2 and SDXL in OpenCLIP (https://github.com/mlfoundations/open_clip, ``transformer.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_UNET_TOP = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_TOP = {"conv_norm_out": "norm_out", "conv_in": "conv_in", "conv_out": "conv_out"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_CLIP_LAYER_BACK = {old: new for new, old in _CLIP_LAYER.items()}
_UNET_TOP_BACK = {new: old for old, new in _UNET_TOP.items()}
_UNET_RESNET_BACK = {new: old for old, new in _UNET_RESNET.items()}

_UNET_BLOCK = re.compile(
    r"(?:(down|up)_blocks\.(\d+)|(mid)_block)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)"
)
_UNET_LDM_BLOCK = re.compile(r"(?:(input|output)_blocks\.(\d+)|(middle)_block)\.(\d+)(?:\.(.+))?")
_VAE_BLOCK = re.compile(r"(encoder|decoder)\.(?:(?:down|up)_blocks\.(\d+)|mid_block)\.(\w+)\.(\d+)\.(.+)")
_OPEN_CLIP_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_CLIP_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.(.+)")


@dataclass(frozen=True)
class UNetShape:
    """What of a UNet's plan its original names depend on."""

    layers_per_block: int = 2
    attention_up_blocks: frozenset[int] = frozenset({0, 1})  # SDXL's; of SD1 and SD2 {1, 2, 3}

    @classmethod
    def of(cls, names: Iterable[str]) -> UNetShape:
        """The shape of a UNet whose parameters or modules have these names."""
        resnets, attentions = set(), set()
        for name in names:
            if found := _UNET_BLOCK.fullmatch(name):
                way, block, _, kind, place, _ = found.groups()
                if (way, block, kind) == ("down", "0", "resnets"):
                    resnets.add(place)
                if way == "up" and kind == "attentions":
                    attentions.add(int(block))
        return cls(len(resnets) or 2, frozenset(attentions))


def unet_to_ldm(module: str, shape: UNetShape) -> str | None:
    """The original name of a UNet's module; None for one that the original never had."""
    if module in _UNET_TOP:
        return _UNET_TOP[module]
    found = _UNET_BLOCK.fullmatch(module)
    if not found:
        return None
    way, block, _, kind, place, rest = found.groups()
    if kind == "resnets":
        rest = _UNET_RESNET.get(rest, "")
    if not rest or (kind in ("downsamplers", "upsamplers") and rest != "conv"):
        return None
    each = shape.layers_per_block + 1
    if way is None:
        return f"middle_block.{2 * int(place) if kind == 'resnets' else 1}.{rest}"
    index = int(block) * each + int(place)
    if way == "down":
        if kind == "downsamplers":
            return f"input_blocks.{(int(block) + 1) * each}.0.op"
        return f"input_blocks.{index + 1}.{int(kind == 'attentions')}.{rest}"
    if kind == "upsamplers":
        behind = 2 if int(block) in shape.attention_up_blocks else 1
        return f"output_blocks.{int(block) * each + shape.layers_per_block}.{behind}.conv"
    return f"output_blocks.{index}.{int(kind == 'attentions')}.{rest}"


def unet_from_ldm(module: str, layers_per_block: int = 2) -> str | None:
    """The diffusers name of a module with an original name; None for one that is no UNet's."""
    if module in _UNET_TOP_BACK:
        return _UNET_TOP_BACK[module]
    found = _UNET_LDM_BLOCK.fullmatch(module)
    if not found:
        return None
    way, index, _, inner, rest = found.groups()
    each = layers_per_block + 1
    if way is None:
        if inner in ("0", "2"):
            return _resnet(f"mid_block.resnets.{int(inner) // 2}", rest)
        return f"mid_block.attentions.0.{rest}" if rest else None
    if rest in ("op", "conv"):
        block = int(index) // each - (way == "input")
        return f"down_blocks.{block}.downsamplers.0.conv" if way == "input" else f"up_blocks.{block}.upsamplers.0.conv"
    block, place = divmod(int(index) - (way == "input"), each)
    prefix = f"{'down' if way == 'input' else 'up'}_blocks.{block}"
    if block < 0 or not rest:
        return None
    return _resnet(f"{prefix}.resnets.{place}", rest) if inner == "0" else f"{prefix}.attentions.{place}.{rest}"


def _resnet(prefix: str, rest: str | None) -> str | None:
    inside = _UNET_RESNET_BACK.get(rest or "")
    return f"{prefix}.{inside}" if inside else None


def vae_to_ldm(module: str, levels: int) -> str | None:
    """The original name of an AutoencoderKL's module; ``levels``: how many blocks its decoder has."""
    if module in ("quant_conv", "post_quant_conv"):
        return module
    side, _, rest = module.partition(".")
    if side in ("encoder", "decoder") and rest in _VAE_TOP:
        return f"{side}.{_VAE_TOP[rest]}"
    found = _VAE_BLOCK.fullmatch(module)
    if not found:
        return None
    side, block, kind, place, rest = found.groups()
    rest = rest.replace("conv_shortcut", "nin_shortcut")
    if block is None:
        if kind == "attentions":
            return f"{side}.mid.attn_1.{_VAE_ATTENTION[rest]}" if rest in _VAE_ATTENTION else None
        return f"{side}.mid.block_{int(place) + 1}.{rest}"
    level = int(block) if side == "encoder" else levels - 1 - int(block)
    way = "down" if side == "encoder" else "up"
    return {
        "resnets": f"{side}.{way}.{level}.block.{place}.{rest}",
        "downsamplers": f"{side}.{way}.{level}.downsample.{rest}",
        "upsamplers": f"{side}.{way}.{level}.upsample.{rest}",
    }.get(kind)


def clip_to_open_clip(module: str) -> str | None:
    """The OpenCLIP name of a CLIP text model's module (flat, without ``text_model.``).

    None for q, k and v, which OpenCLIP holds in one matrix, and for anything that it has not.
    """
    if module == "final_layer_norm":
        return "ln_final"
    if module == "embeddings.token_embedding":
        return "token_embedding"
    found = _CLIP_BLOCK.fullmatch(module)
    if not found or found[2] not in _CLIP_LAYER:
        return None
    return f"transformer.resblocks.{found[1]}.{_CLIP_LAYER[found[2]]}"


def clip_from_open_clip(module: str) -> str | None:
    """The flat name of an OpenCLIP layer; None for what CLIP's text model has in other pieces, or not at all."""
    found = _OPEN_CLIP_BLOCK.fullmatch(module)
    inside = _CLIP_LAYER_BACK.get(found[2]) if found else None
    return f"encoder.layers.{found[1]}.{inside}" if found and inside else None
