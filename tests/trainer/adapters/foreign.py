"""Adapter files as other programs write them, and what each of them means: a writer that knows nothing of our reader.

The names and formulas are those of the public formats: kohya-ss/sd-scripts' ``networks``, LyCORIS' modules, diffusers'
``save_lora_weights``, peft's ``save_pretrained``, ComfyUI's and OneTrainer's savers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from safetensors.torch import save

from tests.trainer.adapters.tiny import lora_modules
from tests.trainer.bases import original_unet_name

Tensors = dict[str, torch.Tensor]
Random = Callable[..., torch.Tensor]

# spellings: of a layer's name, by family, part and module with text encoders' ``text_model.``


def _is_unet(part: str) -> bool:
    return part == "unet"


def _ldm(family: str, module: str) -> str:
    return original_unet_name(f"{module}.weight", 3 if family == "sdxl" else 4).removesuffix(".weight")


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _tower(family: str, part: str) -> str:
    return {"text_encoder": "te1" if family == "sdxl" else "te", "text_encoder_2": "te2"}[part]


def kohya(family: str, part: str, module: str) -> str:
    if not _is_unet(part):
        return f"lora_{_tower(family, part)}_{_flat(module)}"
    return f"lora_unet_{_flat(_ldm(family, module) if family == 'sdxl' else module)}"


def onetrainer(family: str, part: str, module: str) -> str:
    return f"lora_unet_{_flat(module)}" if _is_unet(part) else kohya(family, part, module)


def kohya_original(family: str, part: str, module: str) -> str:
    return f"lora_unet_{_flat(_ldm(family, module))}" if _is_unet(part) else kohya(family, part, module)


def lycoris_alone(family: str, part: str, module: str) -> str:
    return f"lycoris_{_flat(module)}" if _is_unet(part) else kohya(family, part, module)


def diffusers(family: str, part: str, module: str) -> str:
    return f"{part}.{module}"


def flat_transformers(family: str, part: str, module: str) -> str:
    return f"{part}.{module.removeprefix('text_model.')}"


def peft_in_pipeline(family: str, part: str, module: str) -> str:
    return f"{part}.base_model.model.{module}"


def comfy(family: str, part: str, module: str) -> str:
    towers = {"text_encoder": "clip_h" if family == "sd2" else "clip_l", "text_encoder_2": "clip_g"}
    if _is_unet(part):
        return f"diffusion_model.{_ldm(family, module)}"
    return f"text_encoders.{towers[part]}.transformer.{module}"


def omi(family: str, part: str, module: str) -> str:
    towers = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
    return f"unet.{_ldm(family, module)}" if _is_unet(part) else f"{towers[part]}.{module}"


def checkpoint(family: str, part: str, module: str) -> str:
    if _is_unet(part):
        return f"model.diffusion_model.{_ldm(family, module)}"
    if family != "sdxl":
        return f"cond_stage_model.transformer.{module}"
    return f"conditioner.embedders.{int(part == 'text_encoder_2')}.transformer.{module}"


SPELLINGS = (kohya, onetrainer, kohya_original, lycoris_alone, diffusers, flat_transformers, peft_in_pipeline, comfy,
             omi, checkpoint)  # fmt: skip

# algorithms: what stands in the file for a weight of a shape (out, in) or (out, in, k, k), and the change that it means


@dataclass(frozen=True)
class Written:
    """Tensors by how their keys end, and the change of the weight in float64."""

    tensors: Tensors
    change: torch.Tensor


def _random(seed: int) -> Random:
    rng = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=rng) / 2


def _written(
    change: torch.Tensor, shape: torch.Size, alpha: float | None, rank: int, **tensors: torch.Tensor
) -> Written:
    named = {f".{name.replace('__', '.')}": tensor for name, tensor in tensors.items()}
    if alpha is not None:
        named[".alpha"] = torch.tensor(alpha)
    return Written(named, change.double().reshape(shape) * (1 if alpha is None else alpha / rank))


def lora(shape: torch.Size, seed: int, alpha: float | None = 3.0, rank: int = 4) -> Written:
    randn = _random(seed)
    down, up = randn(rank, *shape[1:]), randn(shape[0], rank, *(1,) * (len(shape) - 2))
    change = up.flatten(1).double() @ down.flatten(1).double()
    return _written(change, shape, alpha, rank, lora_down__weight=down, lora_up__weight=up)


def peft_lora(shape: torch.Size, seed: int) -> Written:
    plain = lora(shape, seed, alpha=None)
    names = {".lora_down.weight": ".lora_A.weight", ".lora_up.weight": ".lora_B.weight"}
    return Written({names[end]: tensor for end, tensor in plain.tensors.items()}, plain.change)


def locon(shape: torch.Size, seed: int) -> Written:
    """A core of the kernel's size between two 1 × 1 convolutions; of a linear layer a LoRA."""
    if len(shape) == 2 or shape[-1] == 1:
        return lora(shape, seed)
    randn = _random(seed)
    up, mid, down = randn(shape[0], 3, 1, 1), randn(3, 3, *shape[2:]), randn(3, shape[1], 1, 1)
    change = torch.einsum("oa,abkl,bi->oikl", up.flatten(1).double(), mid.double(), down.flatten(1).double())
    return _written(change, shape, 2.0, 3, lora_up__weight=up, lora_mid__weight=mid, lora_down__weight=down)


def loha(shape: torch.Size, seed: int, rank: int = 2) -> Written:
    randn = _random(seed)
    inputs = shape[1:].numel()
    w1_a, w1_b, w2_a, w2_b = randn(shape[0], rank), randn(rank, inputs), randn(shape[0], rank), randn(rank, inputs)
    change = (w1_a.double() @ w1_b.double()) * (w2_a.double() @ w2_b.double())
    return _written(change, shape, 1.0, rank, hada_w1_a=w1_a, hada_w1_b=w1_b, hada_w2_a=w2_a, hada_w2_b=w2_b)


def loha_of_great_rank(shape: torch.Size, seed: int) -> Written:
    return loha(shape, seed, rank=6)


def loha_tucker(shape: torch.Size, seed: int) -> Written:
    if len(shape) == 2 or shape[-1] == 1:
        return loha(shape, seed)
    randn, rank = _random(seed), 2
    t1, t2 = randn(rank, rank, *shape[2:]), randn(rank, rank, *shape[2:])
    a1, b1, a2, b2 = randn(rank, shape[0]), randn(rank, shape[1]), randn(rank, shape[0]), randn(rank, shape[1])
    change = torch.einsum("ijkl,jr,ip->prkl", t1.double(), b1.double(), a1.double())
    change = change * torch.einsum("ijkl,jr,ip->prkl", t2.double(), b2.double(), a2.double())
    return _written(
        change, shape, 3.0, rank, hada_t1=t1, hada_w1_a=a1, hada_w1_b=b1, hada_t2=t2, hada_w2_a=a2, hada_w2_b=b2
    )


def _kron(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    sides = (1,) * (other.ndim - 2)
    return torch.kron(one.double().reshape(*one.shape, *sides).contiguous(), other.double().contiguous())


def _sides(shape: torch.Size) -> tuple[int, int, int, int]:
    """Of LoKr's two matrices: (a, b) and (c, d) with ac = out and bd = in."""
    a, b = (2 if side % 2 == 0 else 1 for side in shape[:2])
    return a, b, shape[0] // a, shape[1] // b


def lokr_whole(shape: torch.Size, seed: int) -> Written:
    """Both matrices whole: the alpha is in the file and means nothing."""
    randn, (a, b, c, d) = _random(seed), _sides(shape)
    w1, w2 = randn(a, b), randn(c, d, *shape[2:])
    written = _written(_kron(w1, w2), shape, None, 0, lokr_w1=w1, lokr_w2=w2)
    return Written({**written.tensors, ".alpha": torch.tensor(1e10)}, written.change)


def lokr(shape: torch.Size, seed: int, rank: int = 2) -> Written:
    """The second of low rank; of a convolution its kernel rolled out."""
    randn, (a, b, c, d) = _random(seed), _sides(shape)
    w1, w2_a, w2_b = randn(a, b), randn(c, rank), randn(rank, d * shape[2:].numel())
    w2 = (w2_a.double() @ w2_b.double()).reshape(c, d, *shape[2:])
    return _written(_kron(w1, w2), shape, 1.0, rank, lokr_w1=w1, lokr_w2_a=w2_a, lokr_w2_b=w2_b)


def lokr_of_great_rank(shape: torch.Size, seed: int) -> Written:
    return lokr(shape, seed, rank=40)


def lokr_both(shape: torch.Size, seed: int) -> Written:
    """Both of low rank (``decompose_both``)."""
    randn, rank, (a, b, c, d) = _random(seed), 2, _sides(shape)
    w1_a, w1_b, w2_a, w2_b = randn(a, rank), randn(rank, b), randn(c, rank), randn(rank, d * shape[2:].numel())
    w2 = (w2_a.double() @ w2_b.double()).reshape(c, d, *shape[2:])
    change = _kron(w1_a.double() @ w1_b.double(), w2)
    return _written(change, shape, 1.0, rank, lokr_w1_a=w1_a, lokr_w1_b=w1_b, lokr_w2_a=w2_a, lokr_w2_b=w2_b)


def lokr_first(shape: torch.Size, seed: int) -> Written:
    """Only the first of low rank."""
    randn, rank, (a, b, c, d) = _random(seed), 2, _sides(shape)
    w1_a, w1_b, w2 = randn(a, rank), randn(rank, b), randn(c, d, *shape[2:])
    return _written(
        _kron(w1_a.double() @ w1_b.double(), w2), shape, 1.0, rank, lokr_w1_a=w1_a, lokr_w1_b=w1_b, lokr_w2=w2
    )


def lokr_tucker(shape: torch.Size, seed: int) -> Written:
    if len(shape) == 2 or shape[-1] == 1:
        return lokr(shape, seed)
    randn, rank, (a, b, c, d) = _random(seed), 2, _sides(shape)
    w1, t2, w2_a, w2_b = randn(a, b), randn(rank, rank, *shape[2:]), randn(rank, c), randn(rank, d)
    w2 = torch.einsum("ijkl,jr,ip->prkl", t2.double(), w2_b.double(), w2_a.double())
    return _written(_kron(w1, w2), shape, 1.0, rank, lokr_w1=w1, lokr_t2=t2, lokr_w2_a=w2_a, lokr_w2_b=w2_b)


def full(shape: torch.Size, seed: int) -> Written:
    diff = _random(seed)(*shape)
    return _written(diff, shape, None, 0, diff=diff)


def full_of_low_rank(shape: torch.Size, seed: int) -> Written:
    diff = lora(shape, seed).change.float()
    return _written(diff, shape, None, 0, diff=diff)


ALGORITHMS = (lora, peft_lora, locon, loha, loha_of_great_rank, loha_tucker, lokr_whole, lokr, lokr_of_great_rank,
              lokr_both, lokr_first, lokr_tucker, full, full_of_low_rank)  # fmt: skip


def chosen(family: str) -> dict[str, torch.Size]:
    """Layers of every sort, of every part: attention, feed-forward, convolutions of either size, embeddings of time."""
    words = (
        r"unet\.(down_blocks\.1|mid_block|up_blocks\.1)\.(attentions\.0\.(proj_in|transformer_blocks\.0\.)|"
        r"resnets\.0\.(conv|time)|downsamplers|upsamplers)|unet\.(time|add)_embedding|unet\.conv_(in|out)|"
        r"unet\.down_blocks\.0\.attentions\.0\.transformer_blocks\.0\.attn1|text_encoder(_2)?\.encoder\.layers\.1\."
    )
    return {module: shape for module, shape in lora_modules(family).items() if re.match(words, module)}


def write(family: str, spelling: Callable[..., str], algorithm: Callable[..., Written]) -> tuple[bytes, Tensors]:
    """The file, and by our names what it changes."""
    tensors, changes = {}, {}
    for seed, (name, shape) in enumerate(chosen(family).items()):
        part, _, module = name.partition(".")
        written = algorithm(shape, seed)
        head = spelling(family, part, module if part == "unet" else f"text_model.{module}")
        tensors |= {head + end: tensor.contiguous() for end, tensor in written.tensors.items()}
        changes[name] = written.change
    return save(tensors), changes
