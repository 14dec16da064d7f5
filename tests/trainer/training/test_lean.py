"""A machine that trains alone lets go of a base's encoders once their work is done, and reads them when needed."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from tests.trainer.bases import make_base, make_single_file
from tests.trainer.training.conftest import job, run, start, write
from trainer.adapters.bank import AdapterBank
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base, load_base
from trainer.models.registry import find_bases


@pytest.fixture(scope="module", params=["folder", "file"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    bases, elsewhere = tmp_path_factory.mktemp("bases"), tmp_path_factory.mktemp("elsewhere")
    if request.param == "folder":
        make_base(bases / "tiny", "sdxl")
    else:
        make_single_file(make_base(elsewhere / "tiny", "sdxl"), bases / "tiny.safetensors", "sdxl")
    [spec] = find_bases(bases)
    return load_base(spec)


def weights_of(base: Base) -> int:
    """Numbers of the VAE and the text encoders that are in memory."""
    modules = [base.vae, *(tower.text_encoder for tower in base.towers)]
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize("recipe", [{}, {"text_encoder": True}, {"method": "textual_inversion"}, {"method": "pivotal"}])
def test_the_adapter_is_the_same(tiny: Base, photos: list[Image.Image], recipe: dict[str, object]) -> None:
    asked, bank = job(steps=4, prior_weight=1.0, **recipe), AdapterBank(tiny.modules)
    tiny.recall_encoders()
    whole, seen = weights_of(tiny), []
    plain = write(run(start(tiny, photos[:3], asked, bank=bank).run()))
    training = start(tiny, photos[:3], asked, bank=bank, lean=True)
    steps = training.run()
    while True:
        try:
            if next(steps) is not None:
                seen.append(weights_of(tiny))
        except StopIteration as end:
            learned = end.value
            break
    assert write(learned) == plain
    assert seen[-1] < whole
    if "text_encoder" not in recipe and recipe.get("method") != "textual_inversion":
        assert seen[-1] == 0 or recipe.get("method") == "pivotal"


def test_what_was_forgotten_is_read_when_it_is_needed(tiny: Base) -> None:
    bank, request = AdapterBank(tiny.modules), GenerationJob("a fox", num_inference_steps=1)
    [before] = run(generate(tiny, bank, request))
    pixels = torch.zeros(1, 3, 64, 64)
    moments = tiny.encode_moments(pixels)[0]
    tiny.forget_encoders()
    [after] = run(generate(tiny, bank, request))
    assert before.image.tobytes() == after.image.tobytes()
    tiny.forget_encoders()
    assert torch.equal(tiny.encode_moments(pixels)[0], moments)
