"""The reference: what diffusers' training scripts do in a step, in their order, and nothing that they don't do.

Written from reading ``train_dreambooth_lora.py``, ``train_dreambooth.py`` and ``textual_inversion.py``. Every step
reads the photos from disk, encodes them, runs the text encoder, predicts, goes back, clips, steps, and waits for the
loss.

Left out, each in the reference's favour: accelerate's wrappers, the progress bar, trackers, validation pictures, and
attention masks that the scripts carry along unused. Changed: random numbers come from generators of the stepper's own
instead of the global one, so that runs in turn don't disturb each other; and an AutoencoderTiny, which the scripts
would refuse, is taken (its latents are not sampled).

Not mended, since the issue compares speed and memory against it: photos are opened, resized and encoded at every step;
the loss is fetched at every step; textual inversion keeps gradients and Adam's moments of the whole vocabulary and
restores the other rows after each step; it ignores the orientation in EXIF, presses every shape into a square and
mirrors half the pictures; an epoch's last batch may be smaller; min-SNR is as :mod:`tests.benchmarks.faults` says
unless ``snr_form="mended"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, AutoencoderTiny, DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from peft import LoraConfig
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.benchmarks.bases import Modules, load_modules
from tests.benchmarks.faults import Form, snr_weights
from tests.benchmarks.photos import (
    DreamBoothPhotos,
    Example,
    InversionPhotos,
    collate_dreambooth,
    epochs_without_end,
)

ATTENTION = ("to_k", "to_q", "to_v", "to_out.0", "add_k_proj", "add_v_proj")
TEXT_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
MAX_GRAD_NORM = 1.0

Watch = Callable[[str], AbstractContextManager[object]]
"""Told the name of each part of a step: data, vae, text, unet, backward, optimizer."""


def untimed(part: str) -> AbstractContextManager[object]:
    """The watch that looks away."""
    return nullcontext()


def sample_latents(vae: AutoencoderKL | AutoencoderTiny, pixels: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Scaled latents (B, C, h, w) of pixels (B, 3, H, W), encoded anew and sampled."""
    encoded = vae.encode(pixels)
    latents = encoded.latents if isinstance(vae, AutoencoderTiny) else encoded.latent_dist.sample(rng)
    return latents * vae.config.scaling_factor


def reference_loss(
    unet: UNet2DConditionModel,
    noise_scheduler: DDPMScheduler,
    latents: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
    encoder_hidden_states: torch.Tensor,
    *,
    prior_loss_weight: float | None = None,
    snr_gamma: float | None = None,
    snr_form: Form = "script",
    added_cond_kwargs: dict[str, torch.Tensor] | None = None,
) -> torch.Tensor:
    """The scripts' loss, a scalar, of given latents and noise (B, C, h, w), timesteps (B,) and embeddings (B, 77, D).

    With ``prior_loss_weight`` all of them are 2B rows, first the instance's, then the class's. Min-SNR weighs the
    instance's half alone, as in every script that has it. ``added_cond_kwargs`` are SDXL's.
    """
    noisy_latents = noise_scheduler.add_noise(latents, noise, timesteps)
    model_pred = unet(noisy_latents, timesteps, encoder_hidden_states, added_cond_kwargs=added_cond_kwargs).sample
    if noise_scheduler.config.prediction_type == "v_prediction":
        target = noise_scheduler.get_velocity(latents, noise, timesteps)
    else:
        target = noise
    prior_loss = None
    if prior_loss_weight is not None:
        model_pred, model_pred_prior = model_pred.chunk(2)
        target, target_prior = target.chunk(2)
        prior_loss = F.mse_loss(model_pred_prior.float(), target_prior.float())
    if snr_gamma is None:
        loss = F.mse_loss(model_pred.float(), target.float())
    else:
        weights = snr_weights(noise_scheduler, timesteps, snr_gamma, len(target), snr_form)
        squares = F.mse_loss(model_pred.float(), target.float(), reduction="none")
        loss = (squares.mean(dim=(1, 2, 3)) * weights).mean()
    return loss if prior_loss is None else loss + prior_loss_weight * prior_loss


class ReferenceStep:
    """What the scripts' loops have in common. ``step()`` is one whole step; it returns the loss.

    ``modules`` are trained in place. ``parameters`` are those that train, in the optimizer's order.
    """

    def __init__(
        self, modules: Modules, parameters: list[torch.nn.Parameter], *, learning_rate: float, seed: int, watch: Watch
    ) -> None:
        self.modules = modules
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(
            parameters, lr=learning_rate, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8
        )
        self.lr_scheduler = get_scheduler("constant", optimizer=self.optimizer)
        self._rng = torch.Generator().manual_seed(seed)
        self._watch = watch
        self._batches: Iterator[Example] = iter(())

    def step(self) -> float:
        """One step as the script takes it, from the photos' files to the loss as a number."""
        with self._watch("data"):
            batch = next(self._batches)
        with self._watch("vae"):
            latents = sample_latents(self.modules.vae, batch["pixel_values"], self._rng)
        noise = torch.randn(latents.shape, generator=self._rng)
        count = self.modules.noise_scheduler.config.num_train_timesteps
        timesteps = torch.randint(0, count, (len(latents),), generator=self._rng)
        with self._watch("text"):
            encoder_hidden_states = self.modules.text_encoder(batch["input_ids"])[0]
        with self._watch("unet"):
            loss = self._loss(latents, noise, timesteps, encoder_hidden_states)
        with self._watch("backward"):
            loss.backward()
        with self._watch("optimizer"):
            self._update()
            return loss.detach().item()

    def _serve(self, dataset: Dataset[Example], batch: int, collate: Callable[[list[Example]], Example] | None) -> None:
        loader = DataLoader(dataset, batch, shuffle=True, collate_fn=collate, num_workers=0, generator=self._rng)
        self._batches = epochs_without_end(loader)

    def _loss(
        self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, encoder_hidden_states: torch.Tensor
    ) -> torch.Tensor:
        scheduler = self.modules.noise_scheduler
        return reference_loss(self.modules.unet, scheduler, latents, noise, timesteps, encoder_hidden_states)

    def _update(self) -> None:
        self.optimizer.step()
        self.lr_scheduler.step()
        self.optimizer.zero_grad()


class ReferenceDreamBooth(ReferenceStep):
    """``train_dreambooth.py``: the whole UNet, and the text encoder where asked.

    ``class_pictures`` with ``class_prompt`` switch prior preservation on; a batch then has twice as many rows.
    """

    def __init__(
        self,
        base: Path | Modules,
        photos: Sequence[Path],
        *,
        instance_prompt: str,
        class_pictures: Sequence[Path] = (),
        class_prompt: str = "",
        prior_loss_weight: float = 1.0,
        learning_rate: float = 5e-6,
        batch: int = 4,
        snr_gamma: float | None = None,
        snr_form: Form = "script",
        train_text_encoder: bool = False,
        center_crop: bool = False,
        seed: int = 0,
        watch: Watch = untimed,
    ) -> None:
        modules = base if isinstance(base, Modules) else load_modules(base)
        self._prior_loss_weight = prior_loss_weight if class_pictures else None
        self._snr_gamma, self._snr_form = snr_gamma, snr_form
        modules.vae.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            parameters = self._choose_parameters(modules, train_text_encoder)
        modules.unet.train()
        modules.text_encoder.train(train_text_encoder)
        super().__init__(modules, parameters, learning_rate=learning_rate, seed=seed, watch=watch)
        dataset = DreamBoothPhotos(
            photos,
            instance_prompt,
            modules.tokenizer,
            modules.resolution,
            class_pictures=class_pictures,
            class_prompt=class_prompt,
            center_crop=center_crop,
            rng=self._rng,
        )
        self._serve(dataset, batch, collate_dreambooth)

    def _choose_parameters(self, modules: Modules, train_text_encoder: bool) -> list[torch.nn.Parameter]:
        modules.text_encoder.requires_grad_(train_text_encoder)
        modules.unet.requires_grad_(True)
        text = modules.text_encoder.parameters() if train_text_encoder else ()
        return [*modules.unet.parameters(), *text]

    def _loss(
        self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, encoder_hidden_states: torch.Tensor
    ) -> torch.Tensor:
        return reference_loss(
            self.modules.unet,
            self.modules.noise_scheduler,
            latents,
            noise,
            timesteps,
            encoder_hidden_states,
            prior_loss_weight=self._prior_loss_weight,
            snr_gamma=self._snr_gamma,
            snr_form=self._snr_form,
        )

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, MAX_GRAD_NORM)
        self.optimizer.step()
        self.lr_scheduler.step()
        self.optimizer.zero_grad(set_to_none=self._sets_grads_to_none)

    _sets_grads_to_none = False  # --set_grads_to_none is off unless asked for


class ReferenceLora(ReferenceDreamBooth):
    """``train_dreambooth_lora.py``: a LoRA on the UNet, and on the text encoder where asked.

    The script knows attention and rank alone (alpha is the rank); ``target_modules`` and ``lora_alpha`` let it train
    the same as ours. It has no min-SNR either: with ``snr_gamma`` the loss is that of ``train_dreambooth.py``.
    """

    _sets_grads_to_none = True

    def __init__(
        self,
        base: Path | Modules,
        photos: Sequence[Path],
        *,
        rank: int = 4,
        lora_alpha: float | None = None,
        target_modules: Sequence[str] = ATTENTION,
        learning_rate: float = 5e-4,
        **options: Any,
    ) -> None:
        self._rank = rank
        self._lora_alpha = rank if lora_alpha is None else lora_alpha
        self._target_modules = target_modules
        super().__init__(base, photos, learning_rate=learning_rate, **options)

    def _choose_parameters(self, modules: Modules, train_text_encoder: bool) -> list[torch.nn.Parameter]:
        modules.unet.requires_grad_(False)
        modules.text_encoder.requires_grad_(False)
        modules.unet.add_adapter(self._config(self._target_modules))
        if train_text_encoder:
            modules.text_encoder.add_adapter(self._config(TEXT_ATTENTION))
        both = (*modules.unet.parameters(), *modules.text_encoder.parameters())
        return [parameter for parameter in both if parameter.requires_grad]

    def _config(self, target_modules: Sequence[str]) -> LoraConfig:
        return LoraConfig(
            r=self._rank,
            lora_alpha=self._lora_alpha,
            init_lora_weights="gaussian",
            target_modules=list(target_modules),
        )


class ReferenceInversion(ReferenceStep):
    """``textual_inversion.py``: placeholder tokens whose vectors begin as the initializer's.

    The optimizer holds the whole vocabulary; after each step every other row is restored from a copy. The script raises
    for an initializer of several tokens, and so does this.
    """

    def __init__(
        self,
        base: Path | Modules,
        photos: Sequence[Path],
        *,
        initializer_token: str,
        placeholder_token: str = "<subject>",
        num_vectors: int = 1,
        learning_rate: float = 1e-4,
        batch: int = 16,
        repeats: int = 100,
        seed: int = 0,
        watch: Watch = untimed,
    ) -> None:
        modules = base if isinstance(base, Modules) else load_modules(base)
        names = [placeholder_token, *(f"{placeholder_token}_{index}" for index in range(1, num_vectors))]
        self.placeholder_ids = add_placeholders(modules.tokenizer, modules.text_encoder, names, initializer_token)
        embeddings = modules.text_encoder.get_input_embeddings()
        modules.vae.requires_grad_(False)
        modules.unet.requires_grad_(False)
        modules.text_encoder.requires_grad_(False)
        embeddings.requires_grad_(True)
        modules.text_encoder.train()
        super().__init__(modules, [embeddings.weight], learning_rate=learning_rate, seed=seed, watch=watch)
        self._original = embeddings.weight.detach().clone()
        dataset = InversionPhotos(
            photos, " ".join(names), modules.tokenizer, modules.resolution, repeats=repeats, seed=seed
        )
        self._serve(dataset, batch, None)

    def text_part(self, input_ids: torch.Tensor, gradient: torch.Tensor) -> None:
        """The text encoder's part of a step alone: forward, back from a gradient (B, 77, D), and the update."""
        self.modules.text_encoder(input_ids)[0].backward(gradient)
        self._update()

    def _update(self) -> None:
        super()._update()
        table = self.modules.text_encoder.get_input_embeddings().weight
        unchanged = torch.ones(len(table), dtype=torch.bool)
        unchanged[min(self.placeholder_ids) : max(self.placeholder_ids) + 1] = False
        with torch.no_grad():
            table[unchanged] = self._original[unchanged]


def add_placeholders(
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel | CLIPTextModelWithProjection,
    names: Sequence[str],
    initializer_token: str,
) -> list[int]:
    """Add tokens to the tokenizer and rows to the text encoder, each a copy of the initializer's; their ids."""
    rows = text_encoder.get_input_embeddings().num_embeddings
    if tokenizer.add_tokens(list(names)) != len(names):
        raise ValueError(f"the tokenizer already has the token {names[0]}; choose another placeholder_token")
    initializer = tokenizer.encode(initializer_token, add_special_tokens=False)
    if len(initializer) > 1:
        raise ValueError(f"{initializer_token} is {len(initializer)} tokens; the initializer must be a single token")
    # a table longer than its tokenizer's vocabulary, as in the random SD1.5 shape, grows as well
    _resize(text_encoder, max(len(tokenizer), rows + len(names)))
    ids = tokenizer.convert_tokens_to_ids(list(names))
    table = text_encoder.get_input_embeddings().weight.data
    for token_id in ids:
        table[token_id] = table[initializer[0]].clone()
    return list(ids)


def _resize(text_encoder: CLIPTextModel | CLIPTextModelWithProjection, rows: int) -> None:
    text_encoder.resize_token_embeddings(rows, mean_resizing=False)
