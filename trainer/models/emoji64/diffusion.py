"""The text encoder and the UNet of emoji-64, trained together from nothing on cached latents.

v-prediction (Salimans & Ho 2022, eq. 9) on a schedule with zero terminal SNR (Lin et al. 2024, algorithm 1), the
conditioning dropped in 10% of the pictures (Ho & Salimans 2022).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from trainer.models.emoji64.tokenizer import MAX_LENGTH
from trainer.models.emoji64.vae import LATENT_CHANNELS
from trainer.training.checkpoints import load_optimizer_tensors, load_state, optimizer_tensors, save_state

TEXT_WIDTH = 160
CONDITIONING_DROPOUT = 0.1


def make_scheduler() -> DDIMScheduler:
    """A plain background needs zero terminal SNR: with the usual schedule some of the picture's mean leaks through."""
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        clip_sample=False, set_alpha_to_one=True, steps_offset=0,
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing",
    )  # fmt: skip


def make_text_encoder(vocabulary: int, end_token: int) -> CLIPTextModel:
    """A CLIP text encoder, three layers of width 160."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary, hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH, num_hidden_layers=3,
            num_attention_heads=5, max_position_embeddings=MAX_LENGTH, hidden_act="quick_gelu",
            projection_dim=TEXT_WIDTH,
            bos_token_id=end_token - 1, eos_token_id=end_token, pad_token_id=end_token,
        )
    )  # fmt: skip


def make_unet() -> UNet2DConditionModel:
    """8 million parameters, most of them at 8 × 8 where the words act; 16 × 16 has convolutions alone."""
    return UNet2DConditionModel(
        sample_size=16, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 192), layers_per_block=1, cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=(2, 6),  # diffusers takes this for the number of heads: 32 channels each
        norm_num_groups=16,
    )  # fmt: skip


@dataclass
class Ema:
    """Exponential moving average of parameters, updated in one call."""

    parameters: list[torch.Tensor]
    decay: float = 0.9995

    def __post_init__(self) -> None:
        self.average = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the parameters; faster in the first steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)


def learning_rate_at(progress: float, peak: float) -> float:
    """Constant, then down to zero in a straight line over the last quarter (so that a run can be prolonged)."""
    return peak * min(1.0, (1.0 - progress) / 0.25 + 1e-3)


def train_diffusion(
    latents: torch.Tensor, tokens: torch.Tensor, empty: torch.Tensor, vocabulary: int, work: Path, *,
    steps: int, batch: int = 32, peak: float = 1e-3, seed: int = 0, minutes: float = 150, stop_after: int | None = None,
) -> bool:  # fmt: skip
    """Train on scaled latents (N, C, 16, 16) and token ids (N, 77); True when all steps are done.

    Resumes from ``work/diffusion.safetensors``; stops after ``minutes`` (or ``stop_after`` steps of
    this call) with a checkpoint, to be called again.
    ``work/steps`` may hold another number of steps, read at every checkpoint, so that a run can be cut or prolonged.
    """
    torch.manual_seed(seed)
    scheduler, unet = make_scheduler(), make_unet()
    text_encoder = make_text_encoder(vocabulary, int(empty[-1]))
    parameters = [*unet.parameters(), *text_encoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=peak, betas=(0.9, 0.99), weight_decay=0.01, foreach=True)
    ema = Ema(parameters)
    checkpoint, start = work / "diffusion.safetensors", 0
    if checkpoint.exists():
        start, parts = load_state(checkpoint)
        unet.load_state_dict(parts["unet"])
        text_encoder.load_state_dict(parts["text_encoder"])
        load_optimizer_tensors(optimizer, parts.get("optimizer", {}))
        ema.average = [parts["ema"][str(index)] for index in range(len(parameters))]
    alphas = scheduler.alphas_cumprod
    deadline, running, began = time.monotonic() + 60 * minutes, 0.0, time.monotonic()
    for step in range(start, steps):
        rng = torch.Generator().manual_seed(seed * 1_000_003 + step)
        rows = torch.randint(len(latents), (batch,), generator=rng)
        dropped = torch.rand(batch, generator=rng) < CONDITIONING_DROPOUT
        ids = torch.where(dropped[:, None], empty, tokens[rows].long())
        clean = latents[rows].float()
        noise = torch.randn(clean.shape, generator=rng)
        # stratified timesteps: the same distribution, less variance
        timesteps = ((torch.arange(batch) + torch.rand(batch, generator=rng)) / batch * 1000).long()
        alpha, sigma = (a.sqrt()[:, None, None, None] for a in (alphas[timesteps], 1 - alphas[timesteps]))
        target = alpha * noise - sigma * clean
        model_pred = unet(alpha * clean + sigma * noise, timesteps, text_encoder(ids).last_hidden_state).sample
        loss = F.mse_loss(model_pred, target)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step / steps, peak) * min(1.0, (step + 1) / 200)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        ema.update(step)
        running += loss.item()
        done = step + 1 == steps
        late = time.monotonic() > deadline or step + 1 - start == stop_after
        if (step + 1) % 50 == 0:
            speed = (step + 1 - start) * batch / (time.monotonic() - began)
            print(f"diffusion step {step + 1}/{steps}: loss {running / 50:.4f}, {speed:.1f} pictures/s", flush=True)
            running = 0.0
        if (step + 1) % 200 == 0 or done or late:
            average = {str(index): tensor for index, tensor in enumerate(ema.average)}
            parts = {"unet": unet.state_dict(), "text_encoder": text_encoder.state_dict(), "ema": average,
                     "optimizer": optimizer_tensors(optimizer)}  # fmt: skip
            save_state(checkpoint, step + 1, parts)
            if (work / "steps").exists():
                return_at = int((work / "steps").read_text())
                steps = max(return_at, step + 1)
            if step + 1 >= steps:
                return True
        if late:
            return False
    return True


def load_averaged(work: Path, vocabulary: int, end_token: int) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The UNet and the text encoder of the newest checkpoint, with the averaged weights."""
    _, parts = load_state(work / "diffusion.safetensors")
    unet, text_encoder = make_unet(), make_text_encoder(vocabulary, end_token)
    with torch.no_grad():
        for index, parameter in enumerate([*unet.parameters(), *text_encoder.parameters()]):
            parameter.copy_(parts["ema"][str(index)])
    return unet, text_encoder
