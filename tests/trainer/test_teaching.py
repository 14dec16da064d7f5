"""From a request to an adapter, as the engine does it: what is planned, shown, chosen and written."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image
from safetensors.torch import load, save

from tests.trainer.captioners import CAPTIONS, make_captioner
from tests.trainer.spooled import spool
from trainer import messages
from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import read_lora
from trainer.backend import TorchBackend
from trainer.choosing.judges import open_judge
from trainer.contract.lengths import count_steps
from trainer.contract.requests import CaptionSource, Card, Kind, Method, Recipe, TrainRequest
from trainer.engine import Engine
from trainer.errors import UserFault
from trainer.models.loading import Base
from trainer.teaching import Room, teach
from trainer.training import loop
from trainer.training.captioner import Captioner, open_captioner
from trainer.training.control import Control

CARD = Card(channel_id=1, message_id=2, posted_at=0, requester_id=3)


Command = Callable[..., messages.StartTraining]


@pytest.fixture
def command(photos: list[Image.Image], tmp_path: Path) -> Command:
    """``command(photos, **recipe)``; files are written beside the photos."""
    return partial(make_command, tmp_path)


def make_command(folder: Path, photos: list[Image.Image], **recipe: Any) -> messages.StartTraining:
    files = []
    for photo in photos:
        buffer = io.BytesIO()
        photo.save(buffer, "PNG")
        files.append(spool(folder, buffer.getvalue()))
    request = TrainRequest(
        job_id="1", attempt=1, base="emoji-64", adapter_id="a", name="thnos", trigger="thnos", class_word="monster",
        kind="subject", photos=tuple("pqrstu"[: len(files)]), captions=(None,) * len(files),
        recipe=Recipe(**{"steps": 16, "seed": 1, "learning_rate": 3e-3, **recipe}), card=CARD,
    )  # fmt: skip
    return messages.StartTraining(request, tuple(files), str(folder))


def run(base: Base, asked: messages.StartTraining, *, judged: bool = True) -> tuple[list[Any], Any]:
    """All reports on the way, and the last one."""
    room, reports = Room(base, AdapterBank(base.modules), open_judge(base, None) if judged else None), []
    steps = teach(room, asked, Control())
    while True:
        try:
            reports.append(next(steps))
        except StopIteration as end:
            return [report for report in reports if report is not None], end.value


@pytest.fixture
def base(base: Base) -> Base:
    """Its examples are drawn in four steps."""
    spec = replace(base.spec, defaults=msgspec.structs.replace(base.spec.defaults, num_inference_steps=4))
    return replace(base, spec=spec)


@pytest.fixture(autouse=True)
def two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """At so few steps only the end would be looked at."""
    monkeypatch.setattr(loop, "LOOKS", 2)
    monkeypatch.setattr(loop, "LEAST_STEPS_LOOKED_AT", 2)


def test_the_best_checkpoint_is_chosen_and_the_others_can_be(
    base: Base, photos: list[Image.Image], command: Command
) -> None:
    reports, trained = run(base, command(photos))
    assert (reports[0].step, reports[0].steps) == (0, 4)
    assert 10**6 < reports[0].memory_bytes < 10**10
    previews = [report.step for report in reports if isinstance(report, messages.Stepped) and report.preview]
    assert previews == [1, 2, 3]
    assert [candidate.step for candidate in trained.candidates] == [2, 4]
    chosen = trained.candidates[trained.chosen]
    assert (chosen.file, chosen.step, chosen.weight) == (trained.file, trained.steps, trained.weights[1])
    assert f"Step {trained.steps} at weight {trained.weights[1]:.1f}" in trained.report
    assert Image.open(io.BytesIO(trained.grid)).width > 300
    assert len(trained.examples) == 3
    file = read_lora(trained.file.read())
    assert file.metadata["darkroom.steps"] == str(trained.steps)
    assert file.metadata["ss_num_train_images"] == "6"
    assert not any("photo of" in value for value in file.metadata.values())


def test_without_a_judge_the_last_one_is_proposed(base: Base, photos: list[Image.Image], command: Command) -> None:
    _, trained = run(base, command(photos), judged=False)
    assert trained.chosen == 1
    assert trained.steps == 4
    assert "no judge" in trained.report
    assert [(each.weight, each.identity, each.obedience) for each in trained.candidates] == [(0.8, None, None)] * 2


@pytest.mark.parametrize("recipe", [{"method": "dreambooth"}, {"method": "dreambooth", "output": "checkpoint"}])
def test_a_whole_model_is_delivered_as_it_was_asked_for(
    base: Base, photos: list[Image.Image], command: Command, recipe: dict[str, Any]
) -> None:
    _, trained = run(base, command(photos, **recipe))
    assert trained.kind == ("checkpoint" if "output" in recipe else "lora")
    assert trained.candidates == ()
    if trained.kind == "lora":
        assert 0 < trained.fidelity < 1
        assert f"{trained.fidelity:.0%}" in trained.report
        ranks = {len(tensor) for key, tensor in read_lora(trained.file.read()).weights.items() if "lora_A" in key}
        assert trained.rank == max(ranks) == 64
        assert (trained.metadata["ss_network_dim"], trained.metadata["ss_network_alpha"]) == ("64", "64")
    else:
        assert trained.fidelity is None
        assert (trained.grid, trained.weights) == (None, (1.0, 1.0, 1.0))
        assert len(trained.examples) == 3
        assert trained.rank == 0


def test_a_textual_inversion_has_no_rank(base: Base, photos: list[Image.Image], command: Command) -> None:
    _, trained = run(base, command(photos, method="textual_inversion"), judged=False)
    assert (trained.rank, trained.metadata["darkroom.rank"]) == (0, "0")


def test_a_resumed_training_says_where_it_goes_on(base: Base, photos: list[Image.Image], command: Command) -> None:
    asked = command(photos)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(loop, "CHECKPOINT_EVERY", 3)
    try:
        reports, whole = run(base, asked)
    finally:
        monkey.undo()
    [checkpoint] = [report.file for report in reports if isinstance(report, messages.Checkpointed)]
    adapter = whole.file.read()
    resumed = msgspec.structs.replace(asked, resume=checkpoint)
    reports, again = run(base, resumed)
    assert (reports[0].step, reports[0].steps) == (3, 4)
    assert again.file.read() == adapter
    assert again.grid == whole.grid


@pytest.mark.parametrize(("every", "shown"), [(0, []), (1, [1, 2, 3]), (2, [2]), (9, [])])
@pytest.mark.parametrize("method", ["lora", "textual_inversion"])
def test_previews_come_when_they_are_wanted_and_change_nothing_of_what_is_learned(
    base: Base, photos: list[Image.Image], command: Command, method: Method, every: int, shown: list[int]
) -> None:
    asked = command(photos, method=method, caption_dropout=0.5 if method == "lora" else None)
    _, thrice = run(base, asked, judged=False)
    learned = thrice.file.read()
    recipe = msgspec.structs.replace(asked.request.recipe, preview_every=every)
    other = msgspec.structs.replace(asked, request=msgspec.structs.replace(asked.request, recipe=recipe))
    reports, trained = run(base, other, judged=False)
    assert [report.step for report in reports if isinstance(report, messages.Stepped) and report.preview] == shown
    assert trained.file.read() == learned
    assert trained.final_loss == thrice.final_loss


def test_a_training_resumed_between_two_previews_equals_one_that_never_stopped(
    base: Base, photos: list[Image.Image], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 3)
    asked = command(photos, preview_every=2)
    reports, whole = run(base, asked, judged=False)
    learned = whole.file.read()
    [checkpoint] = [report.file for report in reports if isinstance(report, messages.Checkpointed)]
    _, again = run(base, msgspec.structs.replace(asked, resume=checkpoint), judged=False)
    assert again.file.read() == learned


@pytest.mark.parametrize(
    ("kind", "recipe", "work"),
    [("subject", {}, 4), ("face", {}, 6), ("face", {"batch": 1}, 2), ("subject", {"resolution": 128, "batch": 1}, 4)],
)
def test_what_a_worker_offers_is_what_it_plans(
    base: Base, photos: list[Image.Image], command: Command, kind: Kind, recipe: dict[str, Any], work: float
) -> None:
    [info] = TorchBackend(None, "cpu").start().bases
    asked = command(photos, steps=None, **recipe)
    asked = msgspec.structs.replace(asked, request=msgspec.structs.replace(asked.request, kind=kind))
    steps = teach(Room(base, AdapterBank(base.modules)), asked, Control())
    planned = next(filter(None, steps))
    steps.close()
    assert info.lengths is not None
    assert planned.steps == count_steps(asked.request.recipe, info.lengths, len(photos))[0]
    assert planned.step_work == work
    if not recipe:
        assert planned.memory_bytes == info.memory_bytes["lora"][kind == "face"]


def learned(checkpoint: bytes) -> bytes:
    """What a checkpoint holds besides the memo, in which the seconds stand that it took."""
    return save({name: tensor for name, tensor in load(checkpoint).items() if not name.startswith("memo/")})


def checkpoints(
    base: Base, asked: messages.StartTraining, captioner: Captioner | None = None
) -> Generator[bytes, None, None]:
    """Those of a training; it goes no further than it is asked for."""
    for report in teach(Room(base, AdapterBank(base.modules), captioner=captioner), asked, Control()):
        if isinstance(report, messages.Checkpointed):
            data = report.file.read()
            Path(report.file.path).unlink()  # as the worker takes it away
            yield data


def test_photos_are_learned_with_what_the_captioner_says(
    base: Base, photos: list[Image.Image], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if somebody had written that; the same again where the training is resumed."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)
    captioner = open_captioner(make_captioner(tmp_path), base.device)
    shown = [Image.new("RGB", (64, 64), colour) for colour in CAPTIONS] + photos[:1]

    def asked(source: CaptionSource, captions: tuple[str | None, ...]) -> messages.StartTraining:
        asks = command(shown, captions=source, caption_dropout=0.0, steps=24)
        return msgspec.structs.replace(asks, request=msgspec.structs.replace(asks.request, captions=captions))

    described = asked("captioner", (None, None, "thnos at work"))
    whole = checkpoints(base, described, captioner)
    first, second = next(whole), next(whole)
    whole.close()
    said = ("a purple thnos monster at a table", "thnos monster, a cat in the garden", "thnos at work")
    assert learned(next(checkpoints(base, asked("photo", said)))) == learned(first)
    assert learned(next(checkpoints(base, asked("photo", said[::-1])))) != learned(first)
    resumed = msgspec.structs.replace(described, resume=spool(tmp_path, first))
    assert learned(next(checkpoints(base, resumed, captioner))) == learned(second)


def test_an_engine_gives_its_captioner_to_trainings(
    photos: list[Image.Image], command: Command, tmp_path: Path
) -> None:
    asked = command(photos, captions="captioner")
    for folder in (make_captioner(tmp_path), None):
        backend = TorchBackend(None, "cpu", captioner=folder)
        backend.start()
        steps = backend.train(asked, Control())
        if folder:
            assert isinstance(next(filter(None, steps)), messages.Planned)
            steps.close()
        else:
            with pytest.raises(UserFault, match="captions can't be `captioner`, for this worker has none"):
                next(steps)


def test_a_captioner_that_was_taken_away_meanwhile_is_for_the_log_alone(
    photos: list[Image.Image], command: Command, tmp_path: Path
) -> None:
    folder, reports = make_captioner(tmp_path), list[messages.Report]()
    backend = TorchBackend(None, "cpu", captioner=folder)
    backend.start()
    (folder / "model.safetensors").unlink()
    engine = Engine(backend, reports.append)
    engine.take(command(photos, captions="captioner"))
    while engine.busy:
        engine.turn()
    (refused,) = reports
    assert isinstance(refused, messages.Refused)
    assert refused.message is None
    assert f"DARKROOM_CAPTIONER is {folder}" in refused.details
