"""Builds emoji-64 from nothing: ``python -m trainer.models.emoji64.build --work FOLDER``.

Every stage is seeded, leaves its result in the work folder and is skipped when that is there, so the command can be
stopped and repeated. Two CPU cores need about three hours; see the model card for the figures.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from diffusers import AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from trainer.models.emoji64 import diffusion
from trainer.models.emoji64.assets import Assets, fetch_assets
from trainer.models.emoji64.encoder import Architecture, LabelledPictures, compose_labelled, train_encoder
from trainer.models.emoji64.export import export_pipeline
from trainer.models.emoji64.pool import build_pool, read_pool, to_pixels
from trainer.models.emoji64.tokenizer import build_tokenizer, load_tokenizer, tokenize
from trainer.models.emoji64.vae import make_vae, train_vae
from trainer.training.checkpoints import load_state, save_state

WEIGHTS = Path(__file__).parent / "weights"
POOL_PARTS, POOL_SEED = 24, 2026
VAE_STEPS, DIFFUSION_STEPS, ENCODER_STEPS = 5_000, 4_200, 3_000
ENCODER_SEEDS: dict[Architecture, int] = {"chooser": 1, "reporter": 2}
ENCODER_PICTURES = 24_000

app = typer.Typer(add_completion=False)


def start_from(weights: Path, work: Path) -> None:
    """Fill an empty work folder with finished weights, so that the build goes on from them: VAE, tokenizer and encoders
    are taken as they are, the diffusion model with an optimizer that remembers nothing."""
    if (work / "vae.safetensors").exists():
        return
    for architecture in ENCODER_SEEDS:
        shutil.copy(weights / "encoders" / f"{architecture}.safetensors", work)
    bpe = json.loads((weights / "tokenizer" / "tokenizer.json").read_text())["model"]
    (work / "tokenizer").mkdir(exist_ok=True)
    (work / "tokenizer" / "vocab.json").write_text(json.dumps(bpe["vocab"]))
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in bpe["merges"])
    (work / "tokenizer" / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{pair}\n" for pair in merges))
    unet = UNet2DConditionModel.from_pretrained(weights, subfolder="unet", torch_dtype=torch.float32)
    text_encoder = CLIPTextModel.from_pretrained(weights, subfolder="text_encoder", dtype=torch.float32)
    average = {str(i): p.detach() for i, p in enumerate([*unet.parameters(), *text_encoder.parameters()])}
    parts = {"unet": unet.state_dict(), "text_encoder": text_encoder.state_dict(), "ema": average, "optimizer": {}}
    save_state(work / "diffusion.safetensors", 0, parts)
    vae = AutoencoderTiny.from_pretrained(weights, subfolder="vae", torch_dtype=torch.float32)
    save_state(work / "vae.safetensors", VAE_STEPS, {"vae": vae.state_dict()})


def encode_pool(work: Path) -> Path:
    """Latents (N, C, 16, 16) and token ids (N, 77) of the whole pool, cached as one file."""
    path = work / "latents.safetensors"
    if path.exists():
        return path
    pictures, captions = read_pool(work / "pool")
    known = (work / "tokenizer" / "vocab.json").exists()
    tokenizer = load_tokenizer(work / "tokenizer") if known else build_tokenizer(captions, work / "tokenizer")
    vae = make_vae()
    vae.load_state_dict(load_state(work / "vae.safetensors")[1]["vae"])
    with torch.no_grad():
        latents = torch.cat([vae.encoder(to_pixels(part)).half() for part in pictures.split(256)])
    save_file(
        {
            "latents": latents,
            "tokens": tokenize(tokenizer, captions).short(),
            "empty": tokenize(tokenizer, [""])[0],
            "std": latents.float().std().reshape(1),
        },
        path,
    )
    return path


def build_encoders(work: Path) -> None:
    """Train both read-out encoders on one set of labelled compositions."""
    if all((work / f"{architecture}.safetensors").exists() for architecture in ENCODER_SEEDS):
        return
    assets = Assets(work / "assets")
    parts = [compose_labelled(assets, 3_000, seed) for seed in range(ENCODER_PICTURES // 3_000)]
    data = LabelledPictures(
        torch.cat([part.pictures for part in parts]), torch.cat([part.labels for part in parts]), parts[0].identities
    )
    for architecture, seed in ENCODER_SEEDS.items():
        path = work / f"{architecture}.safetensors"
        if not path.exists():
            train_encoder(architecture, data, steps=ENCODER_STEPS, seed=seed).save(path)


def export(work: Path, folder: Path) -> None:
    """Write the pipeline and the encoders of ``work`` to ``folder``."""
    cached = load_file(work / "latents.safetensors")
    tokenizer = load_tokenizer(work / "tokenizer")
    unet, text_encoder = diffusion.load_averaged(work, len(tokenizer), int(cached["empty"][-1]))
    vae = make_vae()
    vae.load_state_dict(load_state(work / "vae.safetensors")[1]["vae"])
    export_pipeline(vae, float(cached["std"]), unet, text_encoder, tokenizer, folder)
    (folder / "encoders").mkdir(exist_ok=True)
    for architecture in ENCODER_SEEDS:
        (folder / "encoders" / f"{architecture}.safetensors").write_bytes(
            (work / f"{architecture}.safetensors").read_bytes()
        )


@app.command()
def build(
    work: Annotated[Path, typer.Option(help="folder for pictures, caches and checkpoints (3 GB)")],
    out: Annotated[Path, typer.Option(help="where the weights go")] = WEIGHTS,
    minutes: Annotated[float, typer.Option(help="stop after so long, with a checkpoint; repeat to go on")] = 150,
    start: Annotated[Path | None, typer.Option(help="weights to go on from, instead of from nothing")] = None,
    pool_seed: Annotated[int, typer.Option(help="another seed composes other pictures")] = POOL_SEED,
    steps: Annotated[int, typer.Option(help="of the diffusion model, 32 pictures each")] = DIFFUSION_STEPS,
) -> None:
    """Fetch the pictures, compose, train the VAE, the diffusion model and the encoders, and write the weights."""
    began = time.monotonic()
    work.mkdir(parents=True, exist_ok=True)
    if start is not None:
        start_from(start, work)
    fetch_assets(work / "assets")
    build_pool(work / "pool", work / "assets", POOL_PARTS, pool_seed)
    if not (work / "latents.safetensors").exists():
        train_vae(read_pool(work / "pool", 20)[0], work, steps=VAE_STEPS)
    cached = load_file(encode_pool(work))
    build_encoders(work)
    left = minutes - (time.monotonic() - began) / 60
    finished = diffusion.train_diffusion(
        cached["latents"].float() / cached["std"],
        cached["tokens"],
        cached["empty"],
        len(load_tokenizer(work / "tokenizer")),
        work,
        steps=steps,
        minutes=left,
    )
    export(work, out)
    print("done" if finished else f"stopped after {minutes:.0f} minutes; run the same command again to go on")


if __name__ == "__main__":
    app()
