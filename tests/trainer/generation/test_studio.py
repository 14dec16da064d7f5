"""The continuous batch: pictures of many members in the same calls of the UNet, each as if it were drawn alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.adapters.shelf import FittedAdapter
from trainer.adapters.uses import ReadAdapter
from trainer.contract.drawings import AdapterUse, Drawing, DrawingSettings
from trainer.generation.easel import Company, Easel
from trainer.generation.images import Picture
from trainer.generation.painting import paint
from trainer.generation.studio import Sample, Studio, _predict
from trainer.models.loading import load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base

LAYERS = ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", "mid_block.attentions.0.proj_in", "conv_in")


@pytest.fixture(scope="module")
def easel() -> Easel:
    return Easel(load_base(read_base(EMBEDDED_FOLDER, embedded=True)))


def adapter(easel: Easel, seed: int, rank: int, strength: float = 0.1) -> FittedAdapter:
    """One that changes some layers of the UNet and one of the text encoder."""
    rng, tensors = torch.Generator().manual_seed(seed), {}
    for part, names in (("unet", LAYERS), ("text_encoder", ("encoder.layers.0.self_attn.q_proj",))):
        for name in names:
            weight = easel.base.modules[part].get_submodule(name).weight
            down = torch.randn(rank, *weight.shape[1:], generator=rng)
            up = torch.randn(len(weight), rank, *[1] * (weight.ndim - 2), generator=rng)
            tensors[f"{part}.{name}.lora_A.weight"] = down / down[0].numel() ** 0.5
            tensors[f"{part}.{name}.lora_B.weight"] = up * strength / rank**0.5
    return easel.shelf.take(f"{seed}-{rank}", lambda: ReadAdapter(tensors, (), ""))


def company(*members: tuple[FittedAdapter, float]) -> Company:
    return Company(tuple((AdapterUse("thnos", "", weight), fitted) for fitted, weight in members))


def drawing(prompt: str = "a fox in a suit", negative: str = "", seed: int = 1, **settings: object) -> Drawing:
    return Drawing(prompt, prompt, negative, seed, settings=DrawingSettings(**settings))


Asked = tuple[Drawing, Company]
NOBODY = Company(())


def begin(easel: Easel, asked: Sequence[Asked]) -> list[Sample]:
    return [next(paint(easel, each, adapters)) for each, adapters in asked]


def draw(easel: Easel, asked: Mapping[int, Asked], joining: Mapping[int, int] | None = None) -> dict[int, Picture]:
    """Draw all of them in one studio; ``joining`` says after how many calls of the batch one joins."""
    studio, done, turn = Studio(), {}, 0
    waiting = {place: (joining or {}).get(place, 0) for place in asked}
    at_work: dict[int, tuple[object, Sample]] = {}
    while waiting or at_work:
        for place in [place for place, when in waiting.items() if when <= turn]:
            del waiting[place]
            painting = paint(easel, *asked[place])
            at_work[place] = painting, next(painting)
            studio.join(at_work[place][1])
        studio.move_on([sample for _, sample in at_work.values()])
        turn += 1
        for place, (painting, sample) in list(at_work.items()):
            if sample.is_done:
                studio.leave(sample)
                del at_work[place]
                with pytest.raises(StopIteration) as end:
                    next(painting)  # type: ignore[call-overload]
                done[place] = end.value.value
    return done


def difference(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


@pytest.fixture(scope="module")
def mixed(easel: Easel) -> dict[int, Asked]:
    """Other prompts, adapters, samplers, seeds, steps, guidance; one edited by steps, one composed, one long."""
    first, second = adapter(easel, 1, 4), adapter(easel, 2, 17)
    few = {"num_inference_steps": 4}
    return {
        0: (drawing("a fox in a suit", "rain", 1, num_inference_steps=4), company((first, 0.8))),
        1: (drawing("a [cat:dog:0.5] in space", "", 2, num_inference_steps=6, sampler="Euler a"), company((second, 1))),
        2: (drawing("a cat AND a crown :0.7", "fog", 3, num_inference_steps=3, sampler="DPM++ 2M"), NOBODY),
        3: (drawing("a dog, " * 60, seed=4, guidance_scale=5.0, **few), company((first, 1), (second, -1))),
        4: (drawing("(a robot:1.3)", "", 5, num_inference_steps=2, sampler="Heun", guidance_rescale=0.7), NOBODY),
    }  # fmt: skip


def test_a_mixed_batch_is_as_each_of_its_pictures_alone(easel: Easel, mixed: dict[int, Asked]) -> None:
    together = draw(easel, mixed)
    for place, asked in mixed.items():
        alone = draw(easel, {0: asked})[0]
        assert difference(together[place].image, alone.image) <= 1
        assert together[place].parameters == alone.parameters


def test_pictures_join_and_leave_between_two_calls(easel: Easel, mixed: dict[int, Asked]) -> None:
    staggered = draw(easel, mixed, {1: 1, 2: 3, 3: 2})
    assert all(difference(staggered[place].image, draw(easel, {0: mixed[place]})[0].image) <= 1 for place in (0, 1, 2))


def test_each_forward_of_a_mixed_batch_is_as_alone(easel: Easel, mixed: dict[int, Asked]) -> None:
    samples = begin(easel, list(mixed.values()))
    latents = torch.stack([sample.state.x for sample in samples])
    with torch.no_grad():
        together = _predict(samples, latents)
        for place, sample in enumerate(samples):
            alone = _predict([sample], latents[place : place + 1])[0]
            torch.testing.assert_close(together[place], alone, atol=1e-5, rtol=1e-5)


def test_adapters_act_on_the_words_and_on_the_picture_with_weights_of_their_own(easel: Easel) -> None:
    fitted, asked = adapter(easel, 3, 4, strength=0.3), drawing(num_inference_steps=2)
    uses = [
        AdapterUse("a", "", 1.0), AdapterUse("a", "", 1.0, te_weight=0.0), AdapterUse("a", "", 0.0, te_weight=1.0),
        AdapterUse("a", "", 0.0),
    ]  # fmt: skip
    pictures = [draw(easel, {0: (asked, Company(((use, fitted),)))})[0].image.tobytes() for use in uses]
    assert len(set(pictures)) == 4
    assert pictures[3] == draw(easel, {0: (asked, NOBODY)})[0].image.tobytes()


def test_an_exact_picture_is_drawn_alone_to_the_last_bit(easel: Easel, mixed: dict[int, Asked]) -> None:
    studio = Studio()
    other, third = begin(easel, [mixed[1], mixed[2]])
    exact, alone = (next(paint(easel, *mixed[0], exact=True)) for _ in range(2))
    for sample in (exact, other, third):
        studio.join(sample)
    while not exact.is_done:
        studio.move_on([exact])
    assert other.calls == third.calls == 0
    while not alone.is_done:
        studio.move_on([alone])
    assert torch.equal(exact.state.x, alone.state.x)


def test_who_was_brought_along_is_told_and_costs_no_turn(easel: Easel, mixed: dict[int, Asked]) -> None:
    studio = Studio()
    one, other = begin(easel, [mixed[0], mixed[2]])
    studio.join(one)
    studio.join(other)
    assert studio.move_on([one])
    assert (one.calls, other.calls) == (1, 1)
    assert not studio.move_on([other])
    assert studio.move_on([other])
    assert (one.calls, other.calls) == (2, 2)


def test_more_than_a_batch_holds_take_turns(easel: Easel) -> None:
    studio = Studio(most_samples=2)
    samples = begin(easel, [(drawing(seed=seed, num_inference_steps=3), NOBODY) for seed in range(5)])
    for sample in samples:
        studio.join(sample)
    for _ in range(3):
        studio.move_on(samples)
    assert sorted(sample.calls for sample in samples) == [1, 1, 1, 1, 2]


def test_a_batch_too_large_for_the_memory_is_halved(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    studio, sizes = Studio(), []
    samples = begin(easel, [(drawing(seed=seed, num_inference_steps=1), NOBODY) for seed in range(5)])
    predict = easel.base.predict

    def fill_up(latents: torch.Tensor, *rest: object) -> torch.Tensor:
        sizes.append(len(latents))
        if len(latents) > 4:
            raise torch.OutOfMemoryError
        return predict(latents, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(easel.base, "predict", fill_up)
    for sample in samples:
        studio.join(sample)
    while not all(sample.is_done for sample in samples):
        studio.move_on(samples)
    assert sizes == [10, 4, 4, 2]
