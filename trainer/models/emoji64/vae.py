"""The VAE of emoji-64: an AutoencoderTiny, factor 4, whose encoder begins as principal components of 4 × 4 patches.

``EncoderTiny`` without blocks is linear: two 3 × 3 convolutions can gather a 4 × 4 patch and a third one can project
it, so the encoder starts with whitened, well-scaled latents and the decoder learns from the first step on. (A network
that starts at random spent most of its time finding the patch basis: 24 dB where this one has 27.)
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny

from trainer.models.emoji64.pool import to_pixels
from trainer.training.checkpoints import load_optimizer_tensors, load_state, optimizer_tensors, save_state

LATENT_CHANNELS = 12
_WIDTH = 48  # = 4 · 4 · 3, a patch's numbers: the smallest width at which the gathering loses nothing


def make_vae() -> AutoencoderTiny:
    """The VAE before training."""
    return AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(_WIDTH,) * 3,
        decoder_block_out_channels=(_WIDTH,) * 3,
        num_encoder_blocks=(0, 0, 0),
        num_decoder_blocks=(3, 1, 0),
        act_fn="silu",
    )


def principal_components(pixels: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean (48,), components (48, count) and standard deviations (count,) of 4 × 4 patches of pixels (N, 3, H, W)."""
    patches = F.unfold(pixels, 4, stride=4).transpose(1, 2).reshape(-1, 48)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    return mean, vectors[:, -count:].flip(1), values[-count:].flip(0).sqrt()


@torch.no_grad()
def start_from_components(vae: AutoencoderTiny, pixels: torch.Tensor) -> None:
    """Set the encoder so that it projects 4 × 4 patches on their principal components, each scaled to unit variance."""
    # the encoder maps [-1, 1] to [0, 1] before its first layer
    mean, components, scales = principal_components(pixels.add(1).div(2), LATENT_CHANNELS)
    gather, first, second, project = vae.encoder.layers
    for conv in (gather, first, second, project):
        conv.weight.normal_(std=1e-3)
        if conv.bias is not None:
            conv.bias.zero_()
    # channel (dy, dx, c) of `gather` is the pixel c at offset (dy, dx); kernels are centred, so offset 0 is index 1
    for dy in range(2):
        for dx in range(2):
            for c in range(3):
                gather.weight[(dy * 2 + dx) * 3 + c, c, 1 + dy, 1 + dx] = 1.0
    for k in range(12):
        first.weight[k, k, 1, 1] = 1.0  # stride 2: keeps each 2 × 2 cell once
    for ey in range(2):
        for ex in range(2):
            for k in range(12):
                second.weight[(ey * 2 + ex) * 12 + k, k, 1 + ey, 1 + ex] = 1.0  # four cells: the whole patch
    for ey in range(2):
        for ex in range(2):
            for dy in range(2):
                for dx in range(2):
                    for c in range(3):
                        source = (ey * 2 + ex) * 12 + (dy * 2 + dx) * 3 + c
                        row = c * 16 + (2 * ey + dy) * 4 + 2 * ex + dx  # the order of F.unfold
                        project.weight[:, source, 1, 1] = components[row] / scales
    project.bias.copy_(-(mean @ components) / scales)


def reconstruction_loss(reconstruction: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Squared error, which is what PSNR measures, and the absolute error of the gradients, which keeps edges sharp."""
    loss = F.mse_loss(reconstruction, pixels) * 10
    for dim in (2, 3):
        loss = loss + 0.15 * F.l1_loss(reconstruction.diff(dim=dim), pixels.diff(dim=dim))
    return loss


def psnr_db(reconstruction: torch.Tensor, pixels: torch.Tensor) -> float:
    """Mean peak signal-to-noise ratio over pictures in [-1, 1], in dB."""
    mse = ((reconstruction.clamp(-1, 1) - pixels) / 2).square().flatten(1).mean(1)
    return float((-10 * mse.log10()).mean())


def train_vae(
    pictures: torch.Tensor, work: Path, *, steps: int, batch: int = 16, learning_rate: float = 2e-3, seed: int = 0
) -> AutoencoderTiny:
    """Train on uint8 pictures (N, 3, 64, 64); resumes from ``work/vae.safetensors``."""
    torch.manual_seed(seed)
    vae = make_vae()
    start_from_components(vae, to_pixels(pictures[:1000]))
    held_out, pictures = to_pixels(pictures[-256:]), pictures[:-256]
    optimizer = torch.optim.AdamW(vae.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    checkpoint, start = work / "vae.safetensors", 0
    if checkpoint.exists():
        start, parts = load_state(checkpoint)
        vae.load_state_dict(parts["vae"])
        load_optimizer_tensors(optimizer, parts.get("optimizer", {}))
    for step in range(start, steps):
        rng = torch.Generator().manual_seed(seed * 1_000_003 + step)
        pixels = to_pixels(pictures[torch.randint(len(pictures), (batch,), generator=rng)])
        latents = vae.encoder(pixels)
        noisy = latents + 0.05 * torch.randn(latents.shape, generator=rng)
        spread = (latents.std(dim=(0, 2, 3)) - 1).square().mean() + latents.mean(dim=(0, 2, 3)).square().mean()
        loss = reconstruction_loss(vae.decoder(noisy), pixels) + 0.01 * spread  # keeps the latents near N(0, 1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for group in optimizer.param_groups:
            warm, rest = min(1.0, (step + 1) / (0.05 * steps)), (1 + math.cos(math.pi * step / steps)) / 2
            group["lr"] = learning_rate * warm * rest
        optimizer.step()
        if (step + 1) % 250 == 0 or step + 1 == steps:
            with torch.no_grad():
                print(
                    f"vae step {step + 1}: {psnr_db(vae.decoder(vae.encoder(held_out)), held_out):.2f} dB", flush=True
                )
            save_state(checkpoint, step + 1, {"vae": vae.state_dict(), "optimizer": optimizer_tensors(optimizer)})
    return vae
