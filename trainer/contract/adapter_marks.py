"""By what names and widths an adapter's file is known: whose layout it has, and which model it is for."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

Family = Literal["sd1", "sd2", "sdxl"]
SD: frozenset[Family] = frozenset({"sd1", "sd2"})
ALL: frozenset[Family] = frozenset({"sd1", "sd2", "sdxl"})
TITLES: dict[Family, str] = {
    "sd1": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x", "sdxl": "Stable Diffusion XL",
}  # fmt: skip

# whose names keys have: the first that fits
LAYOUTS = tuple(
    (name, re.compile(pattern))
    for name, pattern in {
        "LyCORIS": r"lycoris_",
        "kohya": r"lora_(?:unet|te\d?|transformer|prior_unet)_",
        "peft": r"(?:unet\.|text_encoder(?:_2)?\.)?base_model\.model\.",
        "ComfyUI": r"diffusion_model\.|text_encoders\.",
        "OneTrainer": r"clip_[lgh]\.|unet\.(?:input|middle|output)_blocks?\.",
        "checkpoint": r"model\.diffusion_model\.|cond_stage_model\.|conditioner\.|first_stage_model\.",
        "diffusers": r"(?:unet|text_encoder(?:_2)?|transformer|(?:down|up)_blocks|mid_block|conv_in|conv_out)\.",
    }.items()
)

CONTEXT_WIDTHS: dict[int, Family] = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
REFINER_WIDTH = 1280
# of a text encoder, the first or SDXL's second
TEXT_WIDTHS: dict[int, frozenset[Family]] = {
    768: frozenset({"sd1", "sdxl"}), 1024: frozenset({"sd2"}), 1280: frozenset({"sdxl"}),
}  # fmt: skip

# names that only some of the families have: SDXL's UNet has three levels and attention on the lower two, SD1's and
# SD2's four and attention on the upper three
_ATTENDS = r"[._]1[._](?:proj_|transformer)"
FAMILY_MARKS: tuple[tuple[re.Pattern[str], frozenset[Family]], ...] = (
    (re.compile(r"te2_|text_encoder_2|clip_g|embedders\.1|label_emb|add_embedding"), frozenset({"sdxl"})),
    (re.compile(r"attentions[._]\d[._]transformer_blocks[._][1-9]"), frozenset({"sdxl"})),
    (re.compile(r"(?:put_blocks[._]\d+|middle_block)[._]1[._]transformer_blocks[._][1-9]"), frozenset({"sdxl"})),
    (re.compile(r"up_blocks[._]0[._]attentions"), frozenset({"sdxl"})),
    (re.compile(rf"output_blocks[._][012]{_ATTENDS}"), frozenset({"sdxl"})),
    (re.compile(r"(?:down|up)_blocks[._]3|down_blocks[._]0[._]attentions|up_blocks[._]2[._]attentions"), SD),
    (re.compile(rf"input_blocks[._](?:[12]{_ATTENDS}|9|1[01])"), SD),
    (re.compile(rf"output_blocks[._](?:[678]{_ATTENDS}|9|1[01])"), SD),
)

# what ss_base_model_version (sd-scripts) and modelspec.architecture begin with
ARCHITECTURES: dict[str, frozenset[Family]] = {
    "sdxl_": frozenset({"sdxl"}), "stable-diffusion-xl": frozenset({"sdxl"}),
    "sd_v1": frozenset({"sd1"}), "stable-diffusion-v1": frozenset({"sd1"}),
    "sd_v2": frozenset({"sd2"}), "stable-diffusion-v2": frozenset({"sd2"}),
}  # fmt: skip

# what is put beside one of the three, or has names like theirs, by names that it alone has: the first that any key fits
BESIDE_MODELS = tuple(
    (name, re.compile(pattern))
    for name, pattern in {
        "a ControlNet": r"^lora_controlnet$|control_model[._]|controlnet|input_hint_block",
        "an IP-Adapter": r"^(?:image_proj|ip_adapter)[._]",
        "AnimateDiff": r"motion_modules[._]|temporal_transformer",
        "Stable Cascade": r"lora_prior_unet_|(?:down|up)_blocks[._]\d+[._]\d+[._](?:attention|channelwise|kv_mapper)",
    }.items()
)
# models that are none of the three and have none of their UNet's names
OTHER_MODELS = tuple(
    (name, re.compile(pattern))
    for name, pattern in {
        "HiDream": r"(?:double|single)_stream_blocks[._]",
        "HunyuanVideo": r"individual_token_refiner|double_blocks\.\d+\.img_attn_qkv"
        r"|double_blocks[._]19[._]|single_blocks[._]3[89][._]",
        "Chroma": r"distilled_guidance_layer",
        "AuraFlow": r"joint_transformer_blocks[._]",
        "Flux": r"double_blocks[._]\d|single_blocks[._]\d|single_transformer_blocks[._]\d",
        "Qwen-Image": r"transformer_blocks[._]\d+[._](?:img|txt)_(?:mod|mlp)|transformer_blocks[._][345]\d[._]attn[._]",
        "Stable Diffusion 3": r"joint_blocks[._]|transformer_blocks[._]\d+[._]attn[._]|te3_",
        "Wan": r"blocks[._]\d+[._](?:self_attn|cross_attn)[._]",
        "Lumina or Z-Image": r"(?:noise|context)_refiner[._]|cap_embedder|layers[._]\d+[._](?:attention|feed_forward)",
        "a transformer such as PixArt, Sana, LTX-Video or CogVideoX": r"blocks[._]\d+[._]attn[12][._]",
        "a language model": r"layers[._]\d+[._]self_attn[._]",
    }.items()
)

# textual inversions, by all of their tensors' names: the text encoder that each is for. Beside these there are files of
# one tensor that is named by its trigger, diffusers' form
EMBEDDING_FORMS: tuple[dict[str, str], ...] = (
    {"emb_params": "text_encoder"},  # A1111, sd-scripts
    {"string_to_param.*": "text_encoder"}, {"string_to_param": "text_encoder"},  # what A1111's .pt becomes
    {"clip_l": "text_encoder", "clip_g": "text_encoder_2"},
    {"text_encoders_0": "text_encoder", "text_encoders_1": "text_encoder_2"},  # diffusers' advanced scripts, once
)  # fmt: skip
BUNDLE = "bundle_emb."  # how A1111 and OneTrainer name the vectors that belong to a LoRA: bundle_emb.<trigger>.<tensor>
_TOWERS = {name: tower for form in EMBEDDING_FORMS for name, tower in form.items()}
_NO_TRIGGER = re.compile(r"\.lora|lora_|\.weight")


def embedding_towers(names: Collection[str]) -> dict[str, str] | None:
    """Of a textual inversion with tensors of these names: the text encoder of each; None for what is none."""
    form = next((form for form in EMBEDDING_FORMS if form.keys() == set(names)), None)
    if form is None and len(names) == 1 and not _NO_TRIGGER.search(next(iter(names))):
        return dict.fromkeys(names, "text_encoder")
    return form


def split_bundled(key: str) -> tuple[str, str] | None:
    """The trigger and the text encoder of vectors in a LoRA's file; None for any other key."""
    if not key.startswith(BUNDLE):
        return None
    rest = key.removeprefix(BUNDLE)
    name = next((name for name in _TOWERS if rest.endswith(f".{name}")), None)
    trigger = rest.removesuffix(f".{name}") if name else ""
    return (trigger, _TOWERS[name]) if name and trigger else None
