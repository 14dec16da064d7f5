"""A finished adapter goes on learning where it was."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.trainer.training.conftest import Learn, job, run, start
from trainer.adapters.files import read_lora
from trainer.errors import BadAdapterFile, UserFault
from trainer.models.loading import Base
from trainer.training.continuing import read_source


@pytest.mark.parametrize(
    "recipe",
    [
        {"method": "lora"},
        {"method": "lora", "dora": True, "text_encoder": True},
        {"method": "pivotal"},
        {"method": "textual_inversion"},
    ],
    ids=["lora", "dora with text", "pivotal", "inversion"],
)
def test_it_begins_with_what_was_learned(
    base: Base, photos: list[Image.Image], learn: Learn, recipe: dict[str, object]
) -> None:
    made = learn(job(**recipe, **({} if recipe["method"] == "textual_inversion" else {"rank": 3})))
    method = str(recipe["method"])
    source = read_source(base, made, method, "thnos")  # type: ignore[arg-type]
    training = start(base, photos, job(method=method, steps=4), source=source)
    steps = training.run()
    while (taken := next(steps)) is None:
        pass
    assert taken.step == 1
    learned = training.learner.weights()
    training.learner.close()
    assert learned.keys() == source.weights.keys()
    for name, tensor in source.weights.items():
        assert learned[name].shape == tensor.shape
        assert (learned[name].float() - tensor).abs().max() < 0.05  # one step further, and in float16


def test_another_methods_adapter_is_refused_in_a_sentence(base: Base, learn: Learn) -> None:
    made = learn(job())
    with pytest.raises(BadAdapterFile, match="method pivotal"):
        read_source(base, made, "pivotal", "thnos")
    assert read_source(base, made, "lora", "thnos").weights.keys() == read_lora(made).weights.keys()


def test_a_whole_model_starts_from_the_base(base: Base, photos: list[Image.Image], learn: Learn) -> None:
    source = read_source(base, learn(job()), "lora", "thnos")
    with pytest.raises(UserFault, match="method lora"):
        run(start(base, photos, job(method="dreambooth"), source=source).run())
