"""How much memory a training needs, estimated from the headers of a base's files: nothing is loaded for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from trainer.contract import looks
from trainer.contract.requests import Method
from trainer.models.families import FAMILIES
from trainer.models.folders import read_json, weight_files
from trainer.models.header import UNET, VAE, Shapes, read_shapes, unet_config, vae_config
from trainer.training.recipes import ATTENTION, CONVOLUTIONS, FEED_FORWARD, MODULES

if TYPE_CHECKING:
    import torch

    from trainer.models.registry import BaseSpec

GB = 1e9
_ORIGINAL_NAMES = {"conv1": ("in_layers.2",), "conv2": ("out_layers.3",)}  # of single files
# numbers that are kept for the gradient, for each number that goes through a layer: counted on the three families'
# published shapes through saved_tensors_hooks, less the attention matrices, which efficient attention never makes
RESNET_KEEPS, TRANSFORMER_KEEPS = 10, 38
CHECKPOINTED = 0.4  # of them with gradient checkpointing: what goes into each layer, and one block made again
AUTOCAST = 1.3  # a model in float32 that computes in bfloat16 keeps some in float32
DECODER_KEEPS = 3  # of the VAE's largest layer, at once
ADAMW_BYTES = 8  # two moments
ADAFACTOR_BYTES = 1  # rows and columns of one moment; of a 3 × 3 convolution that is two thirds of it
MOST_KEPT = 100_000_000  # parameters up to which a training keeps a copy of its state, to roll back to
SLACK = 1.1  # what an allocator can't use
CONTEXT_BYTES = 0.6 * GB  # of CUDA
PROCESS_BYTES = 0.1 * GB  # of a CPU's process, beside torch itself


@dataclass(frozen=True)
class ModelSize:
    """What the memory of a training depends on, but for the recipe."""

    unet: int  # parameters
    text_encoders: int
    vae: int
    layers: Mapping[str, int]  # of the UNet, by the names of recipes: a LoRA of rank r on them has r times as many
    features: float  # numbers that a step keeps, for each latent of a picture
    vae_width: int  # most channels of the VAE's decoder where the picture has its full size
    vae_scale_factor: int

    def count_lora(self, rank: int, target_modules: Sequence[str] = ATTENTION) -> int:
        """Parameters of a LoRA on these layers of the UNet."""
        return rank * sum(self.layers[module] for module in target_modules)


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
    return ModelSize(
        unet=_count(unet),
        text_encoders=_count(text),
        vae=_count(vae),
        layers={module: _count_sides(unet, module) for module in (*ATTENTION, *FEED_FORWARD, *CONVOLUTIONS)},
        features=count_features(config),
        # the finest level begins with what comes up from the one below
        vae_width=max(decoder_widths[:2]),
        vae_scale_factor=2 ** (len(decoder_widths) - 1),
    )


def _count(shapes: Shapes) -> int:
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith("position_ids"))


def _count_sides(unet: Shapes, module: str) -> int:
    """Numbers that go into and out of all layers of that name: (out, in) or, of convolutions, (out, in, k, k)."""
    names = tuple(f".{name}.weight" for name in (module, *_ORIGINAL_NAMES.get(module, ())))
    return sum(shape[0] + math.prod(shape[1:]) for name, shape in unet.items() if name.endswith(names))


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
    learned: int = 0,
    gpu: bool = True,
    adafactor: bool = False,
    ema: bool = False,
    text_encoder: bool = False,
    checkpointing: bool = True,
) -> int:
    """Bytes that a training needs at its peak.

    ``batch``: samples that go through the UNet together, with those of prior preservation. ``learned``: parameters of
    the LoRA; of a whole model they are known. ``gpu``: the frozen base is
    in bfloat16 there, in float32 on a CPU. ``adafactor``: instead of AdamW (Shazeer & Stern 2018). The default is the
    least that a training needs: what :class:`trainer.training.memory_ladder.MemoryLadder` ends with.
    """
    weight_bytes = 2 if gpu else 4
    frozen = (size.unet + size.text_encoders) * weight_bytes + size.vae * 4
    if method == "dreambooth":
        learned = size.unet + size.text_encoders * text_encoder
    state = 4 + (ADAFACTOR_BYTES if adafactor else ADAMW_BYTES) + 4 * ema  # weight, moments, average
    each = state * (2 if learned <= MOST_KEPT else 1) + 4  # the gradient
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


def all_bytes(device: torch.device) -> int:
    """Memory of the device, whoever uses it."""
    import psutil
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return int(psutil.virtual_memory().total)


@dataclass(frozen=True)
class Limits:
    """What so much memory is too little for."""

    unavailable: dict[Method, str]  # methods, each with a sentence for members that names the way out
    most_resolution: dict[Method, int]  # of the others


def find_limits(spec: BaseSpec, free: int, *, gpu: bool) -> Limits:
    """What ``free`` bytes are too few for, of what a member may ask of this base.

    A larger batch than fits is done in parts, so it is of no account. The rank is the base's own, since a training
    whose LoRA is too large is told so before it begins.
    """
    size, defaults = read_size(spec), spec.defaults
    learned = size.count_lora(defaults.recipe.rank, MODULES[defaults.recipe.layers])

    def needs(method: Method, resolution: int) -> int:
        return estimate_training(
            size, method, resolution=resolution, learned=0 if method == "textual_inversion" else learned, gpu=gpu,
            adafactor=method == "dreambooth" and spec.family == "sdxl",
        )  # fmt: skip

    least, most = defaults.resolutions
    fitting: dict[Method, list[int]] = {
        method: [side for side in (*range(least, most, defaults.bucket_step), most) if needs(method, side) <= free]
        for method in get_args(Method)
    }
    needed = {method: needs(method, least) for method in fitting}
    others = [method for method, sides in fitting.items() if sides]
    way_out = (
        f"choose the method `{others[0]}`, which needs about {looks.memory(needed[others[0]])}"
        if others
        else "choose another base model, or ask whoever runs this bot for a smaller one"
    )
    return Limits(
        {
            method: f"The method `{method}` needs about {looks.memory(needed[method])} of memory on {spec.name}, and"
            f" {looks.memory(free)} are there: {way_out}."
            for method, sides in fitting.items()
            if not sides
        },
        {method: sides[-1] for method, sides in fitting.items() if sides},
    )


def estimate_methods(spec: BaseSpec, free: int, *, gpu: bool) -> dict[Method, tuple[int, int]]:
    """Bytes that trainings by the base's own recipe need where ``free`` are there: alone, and beside their class."""
    size, recipe = read_size(spec), spec.defaults.recipe
    lora = size.count_lora(recipe.rank, MODULES[recipe.layers])

    def need(method: Method, batch: int) -> int:
        at_ease, at_least = (
            estimate_training(
                size, method, resolution=min(spec.defaults.width, spec.defaults.height), batch=batch,
                learned=0 if method == "textual_inversion" else lora, gpu=gpu,
                adafactor=method == "dreambooth" and spec.family == "sdxl", checkpointing=checkpointing,
            )
            for checkpointing in (False, True)
        )  # fmt: skip
        return at_ease if not gpu or at_ease <= free else at_least

    batches = (recipe.batch, recipe.batch + math.ceil(recipe.batch / 2))
    return {method: (need(method, batches[0]), need(method, batches[1])) for method in get_args(Method)}
