"""Every method on every family: tiny random models in the true layouts of SD1.5, SD2.1 (v-prediction) and SDXL."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.trainer.bases import FAMILIES, make_base
from tests.trainer.training.conftest import job, run, start, write
from trainer.adapters.bank import AdapterBank
from trainer.adapters.embedding_files import read_embedding
from trainer.adapters.files import read_lora
from trainer.generation.live import GenerationJob
from trainer.models.loading import Base, load_base
from trainer.models.registry import read_base
from trainer.models.tuned import load_tuned
from trainer.training.control import Control, Pause

STEPS = 2


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = make_base(tmp_path_factory.mktemp("bases") / request.param, request.param)
    return load_base(read_base(folder))


@pytest.mark.parametrize(
    "recipe",
    [
        {"method": "lora", "text_encoder": True, "prior_weight": 1.0},
        {"method": "lora", "dora": True, "flip": True},
        {"method": "textual_inversion", "vectors": 3},
        {"method": "pivotal"},
        {"method": "dreambooth", "text_encoder": True},
    ],
    ids=["lora", "dora", "inversion", "pivotal", "dreambooth"],
)
def test_it_learns_draws_and_writes_a_file_that_reads_back(
    tiny: Base, photos: list[Image.Image], recipe: dict[str, object]
) -> None:
    bank = AdapterBank(tiny.modules)
    mixed = [photos[0], photos[1].resize((300, 200)), photos[2]]  # two buckets
    learned = run(start(tiny, mixed, job(steps=STEPS, learning_rate=1e-2, **recipe), bank=bank).run())
    assert math.isfinite(learned.final_loss)
    weights = learned.snapshots[-1].weights
    request = GenerationJob("thnos monster", num_inference_steps=2)
    with learned.learner.hold(weights) as draw:
        [taught] = run(draw(request))
        [plain] = run(draw(request, 0.0))
    assert taught.image.tobytes() != plain.image.tobytes()
    data = write(learned)
    if recipe["method"] == "textual_inversion":
        vectors = read_embedding(data, "thnos", {tower.name: tower.width for tower in tiny.towers})[0].vectors
        assert {name: len(rows) for name, rows in vectors.items()} == {tower.name: 3 for tower in tiny.towers}
        return
    file = read_lora(data)
    assert not file.unused
    assert {embedding.trigger for embedding in file.embeddings} == (
        {"thnos"} if recipe["method"] == "pivotal" else set()
    )
    parts = {name.split(".")[0] for name in file.weights}
    assert parts == (set(tiny.modules) if recipe.get("text_encoder") else {"unet"})


def test_a_whole_model_comes_back_from_its_one_file(tiny: Base, photos: list[Image.Image], tmp_path: Path) -> None:
    asked = job(steps=STEPS, learning_rate=1e-3, method="dreambooth", output="checkpoint", text_encoder=True)
    learned = run(start(tiny, photos, asked).run())
    path = tmp_path / "whole.safetensors"
    with path.open("wb") as out:
        learned.learner.write(learned.snapshots[-1].weights, {}, out)
    tuned = load_tuned(tiny, path)
    for part, module in learned.learner.tuned.modules.items():
        own = {name: tensor.half() for name, tensor in module.state_dict().items()}
        read = {name: tensor.half() for name, tensor in tuned.modules[part].state_dict().items()}
        assert own.keys() == read.keys()
        assert all(torch.equal(own[name], read[name]) for name in own)
    learned.learner.close()


def test_a_whole_model_that_was_paused_ends_bit_equal_to_one_that_never_stopped(
    tiny: Base, photos: list[Image.Image], tmp_path: Path
) -> None:
    """By AdamW, and SDXL by Adafactor."""
    asked = job(steps=3, batch=1, learning_rate=1e-3, method="dreambooth", output="checkpoint", text_encoder=True)
    whole = write(run(start(tiny, photos[:2], asked).run()))
    control = Control()
    steps = start(tiny, photos[:2], asked, control=control, folder=tmp_path).run()
    while (taken := next(steps)) is None or taken.step < 2:
        pass
    control.wish = "pause"
    with pytest.raises(Pause) as paused:
        run(steps)
    assert write(run(start(tiny, photos[:2], asked, resume=paused.value.checkpoint).run())) == whole
