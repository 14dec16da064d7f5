"""Ours against the reference: the gradients of one step on the same latents, noise, timesteps and captions.

``compare(sides, method)`` gives both the same weights on one base, and returns for each loss the largest
difference of a gradient as a share of the largest of its part: the UNet, or one of the text encoders.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from peft import LoraConfig
from PIL import Image

from tests.benchmarks.families import FamilyModules, encode_prompts, load_family, time_ids
from tests.benchmarks.reference import ATTENTION, TEXT_ATTENTION, add_placeholders, reference_loss
from tests.trainer.bases import FAMILIES, make_base
from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Recipe
from trainer.models.emoji64.report import finish
from trainer.models.loading import Base, load_base, size_conditioning
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.training.dataset import Batch, TrainingPhoto, add_class, cache_photos, draw_batch
from trainer.training.dreambooth import DreamBoothLearner
from trainer.training.inversion import InversionLearner
from trainer.training.learner import Learner
from trainer.training.losses import batch_losses, batch_weights
from trainer.training.pivotal import PivotalLearner
from trainer.training.preparing import TrainingJob, make_learner, resolve
from trainer.training.recipes import CONVOLUTIONS, FEED_FORWARD

TRIGGER, CLASS_WORD = "thnos", "fox"  # which is one token, as textual_inversion.py wants it
CAPTIONS = ("a photo of thnos fox", "thnos fox")
INVERSION_CAPTIONS = ("a photo of thnos", "a picture of thnos")
CLASS_CAPTION = "a photo of fox"
PLACEHOLDERS = ("<subject>", "<subject>_1")
PHOTO_SIZES = ((400, 160), (320, 200))  # of one wide bucket, cropped at the sides and at top and bottom
RANK = 4
PRIOR_WEIGHT = 0.7
LATER = 10_000  # a step at which words and text encoders have stopped learning
VECTORS = "vectors"
Gradients = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Method:
    """What learns, and at which step it is looked at."""

    recipe: dict[str, Any] = field(default_factory=dict)
    step: int = 0

    @property
    def name(self) -> str:
        """The recipe's."""
        return str(self.recipe.get("method", "lora"))

    @property
    def trains_words(self) -> bool:
        """Whether vectors learn at this step."""
        return self.name in {"textual_inversion", "pivotal"} and self.step < LATER

    @property
    def has_adapters(self) -> bool:
        """Whether a LoRA is there at this step."""
        return self.name == "lora" or (self.name == "pivotal" and self.step == LATER)

    @property
    def trains_text_encoders(self) -> bool:
        """Whether they learn at this step, as a whole or by a LoRA."""
        return bool(self.recipe.get("text_encoder")) and self.step < LATER


METHODS: dict[str, Method] = {
    "lora": Method(),
    "lora_text_encoder": Method({"text_encoder": True}),
    "lora_text_encoder_stopped": Method({"text_encoder": True}, LATER),
    "dora": Method({"dora": True, "text_encoder": True}),
    "textual_inversion": Method({"method": "textual_inversion", "vectors": 2}),
    "pivotal_word": Method({"method": "pivotal", "vectors": 2}),
    "pivotal_lora": Method({"method": "pivotal", "vectors": 2}, LATER),
    "dreambooth": Method({"method": "dreambooth"}),
    "dreambooth_text_encoder": Method({"method": "dreambooth", "text_encoder": True}),
}


@dataclass(frozen=True)
class Loss:
    """``turned``: the other prediction than the base's own; ``snr_gamma`` 0: off."""

    turned: bool = False
    snr_gamma: float = 0.0
    prior: bool = False

    @property
    def name(self) -> str:
        """Such as ``other_prediction_prior_min_snr``, or ``plain``."""
        named = ("other_prediction" * self.turned, "prior" * self.prior, "min_snr" * bool(self.snr_gamma))
        return "_".join(filter(None, named)) or "plain"

    def predict(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A scheduler's config with this loss's prediction."""
        known = {key: value for key, value in config.items() if key != "_use_default_values"}  # which would undo it
        other = "epsilon" if config["prediction_type"] == "v_prediction" else "v_prediction"
        return {**known, "prediction_type": other if self.turned else config["prediction_type"]}


LOSSES = (Loss(), Loss(prior=True), Loss(snr_gamma=5.0), Loss(turned=True, snr_gamma=5.0, prior=True))


@dataclass(frozen=True)
class Inputs:
    """Two photos and one class picture as a step draws them, with noise and a timestep for each."""

    photos: Batch
    class_latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor

    @property
    def target(self) -> tuple[int, int]:
        """(width, height) of what is learned from."""
        height, width = self.photos.time_ids[0, 4:].int().tolist()
        return width, height

    def batch(self, *, prior: bool) -> Batch:
        """Ours: half as many class pictures as photos."""
        if not prior:
            return self.photos
        sizes = size_conditioning(self.target, (0, 0), self.target)
        return add_class(self.photos, self.class_latents, CLASS_CAPTION, PRIOR_WEIGHT, sizes)


# -- comparison -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sides:
    """One base as we load it and as the scripts do, both in float64.

    What is compared is the arithmetic and not its rounding, which random weights make as large as 1e-5.
    """

    base: Base
    modules: FamilyModules


def make_tiny_bases(folder: Path) -> dict[str, Path]:
    """The embedded base, and random ones in the three families' true layouts, which are made in ``folder``."""
    return {"emoji-64": EMBEDDED_FOLDER, **{family: make_base(folder / family, family) for family in FAMILIES}}


def load_sides(folder: Path) -> Sides:
    """Read the base in ``folder`` twice."""
    base, modules = load_base(read_base(folder, embedded=folder == EMBEDDED_FOLDER)), load_family(folder)
    towers = (tower.text_encoder for tower in base.towers)
    for module in (base.unet, *towers, *modules.parts.values()):
        module.double()
    return Sides(dataclasses.replace(base, weight_dtype=torch.float64), modules)


def compare(sides: Sides, method: Method, losses: tuple[Loss, ...] = LOSSES) -> dict[str, float]:
    """By loss the largest difference of a gradient, as a share of the reference's largest in the same part."""
    base, modules = sides.base, copy.deepcopy(sides.modules)
    recipe = Recipe(steps=100, seed=1, rank=RANK, lora_alpha=RANK, **method.recipe)
    job = TrainingJob(TRIGGER, CLASS_WORD, "subject", recipe)
    learner = make_learner(base, AdapterBank(base.modules), job, resolve(base, job, 6))
    try:
        rng = torch.Generator().manual_seed(7)
        prepare_ours(learner, method, rng)
        inputs = draw_inputs(base, method, rng)
        prepare_reference(modules, method, named_parameters(learner, base))
        errors = {}
        for loss in losses:
            ours = our_gradients(learner, base, inputs, loss, method)
            errors[loss.name] = largest_difference(ours, their_gradients(modules, inputs, loss, method))
        return errors
    finally:
        learner.close()


def largest_difference(ours: Gradients, theirs: Gradients) -> float:
    """As a share of the largest of the same part; the worst part's."""
    if ours.keys() != theirs.keys():
        raise AssertionError(f"different parameters learn: {sorted(ours.keys() ^ theirs.keys())[:3]}")
    difference: dict[str, float] = {}
    largest: dict[str, float] = {}
    for name, gradient in theirs.items():
        part = name.split(".")[0]
        difference[part] = max(difference.get(part, 0.0), float((ours[name] - gradient).abs().max()))
        largest[part] = max(largest.get(part, 0.0), float(gradient.abs().max()))
    if not largest or not all(0 < value < math.inf for value in largest.values()):
        raise AssertionError(f"nothing to compare: {largest}")
    return max(difference[part] / largest[part] for part in largest)


def draw_inputs(base: Base, method: Method, rng: torch.Generator) -> Inputs:
    """Photos that go through our own cache; random latents serve as the class's."""
    captions = INVERSION_CAPTIONS if method.name in {"textual_inversion", "pivotal"} else CAPTIONS
    images = [Image.new("RGB", size, colour) for size, colour in zip(PHOTO_SIZES, ("red", "green"), strict=True)]
    photos = [TrainingPhoto(image, (caption,)) for image, caption in zip(images, captions, strict=True)]
    resolution = 64 if base.spec.embedded else 96
    batch = draw_batch(finish(cache_photos(base, photos, resolution=resolution)), (0, 1), captions, rng)
    batch = dataclasses.replace(batch, latents=batch.latents.double())
    class_latents = torch.randn(batch.latents[:1].shape, generator=rng, dtype=torch.float64)
    noise = torch.randn(3, *batch.latents.shape[1:], generator=rng, dtype=torch.float64)
    return Inputs(batch, class_latents, noise, torch.tensor([812, 143, 655]))


# -- ours -------------------------------------------------------------------------------------------------------------


def prepare_ours(learner: Any, method: Method, rng: torch.Generator) -> None:
    """Everything that learns to float64; adapters and vectors away from where they start, where much is 0."""
    if isinstance(learner, DreamBoothLearner):
        for module in (learner.tuned.unet, *(tower.text_encoder for tower in learner.tuned.towers)):
            module.double()
        learner.tuned.weight_dtype = torch.float64
        return
    for parameter in (p for group in learner.groups for p in group["params"]):
        parameter.data = parameter.data.double() + 0.02 * torch.randn(parameter.shape, generator=rng)


def our_gradients(learner: Learner, base: Base, inputs: Inputs, loss: Loss, method: Method) -> Gradients:
    """Those of our loss, by the reference's names."""
    scheduler = DDIMScheduler.from_config(loss.predict(base.make_scheduler().config))
    batch = inputs.batch(prior=loss.prior)
    noise, timesteps = inputs.noise[: len(batch)], inputs.timesteps[: len(batch)]
    parameters = named_parameters(learner, base)
    for parameter in parameters.values():
        parameter.grad = None
    errors = batch_losses(learner, scheduler, batch, noise, timesteps, method.step)
    (errors * batch_weights(scheduler, batch, timesteps, loss.snr_gamma)).sum().backward()
    return {name: p.grad for name, p in parameters.items() if p.grad is not None}


def named_parameters(learner: Any, base: Base) -> dict[str, torch.nn.Parameter]:
    """What may learn, under the reference's names."""
    if isinstance(learner, InversionLearner):
        return {f"{tower}.{VECTORS}": vectors for tower, vectors in learner.vectors.items()}
    parts = learner.tuned.modules if isinstance(learner, DreamBoothLearner) else base.modules
    named = {f"{part}.{name}": p for part, module in parts.items() for name, p in module.named_parameters()}
    if isinstance(learner, PivotalLearner):
        named |= {f"{tower}.{VECTORS}": vectors for tower, vectors in learner.inversion.vectors.items()}
    return {name.replace("in_training", "default"): p for name, p in named.items()}


# -- the reference ----------------------------------------------------------------------------------------------------


def prepare_reference(modules: FamilyModules, method: Method, ours: Mapping[str, torch.nn.Parameter]) -> None:
    """Placeholders, adapters and what learns, as the method's script has it, with our weights."""
    texts = [name for name in modules.parts if name != "unet"]
    if method.name in {"textual_inversion", "pivotal"}:
        for name, tower in zip(texts, modules.towers, strict=True):
            add_placeholders(tower.tokenizer, tower.text_encoder, PLACEHOLDERS, CLASS_WORD)
            table = tower.text_encoder.get_input_embeddings().requires_grad_(method.trains_words)
            with torch.no_grad():
                table.weight[-len(PLACEHOLDERS) :] = ours[f"{name}.{VECTORS}"]
    if method.name == "dreambooth":
        for name in ["unet", *(texts if method.trains_text_encoders else ())]:
            modules.parts[name].requires_grad_(True)
        for tower in modules.towers[1:]:
            tower.text_encoder.text_projection.requires_grad_(False)  # ours leaves it alone
    if method.has_adapters:
        wide = any(".ff.net." in name for name in ours if ".lora_" in name)  # emoji-64's recipe
        add_adapter(modules, "unet", (*ATTENTION, *FEED_FORWARD, *CONVOLUTIONS) if wide else ATTENTION, method, ours)
        for name in texts if method.recipe.get("text_encoder") else ():
            add_adapter(modules, name, TEXT_ATTENTION, method, ours)


def add_adapter(
    modules: FamilyModules, part: str, targets: tuple[str, ...], method: Method, ours: Mapping[str, torch.nn.Parameter]
) -> None:
    """A LoRA with our weights; once it has stopped learning, a text encoder's stays where it is."""
    module = modules.parts[part]
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(targets), use_dora=bool(method.recipe.get("dora")))
    module.add_adapter(config)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if ".lora_" in name:
                parameter.copy_(ours[f"{part}.{name.removeprefix('text_model.')}"])
                parameter.requires_grad_(part == "unet" or method.trains_text_encoders)


def their_gradients(modules: FamilyModules, inputs: Inputs, loss: Loss, method: Method) -> Gradients:
    """Those of the scripts' loss, whose batch has as many class pictures as photos: here the same one twice."""
    rows = [0, 1, 2, 2] if loss.prior else [0, 1]
    latents = torch.cat([inputs.photos.latents, inputs.class_latents])[rows]
    captions = [(*inputs.photos.captions, CLASS_CAPTION)[row] for row in rows]
    if method.name in {"textual_inversion", "pivotal"}:
        captions = [caption.replace(TRIGGER, " ".join(PLACEHOLDERS)) for caption in captions]
    for module in modules.parts.values():
        module.zero_grad()
    embeddings, pooled = encode_prompts(modules, captions)
    added = None
    if pooled is not None:
        sizes = [*PHOTO_SIZES, inputs.target]
        added = {
            "text_embeds": pooled,
            "time_ids": torch.stack([time_ids(sizes[row], inputs.target) for row in rows]),
        }
    reference_loss(
        modules.unet, DDPMScheduler.from_config(loss.predict(modules.noise_scheduler.config)), latents,
        inputs.noise[rows], inputs.timesteps[rows], embeddings, prior_loss_weight=PRIOR_WEIGHT if loss.prior else None,
        snr_gamma=loss.snr_gamma or None, snr_form="mended", added_cond_kwargs=added,
    ).backward()  # fmt: skip
    found: Gradients = {}
    for part, module in modules.parts.items():
        for name, parameter in module.named_parameters():
            if parameter.grad is None:
                continue
            if method.trains_words and name.endswith("token_embedding.weight"):
                found[f"{part}.{VECTORS}"] = parameter.grad[-len(PLACEHOLDERS) :]
            else:
                found[f"{part}.{name.removeprefix('text_model.')}"] = parameter.grad
    return found
