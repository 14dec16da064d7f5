"""How the keys of adapter files end, and what stands under each: one table for all who read such files.

LoRA (Hu et al. 2021) as diffusers, peft and kohya-ss/sd-scripts spell it; what LyCORIS adds to it (Yeh et al. 2024,
"Navigating Text-To-Image Customization"): LoHa (Hyeon-Woo et al. 2022), LoKr (Edalati et al. 2022) and whole
differences; DoRA (Liu et al. 2024) on any of them.
"""

from __future__ import annotations

from typing import Literal

Algorithm = Literal["LoRA", "LoHa", "LoKr", "Full", "Norm", ""]  # "": of any of them

# how a key ends -> of which algorithm it is, and its role in there; the longer ends first, for some end in others
ENDS: dict[str, tuple[Algorithm, str]] = {
    ".lora_linear_layer.down.weight": ("LoRA", "down"),
    ".lora_linear_layer.up.weight": ("LoRA", "up"),
    ".lora_magnitude_vector.weight": ("", "magnitude"),
    ".lora_magnitude_vector": ("", "magnitude"),
    ".lora_down.weight": ("LoRA", "down"),
    ".lora_mid.weight": ("LoRA", "mid"),
    ".lora_up.weight": ("LoRA", "up"),
    ".lora_A.weight": ("LoRA", "down"),
    ".lora_B.weight": ("LoRA", "up"),
    ".lora.down.weight": ("LoRA", "down"),
    ".lora.up.weight": ("LoRA", "up"),
    "_lora.down.weight": ("LoRA", "down"),
    "_lora.up.weight": ("LoRA", "up"),
    **{f".{role}": ("LoHa", role) for role in
       ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")},
    **{f".{role}": ("LoKr", role) for role in
       ("lokr_w1_a", "lokr_w1_b", "lokr_w1", "lokr_w2_a", "lokr_w2_b", "lokr_w2", "lokr_t2")},
    ".diff": ("Full", "diff"),
    ".diff_b": ("Norm", "diff_b"),
    ".w_norm": ("Norm", "w_norm"),
    ".b_norm": ("Norm", "b_norm"),
    ".dora_scale": ("", "dora_scale"),
    ".alpha": ("", "alpha"),
    ".scalar": ("", "scalar"),
}  # fmt: skip

# what a key holds that only an adapter of another kind has -> that kind. Their change of a weight depends on the weight
# itself or on a matrix that is in no file, so that nothing but the whole model holds it.
OTHER_ALGORITHMS = {
    ".a1.weight": "GLoRA", ".a2.weight": "GLoRA", ".b1.weight": "GLoRA", ".b2.weight": "GLoRA", ".bm.weight": "GLoRA",
    ".on_input": "IA³", ".ia3_l": "IA³", ".oft_": "OFT", ".boft_": "BOFT", ".lora_E": "AdaLoRA", ".vera_": "VeRA",
    ".fourierft_": "FourierFT", ".hra_": "HRA",
}  # fmt: skip


def plain_key(key: str) -> str:
    """A key without what wrapping puts into it: peft's name of the adapter, torch.compile's ``_orig_mod``."""
    return key.replace("_orig_mod.", "").replace(".default.weight", ".weight").removesuffix(".default")


def split_key(key: str) -> tuple[str, Algorithm, str] | None:
    """A key's module as it is written there, its algorithm and its role; None where the end means nothing."""
    plain = plain_key(key)
    end = next((end for end in ENDS if plain.endswith(end)), None)
    if end is None:
        return None
    head = plain.removesuffix(end)
    # diffusers' first form named the layer in the attention's processor, and its output without the 0 it has there
    if end.startswith("_lora"):
        head = f"{head.replace('.processor.', '.')}{'.0' if head.endswith('to_out') else ''}"
    return (head, *ENDS[end])


def other_algorithm(key: str) -> str | None:
    """The kind of adapter that alone has such a key, where it is one that can't be read."""
    return next((kind for mark, kind in OTHER_ALGORITHMS.items() if mark in key), None)
