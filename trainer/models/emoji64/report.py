"""Measures emoji-64 and writes what it finds: ``python -m trainer.models.emoji64.report --work FOLDER``.

``figures.json`` gets the numbers, the model card (README.md) the table between its two marks, ``docs`` the contact
sheet. All read-outs are the reporting encoder's, which never chose anything.
"""

from __future__ import annotations

import io
import json
import random
import statistics
import time
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from diffusers import StableDiffusionPipeline
from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import read_lora
from trainer.contract.requests import Recipe
from trainer.generation.live import GenerationJob, generate
from trainer.models.emoji64 import evaluate, grammar, teach
from trainer.models.emoji64.assets import Assets, fetch_assets
from trainer.models.emoji64.compose import Composer
from trainer.models.emoji64.encoder import PictureEncoder, load_encoder
from trainer.models.emoji64.evaluate import ATTRIBUTES, agreement, contact_sheet, to_tensor
from trainer.models.loading import Base, load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.training.loop import Training
from trainer.training.preparing import TrainingJob, prepare_photos

HERE = Path(__file__).parent
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
TRIGGER = "thnos"


def finish(steps: Generator[Any, None, Any]) -> Any:
    """Run a training or a generation to its end and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def draw(
    base: Base, bank: AdapterBank, scenes: list[grammar.Scene], subject: str, adapters: dict[str, float]
) -> list[Image.Image]:
    """One picture a scene, with the subject in place of the head."""
    jobs = [
        GenerationJob(grammar.plain_caption(scene, subject), adapters=adapters, seed=1_000 + place)
        for place, scene in enumerate(scenes)
    ]
    return [picture.image for job in jobs for picture in finish(generate(base, bank, job))]


def teach_one(
    base: Base, assets: Assets, encoder: PictureEncoder, head: str
) -> tuple[dict[str, float], list[Image.Image]]:
    """Teach one kept-out character by the default recipe and measure 16 pictures in scenes that no photo shows."""
    photos, kind = teach.compose_photos(assets, head, 256), grammar.class_word(head)
    bank, began = AdapterBank(base.modules), time.monotonic()
    job = TrainingJob(TRIGGER, kind, "subject", Recipe(seed=1))
    learned = finish(Training(base, bank, prepare_photos(job, photos), job).run())
    seconds = time.monotonic() - began
    data = io.BytesIO()
    learned.learner.write(learned.snapshots[-1].weights, {}, data)
    learned.learner.close()
    bank.add(TRIGGER, read_lora(data.getvalue()).weights)
    scenes = teach.prompt_scenes(head)
    pictures = {
        "with": draw(base, bank, scenes, f"{TRIGGER} {kind}", {TRIGGER: 1.0}),
        "without": draw(base, bank, scenes, f"{TRIGGER} {kind}", {}),
        "class": draw(base, bank, scenes, kind, {}),  # what the base draws of words that it knows
    }
    bank.remove(TRIGGER)
    rng, composer = random.Random(f"real/{head}"), Composer(assets)
    pictures["real"] = [composer.compose(scene, 64, rng) for scene in scenes]
    shown = encoder(to_tensor([photo.resize((64, 64), Image.Resampling.LANCZOS) for photo in photos]))["embedding"]
    figures: dict[str, float] = {"seconds": seconds, "kilobytes": data.tell() / 1024}
    for name, images in pictures.items():
        figures[name] = float((encoder(to_tensor(images))["embedding"] @ shown.T).mean())
        read = agreement(encoder.read(to_tensor(images)), scenes)
        figures |= {f"{name}_outfit": read["outfit"], f"{name}_background": read["background"]}
    figures["closure"] = (figures["with"] - figures["without"]) / (figures["real"] - figures["without"])
    thumbs = [photo.resize((64, 64), Image.Resampling.LANCZOS) for photo in photos[:4]]
    return figures, [*thumbs, *pictures["with"][:6], *pictures["without"][:2]]


def retrieval_accuracy(assets: Assets, encoder: PictureEncoder) -> float:
    """How often the nearest of all other pictures of the kept-out characters, 12 of each, is of the same character."""
    rng, composer = random.Random("retrieval"), Composer(assets)
    scenes = [s for head in grammar.KEPT_OUT_HEADS for s in (grammar.draw_scene(rng, [head]) for _ in range(12))]
    embeddings = encoder(to_tensor([composer.compose(scene, 64, rng) for scene in scenes]))["embedding"]
    nearest = (embeddings @ embeddings.T).fill_diagonal_(-2).argmax(1)
    return sum(scenes[i].head == scenes[int(j)].head for i, j in enumerate(nearest)) / len(scenes)


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = ["| in 512 prompts | the base | wanted | read-out on real compositions |", "|---|---|---|---|"]
    wanted = {"head": 0.75, "outfit": 0.75, "accessory": 0.75, "background": 0.9}
    rows += [
        f"| {name} | {figures[name]:.1%} | {wanted[name]:.0%} | {figures[f'readout_{name}']:.1%} |"
        for name in ATTRIBUTES
    ]
    rows += ["", "| VAE | | wanted |", "|---|---|---|",
             f"| PSNR | {figures['vae_psnr_db']:.2f} dB | ≥ 25 dB |",
             f"| PCA of the same size | {figures['pca_psnr_db']:.2f} dB | less |"]  # fmt: skip
    behind = {name: figures[f"readout_behind_vae_{name}"] / figures[f"readout_{name}"] for name in ATTRIBUTES}
    rows += [f"| {name} read behind it, of before it | {share:.1%} | ≥ 95% |" for name, share in behind.items()]
    columns = ("with", "without", "real pictures", "closure", "outfit / base's", "background / base's", "seconds")
    rows += ["", f"| taught character | {' | '.join(columns)} |", "|---" * 8 + "|"]
    rows += [
        f"| {head} | {f['with']:.3f} | {f['without']:.3f} | {f['real']:.3f} | {f['closure']:.0%} "
        f"| {f['with_outfit']:.0%} / {f['class_outfit']:.0%} "
        f"| {f['with_background']:.0%} / {f['class_background']:.0%} | {f['seconds']:.0f} |"
        for head, f in figures["taught"].items()
    ]
    rows.append(f"\nRetrieval of kept-out characters by the reporting encoder: {figures['retrieval_accuracy']:.1%}.")
    return "\n".join(rows)


def report(
    work: Annotated[Path, typer.Option(help="the build's folder; the pictures are fetched into it when missing")],
    count: Annotated[int, typer.Option(help="prompts to draw")] = 512,
) -> None:
    """Measure the committed weights and write figures.json, the model card's table and the contact sheets."""
    fetch_assets(work / "assets")
    assets, encoder = Assets(work / "assets"), load_encoder(EMBEDDED_FOLDER / "encoders" / "reporter.safetensors")
    pipeline = StableDiffusionPipeline.from_pretrained(
        str(EMBEDDED_FOLDER), use_safetensors=True, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    with torch.no_grad():
        figures: dict[str, Any] = evaluate.measure_vae(pipeline, encoder, assets)
        shares, images, _ = evaluate.measure_prompts(pipeline, encoder, count=count)
        figures |= {"prompts": count, **shares, "retrieval_accuracy": retrieval_accuracy(assets, encoder)}
    contact_sheet(images[:60], 12, HERE / "sheet.png")
    base, rows = load_base(read_base(EMBEDDED_FOLDER, embedded=True)), []
    figures["taught"] = {}
    for head in grammar.KEPT_OUT_HEADS:
        figures["taught"][head], row = teach_one(base, assets, encoder, head)
        rows += row
        print(head, json.dumps({name: round(value, 3) for name, value in figures["taught"][head].items()}), flush=True)
    contact_sheet(rows, 12, HERE / "taught.png")
    taught = list(figures["taught"].values())
    figures["teaching_closure"] = statistics.mean(f["closure"] for f in taught)
    figures["identity_ceiling"] = statistics.mean(f["real"] for f in taught)
    (HERE / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    card = HERE / "README.md"
    text = card.read_text()
    card.write_text(text[: text.index(BEGIN) + len(BEGIN)] + f"\n{table(figures)}\n" + text[text.index(END) :])


if __name__ == "__main__":
    typer.run(report)
