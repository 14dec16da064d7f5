"""The three families: what their published formats say and no file of weights does, written down once.

From the model cards' own configs: stable-diffusion-v1-5, stable-diffusion-2-1 and stable-diffusion-xl-base-1.0 in
diffusers format, and v1-inference.yaml, v2-inference-v.yaml and sd_xl_base.yaml of the original one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Family = Literal["sd1", "sd2", "sdxl"]
PredictionType = Literal["epsilon", "v_prediction"]
CLIP_VOCABULARY = 49_408  # words of CLIP's tokenizer, which all three use
# by how many channels a UNet starts from, where it is more than the latents' four
OTHER_INPUTS = {9: "an inpainting model", 8: "an InstructPix2Pix model", 7: "an upscaler", 5: "a depth model"}


@dataclass(frozen=True)
class TowerLayout:
    """A text encoder: its folder in diffusers format, and where the original layout keeps it."""

    name: str
    prefix: str
    hidden_act: Literal["quick_gelu", "gelu"]
    pad_token: str = "<|endoftext|>"
    open_clip: bool = False  # the original layout has OpenCLIP's names: resblocks, in_proj_weight
    penultimate: bool = False  # see trainer.models.text.TextTower
    pooled: bool = False


@dataclass(frozen=True)
class FamilyLayout:
    """What all models of a family have in common, whatever their widths."""

    title: str
    attention: tuple[bool, ...]  # by level of the UNet, from the finest
    heads: int | None  # of every attention layer of the UNet; None: one for each 64 channels
    linear_projection: bool
    sample_size: int  # side of the latents that it was trained on
    scaling_factor: float  # of the VAE's latents
    prediction_type: PredictionType
    towers: tuple[TowerLayout, ...]
    defaults: dict[str, Any]  # of trainer.models.registry.BaseFile

    @property
    def levels(self) -> int:
        """Resolutions of the UNet."""
        return len(self.attention)


_SAMPLER = "DPM++ 2M"  # at 25 steps closer to the end than DDIM is; what A1111 begins with, too

FAMILIES: dict[Family, FamilyLayout] = {
    "sd1": FamilyLayout(
        "Stable Diffusion 1.x", (True, True, True, False), heads=8, linear_projection=False, sample_size=64,
        scaling_factor=0.18215, prediction_type="epsilon",
        towers=(TowerLayout("text_encoder", "cond_stage_model.transformer.", "quick_gelu"),),
        defaults={"width": 512, "height": 512, "max_side": 1024, "guidance_scale": 7.0, "sampler": _SAMPLER},
    ),
    "sd2": FamilyLayout(
        "Stable Diffusion 2.x", (True, True, True, False), heads=None, linear_projection=True, sample_size=96,
        scaling_factor=0.18215, prediction_type="v_prediction",
        # the encoder's last layer of the original is left out, as the published config has it: 23 of 24
        towers=(TowerLayout("text_encoder", "cond_stage_model.model.", "gelu", pad_token="!", open_clip=True),),
        defaults={"width": 768, "height": 768, "max_side": 1280, "guidance_scale": 7.0, "sampler": _SAMPLER},
    ),
    "sdxl": FamilyLayout(
        "Stable Diffusion XL", (False, True, True), heads=None, linear_projection=True, sample_size=128,
        scaling_factor=0.13025, prediction_type="epsilon",
        towers=(
            TowerLayout("text_encoder", "conditioner.embedders.0.transformer.", "quick_gelu", penultimate=True),
            TowerLayout(
                "text_encoder_2", "conditioner.embedders.1.model.", "gelu", pad_token="!", open_clip=True,
                penultimate=True, pooled=True,
            ),
        ),
        defaults={
            "width": 1024, "height": 1024, "max_side": 1536, "num_inference_steps": 30, "guidance_scale": 5.0,
            "sampler": _SAMPLER,
            # what the field takes for ten photos; SD1.5's numbers leave SDXL undertrained
            "recipe": {"steps": {"per_photo": 150, "least": 1000, "most": 2000}},
        },
    ),
}  # fmt: skip

# alike in all three; what a diffusers folder's own scheduler says comes before it
SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "leading",
}  # fmt: skip
