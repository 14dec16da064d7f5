"""Ours against the reference: the gradients of one step on the same latents, noise, timesteps and captions.

``compare(case)`` builds both on emoji-64, gives both the same weights, and returns the largest difference of a gradient
as a share of the largest gradient.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import DDPMScheduler
from peft import LoraConfig
from transformers import CLIPTextModel

from tests.benchmarks.bases import Modules, load_modules
from tests.benchmarks.reference import add_placeholders, reference_loss
from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Recipe
from trainer.models.loading import Base, load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.training.dataset import Batch, add_class
from trainer.training.dreambooth import DreamBoothLearner
from trainer.training.inversion import InversionLearner
from trainer.training.learner import Learner
from trainer.training.loop import TrainingJob, make_learner, resolve
from trainer.training.losses import batch_losses, batch_weights
from trainer.training.pivotal import PivotalLearner

TRIGGER, CLASS_WORD = "thnos", "fox"  # which is one token, as textual_inversion.py wants it
CAPTIONS = ("a photo of thnos fox", "thnos fox")
INVERSION_CAPTIONS = ("a photo of thnos", "a picture of thnos")
CLASS_CAPTION = "a photo of fox"
RANK = 4
VECTORS = "vectors"
PLACEHOLDERS = ("<subject>", "<subject>_1")


@dataclass(frozen=True)
class GradientCase:
    """What is compared. ``snr_gamma`` 0: off; ``prior``: the weight of the class's half, None: none."""

    recipe: dict[str, Any] = field(default_factory=dict)
    prediction: str = "v_prediction"
    snr_gamma: float = 0.0
    prior: float | None = None
    step: int = 0


CASES: dict[str, GradientCase] = {
    "lora": GradientCase(),
    "lora_epsilon": GradientCase(prediction="epsilon"),
    "lora_prior": GradientCase(prior=0.7),
    "lora_min_snr": GradientCase(snr_gamma=5.0),
    "lora_min_snr_epsilon": GradientCase(snr_gamma=5.0, prediction="epsilon"),
    "lora_prior_min_snr": GradientCase(snr_gamma=5.0, prior=1.0),
    "lora_text_encoder": GradientCase({"text_encoder": True}, prior=1.0),
    "dora": GradientCase({"dora": True}),
    "textual_inversion": GradientCase({"method": "textual_inversion", "vectors": 2}),
    "pivotal_word": GradientCase({"method": "pivotal", "vectors": 2}),
    "pivotal_lora": GradientCase({"method": "pivotal", "vectors": 2}, step=10_000),
    "dreambooth": GradientCase({"method": "dreambooth"}, prior=1.0, snr_gamma=5.0),
    "dreambooth_text_encoder": GradientCase({"method": "dreambooth", "text_encoder": True}),
}


def compare(case: GradientCase) -> float:
    """The largest difference of a gradient from the reference's, as a share of the reference's largest."""
    base = load_base(read_base(EMBEDDED_FOLDER, embedded=True))
    base = dataclasses.replace(base, scheduler_config=base.scheduler_config | {"prediction_type": case.prediction})
    job = TrainingJob(
        TRIGGER, CLASS_WORD, "subject", Recipe(steps=100, seed=1, rank=RANK, lora_alpha=RANK, **case.recipe)
    )
    recipe = resolve(base, job, 6)
    learner = make_learner(base, AdapterBank(base.modules), job, recipe)
    rng = torch.Generator().manual_seed(7)
    parameters = [p for group in learner.groups for p in group["params"]]
    if recipe.method != "dreambooth":
        with torch.no_grad():
            for parameter in parameters:
                parameter += 0.02 * torch.randn(parameter.shape, generator=rng)
    batch, noise, timesteps = _inputs(case, rng)
    ours = _our_gradients(learner, base, batch, noise, timesteps, case)
    theirs = _their_gradients(learner, batch, noise, timesteps, case, base)
    learner.close()
    if ours.keys() != theirs.keys():
        raise AssertionError(f"different parameters learn: {sorted(ours.keys() ^ theirs.keys())[:3]}")
    largest = max(float(gradient.abs().max()) for gradient in theirs.values())
    return max(float((ours[name] - gradient).abs().max()) for name, gradient in theirs.items()) / largest


def _inputs(case: GradientCase, rng: torch.Generator) -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """Two photos and, with prior, two class pictures; random latents serve."""
    inversion = case.recipe.get("method") in {"textual_inversion", "pivotal"}
    latents = torch.randn(2, 12, 16, 16, generator=rng)
    captions = INVERSION_CAPTIONS if inversion else CAPTIONS
    batch = Batch((0, 1), latents, captions, torch.zeros(2, 6), torch.ones(2))
    if case.prior is not None:
        batch = add_class(batch, torch.randn(2, 12, 16, 16, generator=rng), CLASS_CAPTION, case.prior)
    noise = torch.randn(batch.latents.shape, generator=rng)
    return batch, noise, torch.tensor([812, 143, 655, 20])[: len(batch)]


def _our_gradients(
    learner: Learner, base: Base, batch: Batch, noise: torch.Tensor, timesteps: torch.Tensor, case: GradientCase
) -> dict[str, torch.Tensor]:
    scheduler = base.make_scheduler()
    errors = batch_losses(learner, scheduler, batch, noise, timesteps, case.step)
    (errors * batch_weights(scheduler, batch, timesteps, case.snr_gamma)).sum().backward()
    return {name: p.grad for name, p in _named(learner, base).items() if p.grad is not None}


def _named(learner: Any, base: Base) -> dict[str, torch.nn.Parameter]:
    """What learns, under the reference's names."""
    if isinstance(learner, InversionLearner):
        return {VECTORS: learner.vectors["text_encoder"]}
    parts = learner.tuned.modules if isinstance(learner, DreamBoothLearner) else base.modules
    named = {f"{part}.{name}": p for part, module in parts.items() for name, p in module.named_parameters()}
    if isinstance(learner, PivotalLearner):
        named[VECTORS] = learner.inversion.vectors["text_encoder"]
    return {name.replace("in_training", "default"): p for name, p in named.items()}


def _their_gradients(
    learner: Any, batch: Batch, noise: torch.Tensor, timesteps: torch.Tensor, case: GradientCase, base: Base
) -> dict[str, torch.Tensor]:
    """The reference's, from the same weights."""
    modules = load_modules()
    config = dict(modules.noise_scheduler.config) | {"prediction_type": case.prediction}
    table = modules.text_encoder.get_input_embeddings()
    for module in (modules.unet, modules.text_encoder):
        module.requires_grad_(isinstance(learner, DreamBoothLearner) and not _is_frozen(learner, module))
    ours = _named(learner, base)
    if VECTORS in ours:
        add_placeholders(modules, PLACEHOLDERS, CLASS_WORD)
        table = modules.text_encoder.get_input_embeddings()
        with torch.no_grad():
            table.weight[-len(PLACEHOLDERS) :] = ours[VECTORS]
        table.requires_grad_(case.step == 0)
    _add_adapters(modules, ours, case)
    caption = " ".join(PLACEHOLDERS) if VECTORS in ours else TRIGGER
    prompts = [words.replace(TRIGGER, caption) for words in batch.captions]
    ids = modules.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    reference_loss(
        modules.unet, DDPMScheduler.from_config(config), batch.latents, noise, timesteps,
        modules.text_encoder(ids)[0], prior_loss_weight=case.prior, snr_gamma=case.snr_gamma or None,
        snr_form="mended",
    ).backward()  # fmt: skip
    found = {f"unet.{name}": p.grad for name, p in modules.unet.named_parameters()}
    found |= {f"text_encoder.{name}": p.grad for name, p in modules.text_encoder.named_parameters()}
    if table.weight.grad is not None and VECTORS in ours:
        found[VECTORS] = table.weight.grad[-len(PLACEHOLDERS) :]
        found = {name: gradient for name, gradient in found.items() if not name.endswith("token_embedding.weight")}
    return {name: gradient for name, gradient in found.items() if gradient is not None}


def _is_frozen(learner: DreamBoothLearner, module: torch.nn.Module) -> bool:
    return isinstance(module, CLIPTextModel) and len(learner.groups) == 1


def _add_adapters(modules: Modules, ours: Mapping[str, torch.nn.Parameter], case: GradientCase) -> None:
    """LoRAs like ours, with our weights."""
    if case.recipe.get("method") in {"textual_inversion", "dreambooth"} or (VECTORS in ours and case.step == 0):
        return
    for part, module in (("unet", modules.unet), ("text_encoder", modules.text_encoder)):
        own = {name.removeprefix(f"{part}."): p for name, p in ours.items() if name.startswith(f"{part}.")}
        targets = sorted({name.split(".lora_")[0] for name in own if ".lora_" in name})
        if targets:
            module.add_adapter(
                LoraConfig(r=RANK, lora_alpha=RANK, target_modules=targets, use_dora=bool(case.recipe.get("dora")))
            )
            with torch.no_grad():
                for name, parameter in module.named_parameters():
                    if ".lora_" in name:
                        parameter.copy_(own[name])
