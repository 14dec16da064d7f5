"""How much memory a training needs, estimated from the headers of a base's files: nothing is loaded for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from trainer.contract.requests import Method
from trainer.models.families import FAMILIES
from trainer.models.folders import read_json, weight_files
from trainer.models.header import UNET, VAE, Shapes, read_shapes, unet_config, vae_config

if TYPE_CHECKING:
    import torch

    from trainer.models.registry import BaseSpec

GB = 1e9
# numbers that are kept for the gradient, for each number that goes through a layer: counted on the three families'
# published shapes through saved_tensors_hooks, less the attention matrices, which efficient attention never makes
RESNET_KEEPS, TRANSFORMER_KEEPS = 10, 38
CHECKPOINTED = 0.4  # of them with gradient checkpointing: what goes into each layer, and one block made again
AUTOCAST = 1.3  # a model in float32 that computes in bfloat16 keeps some in float32
DECODER_KEEPS = 3  # of the VAE's largest layer, at once
ADAMW_BYTES = 8  # two moments
ADAFACTOR_BYTES = 1  # rows and columns of one moment; of a 3 × 3 convolution that is two thirds of it
SLACK = 1.1  # what an allocator can't use
CONTEXT_BYTES = 0.6 * GB  # of CUDA
PROCESS_BYTES = 0.1 * GB  # of a CPU's process, beside torch itself


@dataclass(frozen=True)
class ModelSize:
    """What the memory of a training depends on, but for the recipe."""

    unet: int  # parameters
    text_encoders: int
    vae: int
    projections: int  # both sides of all attention projections of the UNet: a LoRA of rank r has r times as many
    features: float  # numbers that a step keeps, for each latent of a picture
    vae_width: int  # most channels of the VAE's decoder where the picture has its full size
    vae_scale_factor: int


def read_size(spec: BaseSpec) -> ModelSize:
    """The size of a base, read off its headers. Raises :class:`trainer.errors.MissingBases`."""
    towers = FAMILIES[spec.family].towers
    if spec.file:
        shapes = read_shapes(spec.file)
        unet, vae, text = (
            {name: shape for name, shape in shapes.items() if name.startswith(prefixes)}
            for prefixes in (UNET, VAE, tuple(tower.prefix for tower in towers))
        )
        widths = vae_config(shapes, spec.family)["block_out_channels"]
        return measure(unet, vae, text, unet_config(shapes, spec.family), cast("list[int]", widths))
    folder = spec.folder
    config, decoder = (read_json(folder / part / "config.json") for part in ("unet", "vae"))
    unet, vae = (_read_part(folder / part) for part in ("unet", "vae"))
    text = {f"{tower.name}.{name}": shape for tower in towers
            for name, shape in _read_part(folder / tower.name).items()}  # fmt: skip
    widths = decoder.get("block_out_channels") or decoder["decoder_block_out_channels"]
    return measure(unet, vae, text, config, widths)


def _read_part(folder: Path) -> Shapes:
    return {name: shape for file in weight_files(folder) for name, shape in read_shapes(file).items()}


def measure(
    unet: Shapes, vae: Shapes, text: Shapes, config: Mapping[str, Any], decoder_widths: Sequence[int]
) -> ModelSize:
    """The size of a model with these tensors in its parts; ``config`` is that of its UNet2DConditionModel.

    ``decoder_widths``: channels of the VAE's decoder, by level from the finest.
    """
    attention = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight")
    return ModelSize(
        unet=_count(unet),
        text_encoders=_count(text),
        vae=_count(vae),
        projections=sum(sum(shape[:2]) for name, shape in unet.items() if name.endswith(attention)),
        features=count_features(config),
        # the finest level begins with what comes up from the one below
        vae_width=max(decoder_widths[:2]),
        vae_scale_factor=2 ** (len(decoder_widths) - 1),
    )


def _count(shapes: Shapes) -> int:
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("position_ids"))


def count_features(config: Mapping[str, Any]) -> float:
    """Numbers that a step of a UNet with this config keeps, for each latent that goes in."""
    widths: Sequence[int] = config["block_out_channels"]
    layers = 2 * config.get("layers_per_block", 2) + 1  # on the way down and up
    depths = config.get("transformer_layers_per_block") or 1
    kinds = config["down_block_types"]
    kept = 0.0
    for level, width in enumerate(widths):
        depth = depths if isinstance(depths, int) else depths[level]
        transformers = layers * depth if "CrossAttn" in kinds[level] else 0
        resnets = layers
        if level == len(widths) - 1:  # the middle block
            resnets, transformers = resnets + 2, transformers + depth
        kept += width * (resnets * RESNET_KEEPS + transformers * TRANSFORMER_KEEPS) / 4**level
    return kept


def estimate_training(
    size: ModelSize,
    method: Method,
    *,
    resolution: int,
    batch: int = 1,
    rank: int = 16,
    gpu: bool = True,
    adafactor: bool = False,
    ema: bool = False,
    text_encoder: bool = False,
    checkpointing: bool = True,
) -> int:
    """Bytes that a training needs at its peak.

    ``batch``: samples that go through the UNet together, with those of prior preservation. ``gpu``: the frozen base is
    in bfloat16 there, in float32 on a CPU. ``adafactor``: instead of AdamW (Shazeer & Stern 2018). The default is the
    least that a training needs: what :class:`trainer.training.memory_ladder.MemoryLadder` ends with.
    """
    weight_bytes = 2 if gpu else 4
    frozen = (size.unet + size.text_encoders) * weight_bytes + size.vae * 4
    learned = {"dreambooth": size.unet, "textual_inversion": 0}.get(method, rank * size.projections)
    if text_encoder and method == "dreambooth":
        learned += size.text_encoders
    each = 4 + 4 + (ADAFACTOR_BYTES if adafactor else ADAMW_BYTES) + 4 * ema  # weight, gradient, moments, average
    autocast = method == "dreambooth" and gpu
    each += weight_bytes * autocast  # its copy of the weights
    latents = (resolution / size.vae_scale_factor) ** 2
    kept = batch * latents * size.features * weight_bytes
    kept *= (CHECKPOINTED if checkpointing else 1) * (AUTOCAST if autocast else 1)
    shown = resolution**2 * size.vae_width * 4 * DECODER_KEEPS  # a preview, while all else stays
    return round((frozen + learned * each + max(kept, shown)) * SLACK + (CONTEXT_BYTES if gpu else PROCESS_BYTES))


def free_bytes(device: torch.device) -> int:
    """Memory that nobody uses on a GPU; on a CPU, what can be had without swapping."""
    import psutil
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def find_unavailable(spec: BaseSpec, free: int, *, gpu: bool) -> dict[Method, str]:
    """The methods that ``free`` bytes are too few for, each with a sentence for members that names the way out."""
    size, side = read_size(spec), math.isqrt(spec.defaults.width * spec.defaults.height)
    needs: dict[Method, int] = {
        method: estimate_training(
            size, method, resolution=side, rank=spec.defaults.recipe.rank, gpu=gpu,
            adafactor=method == "dreambooth" and spec.family == "sdxl",
        )
        for method in get_args(Method)
    }  # fmt: skip
    fitting = [method for method, need in needs.items() if need <= free]
    way_out = (
        f"choose the method `{fitting[0]}`, which needs about {_gb(needs[fitting[0]])}"
        if fitting
        else "choose another base model, or ask whoever runs this bot for a smaller one"
    )
    return {
        method: f"The method `{method}` needs about {_gb(need)} of memory on {spec.name}, and {_gb(free)} are there:"
        f" {way_out}."
        for method, need in needs.items()
        if need > free
    }


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB" if size < 10 * GB else f"{size / GB:.0f} GB"
