"""Models of each family's true layout, with widths of a few channels and random weights."""

from __future__ import annotations

from functools import cache

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

FAMILIES = ("sd1", "sd2", "sdxl")
WIDTH, WIDTH_2 = 8, 16  # of the text encoders; readers tell SDXL's two by it


def make_unet(family: str) -> UNet2DConditionModel:
    torch.manual_seed(0)
    cross, plain = "CrossAttn{}Block2D", "{}Block2D"
    blocks = [plain, cross, cross] if family == "sdxl" else [cross, cross, cross, plain]
    options: dict[str, object] = {}
    if family == "sdxl":
        options = {
            "transformer_layers_per_block": [1, 2, 10], "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 6 * 4 + WIDTH_2,
        }  # fmt: skip
    return UNet2DConditionModel(
        sample_size=8, norm_num_groups=4, block_out_channels=(8, 16, 32, 32)[: len(blocks)], layers_per_block=2,
        down_block_types=[block.format("Down") for block in blocks],
        up_block_types=[block.format("Up") for block in reversed(blocks)],
        cross_attention_dim=WIDTH + WIDTH_2 if family == "sdxl" else WIDTH, attention_head_dim=2,
        use_linear_projection=family != "sd1", **options,
    ).eval()  # fmt: skip


def make_vae() -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=(8, 16, 32, 32), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, layers_per_block=2, norm_num_groups=4,
    )  # fmt: skip


def make_text_encoder(family: str, name: str = "text_encoder") -> CLIPTextModel | CLIPTextModelWithProjection:
    torch.manual_seed(2)
    layers = 32 if name == "text_encoder_2" else 23 if family == "sd2" else 12
    width = WIDTH_2 if name == "text_encoder_2" else WIDTH
    config = CLIPTextConfig(
        vocab_size=64, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers, num_attention_heads=2,
        projection_dim=width, bos_token_id=62, eos_token_id=63, pad_token_id=63,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if name == "text_encoder_2" else CLIPTextModel)(config).eval()


def make_parts(family: str) -> dict[str, torch.nn.Module]:
    names = ("text_encoder", "text_encoder_2") if family == "sdxl" else ("text_encoder",)
    text_encoders = {name: make_text_encoder(family, name) for name in names}
    return {"unet": make_unet(family), "vae": make_vae(), **text_encoders}


def draw(unet: UNet2DConditionModel) -> torch.Tensor:
    """One forward on fixed random inputs."""
    rng = torch.Generator().manual_seed(5)
    latents = torch.randn(1, 4, 8, 8, generator=rng)
    embeddings = torch.randn(1, 7, unet.config.cross_attention_dim, generator=rng)
    added = {"text_embeds": torch.randn(1, WIDTH_2, generator=rng), "time_ids": torch.ones(1, 6)}
    with torch.no_grad():
        return unet(latents, 3, embeddings, added_cond_kwargs=added).sample


@cache
def lora_modules(family: str) -> dict[str, torch.Size]:
    """Every linear and convolutional module of UNet and text encoders: part and flat name, and its weight's shape."""
    return {
        f"{part}.{name if part == 'unet' else name.removeprefix('text_model.')}": module.weight.shape
        for part, model in make_parts(family).items()
        if part != "vae"
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
    }


def random_lora(shapes: dict[str, torch.Size], rank: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of a LoRA on these modules, of scale 1; what float16 can hold, so that files keep them exactly."""
    rng = torch.Generator().manual_seed(seed)
    weights = {}
    for module, (out, *rest) in shapes.items():
        ones = (1,) * (len(rest) - 1)
        weights[f"{module}.lora_A.weight"] = torch.randn(rank, *rest, generator=rng).half().float()
        weights[f"{module}.lora_B.weight"] = (torch.randn(out, rank, *ones, generator=rng) / 8).half().float()
    return weights
