"""The training loop on the embedded base: repeatable, interruptible, and on its feet again after what goes wrong."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from tests.trainer.training.conftest import Learn, job, run, start, write
from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import read_lora
from trainer.errors import UserFault
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base
from trainer.training import loop
from trainer.training.checkpoints import step_of
from trainer.training.control import Control, Pause

METHODS = ("lora", "textual_inversion", "pivotal", "dreambooth")


@pytest.mark.parametrize("method", METHODS)
def test_a_training_is_the_same_again_from_its_seed(learn: Learn, method: str) -> None:
    first = learn(job(method=method, steps=8))
    assert first == learn(job(method=method, steps=8))
    assert first != learn(job(method=method, steps=8, seed=4))


@pytest.mark.parametrize(
    "recipe",
    [
        {"method": "lora"},
        {"method": "lora", "text_encoder": True, "prior_weight": 1.0, "ema": 0.9, "flip": True},
        {"method": "lora", "dora": True},
        {"method": "textual_inversion"},
        {"method": "pivotal"},
        {"method": "dreambooth", "text_encoder": True},
    ],
    ids=["lora", "everything", "dora", "inversion", "pivotal", "dreambooth"],
)
def test_a_paused_training_ends_bit_equal_to_one_that_never_stopped(
    base: Base, photos: list[Image.Image], learn: Learn, tmp_path: Path, recipe: dict[str, object]
) -> None:
    asked = job(**recipe)
    whole = learn(asked)
    control = Control()
    steps = start(base, photos, asked, control=control, folder=tmp_path).run()
    while True:
        taken = next(steps)
        if taken is not None and taken.step == 3:
            break
    control.wish = "pause"
    with pytest.raises(Pause) as paused:
        run(steps)
    assert (paused.value.step, paused.value.steps) == (3, 4)
    assert learn(asked, resume=paused.value.checkpoint) == whole


def test_the_seconds_before_a_pause_count(base: Base, photos: list[Image.Image], tmp_path: Path) -> None:
    now, control = [100.0], Control()
    hooks: dict[str, Any] = {"control": control, "clock": lambda: now[0], "folder": tmp_path}
    for _ in range(2):  # paused twice, after 60 s each
        steps = start(base, photos, job(), **hooks).run()
        while next(steps) is None:
            pass
        now[0] += 60
        control.wish = "pause"
        with pytest.raises(Pause) as paused:
            run(steps)
        control.wish, hooks["resume"] = None, paused.value.checkpoint
        now[0] += 1_000  # while it is paused
    learned = run(start(base, photos, job(), **hooks).run())
    learned.learner.close()
    assert learned.seconds == 120


@pytest.mark.parametrize("method", ["lora", "dreambooth"])
def test_a_killed_training_goes_on_from_its_checkpoint(
    learn: Learn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)
    kept: list[Path] = []
    asked = job(method=method)
    whole = learn(asked, checkpoint=kept.append, folder=tmp_path)
    assert len(kept) == 1
    assert learn(asked, resume=kept[0]) == whole


def test_a_checkpoint_waits_until_the_one_before_is_taken_away(
    learn: Learn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 1)
    kept: list[int] = []

    def take(path: Path) -> None:
        kept.append(step_of(path))
        if len(kept) != 2:
            path.unlink()

    learn(job(steps=24), checkpoint=take, folder=tmp_path)
    assert kept == [1, 2]  # of six steps


def test_where_the_disk_is_full_it_is_not_paused_and_goes_on(
    base: Base, photos: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    kept: list[Path] = []
    asked = start(base, photos, job(), control=Control("pause"), checkpoint=kept.append, folder=tmp_path)
    learned = run(asked.run())
    learned.learner.close()
    assert (learned.steps, kept, list(tmp_path.iterdir())) == (4, [], [])


@pytest.mark.parametrize("every", [2, 3])  # at the step of a look, and behind one
def test_a_checkpoint_loses_no_look(
    base: Base, photos: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(loop, "LEAST_STEPS_LOOKED_AT", 4)
    monkeypatch.setattr(loop, "LOOKS", 2)
    kept: list[Path] = []
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", every)
    whole = run(start(base, photos, job(), checkpoint=kept.append, folder=tmp_path).run())
    whole.learner.close()
    resumed = run(start(base, photos, job(), resume=kept[0]).run())
    resumed.learner.close()
    assert [snapshot.step for snapshot in resumed.snapshots] == [2, 4]
    for one, other in zip(whole.snapshots, resumed.snapshots, strict=True):
        assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_stop_and_keep_makes_the_adapter_from_what_was_learned(base: Base, photos: list[Image.Image]) -> None:
    control = Control()
    steps = start(base, photos, job(steps=400), control=control).run()
    while (taken := next(steps)) is None or taken.step < 2:
        pass
    control.wish = "finish"
    learned = run(steps)
    assert learned.steps == 2
    assert "step 2 of 100" in learned.notes[0]
    assert write(learned)


def test_pictures_between_the_steps_change_nothing(base: Base, photos: list[Image.Image]) -> None:
    asked = job("face")  # makes class pictures first
    alone = write(run(start(base, photos, asked).run()))
    bank = AdapterBank(base.modules)
    request = GenerationJob("a fox in a suit", seed=5, num_inference_steps=4)
    picture_alone = run(generate(base, bank, request))[0].image
    training = start(base, photos, asked, bank=bank).run()
    picture = generate(base, bank, request)
    results: dict[str, object] = {}
    waiting = {"training": training, "picture": picture}
    turns = 0
    while waiting:
        for name, steps in list(waiting.items()):
            turns += 1
            if name == "picture" and turns % 25:  # one now and then: some while it prepares, some while it trains
                continue
            try:
                next(steps)
            except StopIteration as end:
                results[name] = end.value
                del waiting[name]
    assert write(results["training"]) == alone  # type: ignore[arg-type]
    assert results["picture"][0].image.tobytes() == picture_alone.tobytes()  # type: ignore[index]


def test_class_latents_are_made_once_and_kept_under_a_name_that_says_nothing(
    base: Base, photos: list[Image.Image], learn: Learn, tmp_path: Path
) -> None:
    asked = job(prior_weight=1.0)
    first = learn(asked, class_latents=tmp_path)
    [kept] = tmp_path.iterdir()
    assert "monster" not in kept.name
    turns = sum(1 for taken in start(base, photos, asked, class_latents=tmp_path).run() if taken is None)
    assert turns == len(photos)  # nothing but the photos is prepared
    assert learn(asked, class_latents=tmp_path) == first == learn(asked)


def test_a_training_that_diverges_says_so_and_leaves_the_base_clean(
    base: Base, photos: list[Image.Image], learn: Learn
) -> None:
    whole = learn(job())
    with pytest.raises(UserFault, match=r"photos? .* learning rate below 1e\+30"):
        learn(job(steps=400, learning_rate=1e30))
    assert learn(job()) == whole


def test_a_photo_at_which_learning_goes_wrong_is_named_and_left_out(
    base: Base, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start(base, photos, job(steps=120))
    real = loop.batch_losses

    def poisoned(learner, scheduler, batch, *rest):  # type: ignore[no-untyped-def]
        broken = torch.tensor([math.nan if row == 2 else 1.0 for row in batch.rows])
        return real(learner, scheduler, batch, *rest) * broken

    monkeypatch.setattr(loop, "batch_losses", poisoned)
    learned = run(training.run())
    assert write(learned)
    assert math.isfinite(learned.final_loss)
    assert learned.steps == 30
    [note] = learned.notes
    assert "photo 3" in note
    assert "without" in note


def test_what_does_not_fit_into_memory_is_done_in_parts_with_the_same_gradient(
    base: Base, photos: list[Image.Image], learn: Learn, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learn(job())
    real = loop.batch_losses
    sizes: list[int] = []

    def tight(learner, scheduler, batch, *rest):  # type: ignore[no-untyped-def]
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(learner, scheduler, batch, *rest)

    monkeypatch.setattr(loop, "batch_losses", tight)
    rooms: list[int] = []
    parts = learn(job(), make_room=lambda: rooms.append(len(sizes)))
    assert sizes[:4] == [4, 4, 2, 1]
    assert rooms == [1]  # idle models go first, before the batch is split
    assert len(parts) == len(whole)

    one, other = read_lora(whole).weights, read_lora(parts).weights
    for name in one:
        torch.testing.assert_close(other[name], one[name], atol=2e-3, rtol=0)


def test_what_never_fits_is_told_with_the_way_out(learn: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "batch_losses", full)
    with pytest.raises(UserFault, match="smaller `resolution`"):
        learn(job())
    monkeypatch.undo()
    assert learn(job())


def test_it_stops_early_when_it_is_told_that_it_is_enough(
    base: Base, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LEAST_STEPS_LOOKED_AT", 5)
    asked = job(steps=None)
    training = start(base, photos, asked, look=_looked, is_enough=lambda scores: len(scores) == 2)
    monkeypatch.setattr(type(training), "_look_steps", lambda self: {2, 4, 6})
    learned = run(training.run())
    learned.learner.close()
    assert learned.steps == 4
    assert "got no better" in learned.notes[0]


def _looked(_learner: object):  # type: ignore[no-untyped-def]
    yield None
    return [0.5, 0.5]


def test_gradient_checkpointing_changes_nothing_but_memory(base: Base, photos: list[Image.Image], learn: Learn) -> None:
    plain = read_lora(learn(job())).weights
    saved = read_lora(learn(job(), checkpointing=True)).weights
    for name in plain:
        torch.testing.assert_close(saved[name], plain[name], atol=2e-3, rtol=0)
    assert not base.unet.is_gradient_checkpointing


def test_it_goes_back_to_the_same_state_more_than_once(
    base: Base, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, poisoned = loop.batch_losses, [5, 5 + 2, 5 + 4]  # calls: each time a few steps after it went back
    calls = iter(range(1000))

    def sick(*given: Any) -> torch.Tensor:
        losses = real(*given)
        return losses * math.nan if next(calls) in poisoned else losses

    monkeypatch.setattr(loop, "batch_losses", sick)
    learned = run(start(base, photos, job(steps=120)).run())
    assert learned.steps == 30
    assert 1 <= len(learned.notes) <= loop.MAX_ROLLBACKS
    assert all(torch.isfinite(tensor).all() for tensor in learned.snapshots[-1].weights.values())
    learned.learner.close()


def test_a_gradient_that_is_no_number_is_noticed_though_the_loss_is_one(base: Base, photos: list[Image.Image]) -> None:
    training = start(base, photos, job(steps=120, batch=1))
    steps, taken = training.run(), 0
    while taken < 23:
        taken += next(steps) is not None
    training.learner.groups[0]["params"][0].register_post_accumulate_grad_hook(_poison_once())
    learned = run(steps)
    assert "step 24" in learned.notes[0]
    assert all(torch.isfinite(tensor).all() for tensor in learned.snapshots[-1].weights.values())
    learned.learner.close()


def _poison_once() -> Any:
    left = [True]

    def poison(parameter: torch.Tensor) -> None:
        if left and parameter.grad is not None:
            left.clear()
            parameter.grad.fill_(math.nan)

    return poison


def test_a_training_that_begins_anew_ends_where_its_member_wished_it(base: Base, photos: list[Image.Image]) -> None:
    ended = run(start(base, photos, job(), control=Control("finish", 3)).run())
    ended.learner.close()
    assert ended.steps == 3


def test_a_resumed_training_that_is_ended_at_once_has_a_loss(
    base: Base, photos: list[Image.Image], tmp_path: Path
) -> None:
    control = Control()
    steps = start(base, photos, job(steps=400), control=control, folder=tmp_path).run()
    while (taken := next(steps)) is None or taken.step < 12:
        pass
    control.wish = "pause"
    with pytest.raises(Pause) as paused:
        run(steps)
    ended = run(start(base, photos, job(steps=400), control=Control("finish"), resume=paused.value.checkpoint).run())
    ended.learner.close()
    assert ended.steps == 12
    assert math.isfinite(ended.final_loss)
    assert ended.final_loss > 0


def test_the_average_of_a_short_training_is_no_empty_adapter(learn: Learn) -> None:
    plain, averaged = (read_lora(learn(job(steps=160, ema=ema))).weights for ema in (0.0, 0.9999))

    def size(weights: dict[str, torch.Tensor]) -> float:
        return sum(float(tensor.square().sum()) for name, tensor in weights.items() if ".lora_B." in name)

    assert size(averaged) > 0.2 * size(plain)


def test_the_ladder_reaches_the_model_that_learns(
    base: Base, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = start(base, photos, job(method="dreambooth", batch=1, steps=2))
    real, seen = loop.batch_losses, []

    def tight(*given: Any) -> torch.Tensor:
        seen.append(training.learner.unet.is_gradient_checkpointing)
        if not seen[-1]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*given)

    monkeypatch.setattr(loop, "batch_losses", tight)
    run(training.run()).learner.close()
    assert seen[-1]
    assert not base.unet.is_gradient_checkpointing
